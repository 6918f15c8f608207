// acetate commit: an image of what a kept container lies on and what it wrote.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "base/sys/file.h"
#include "cli/run_commands.h"
#include "cli/run_container.h"
#include "cli/commit.h"
#include "cli/in_holder.h"
#include "cli/kept.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string name, iidfile;
  CommitRequest request;
  bool quiet = false;
};

Result<int> commit(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  const Kept kept = TRY(find_kept(containers_dir(paths), options.name, Kept::Use::read));
  return in_holder_or_here(context, kOurFault, [&](const sandbox::HolderPlan&) -> Result<int> {
    const auto image = TRY(commit_kept(kept, options.request, paths));
    if (!options.iidfile.empty())
      TRY_WITHIN(sys::write_file_atomically({kWorkingDir, options.iidfile.c_str()}, image.config.str(), 0644), "writing {}", options.iidfile);
    context.streams.out << image.config.hex() << '\n';
    return 0;
  });
}

}  // namespace

Runner commit_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CommitRequest& request = options->request;
  app.add_option("NAME", options->name, "a container that run --keep has kept")->required();
  app.add_option("IMAGE", request.tag, "what the image is called: NAME[:TAG]");
  app.add_option("-m,--message", request.message, "a comment in the image's history");
  app.add_option("-a,--author", request.author, "who made it");
  app.add_option("-c,--change", request.changes, "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, as in a Dockerfile")
      ->allow_extra_args(false);
  app.add_option("-o,--output", request.dest, "an OCI layout's directory or FILE.tar, instead of our own store");
  app.add_option("--iidfile", options->iidfile, "write the image's id into this file");
  app.add_flag("-q,--quiet", options->quiet, "print the image's id and nothing else: always so");
  return [options](const Context& context) { return commit(*options, context); };
}

}  // namespace acetate::cli
