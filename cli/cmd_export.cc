// acetate export: a kept container's whole file system as one tarball.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <optional>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "cli/run_commands.h"
#include "cli/run_container.h"
#include "cli/in_holder.h"
#include "cli/kept_changes.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "layers/tar/layer_writer.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string name, output;
};

// The container's files as one tree: what it wrote over what it lies on.
Result<LayerPtr> whole_tree(const Kept& kept) {
  std::vector<LayerPtr> layers;
  Fd upper = TRY_WITHIN(sys::open(kept.upper(), O_PATH | O_DIRECTORY), "opening {}", kept.upper());
  layers.push_back(TRY(open_dir_layer(std::move(upper), FollowMarks::privileged, kept.whiteout_files())));
  layers.push_back(TRY(tree_below(kept.record().image)));
  return make_stack(std::move(layers));
}

Result<void> write_tar(const Kept& kept, FdRef out) {
  LayerWriter writer([out](auto bytes) { return sys::write_full(out, bytes); });
  TRY(read_upper(TRY(whole_tree(kept)), nullptr, [&](const DeltaOp& op, const FileView* content) { return writer.add(op, content); }));
  return writer.finish();
}

Result<int> export_files(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  const Kept kept = TRY(find_kept(containers_dir(paths), options.name, Kept::Use::read));
  if (options.output.empty() && ::isatty(STDOUT_FILENO) == 1)
    return fail(EINVAL, "a tarball is not for a terminal; write it to a file with -o, or into a pipe");
  // Made before the holder, as whom the person is.
  std::optional<sys::NewFile> file;
  if (!options.output.empty() && options.output != "-") file.emplace(TRY_WITHIN(sys::NewFile::make(options.output, 0644), "writing {}", options.output));
  const int code = TRY(in_holder_or_here(context, kOurFault, [&](const sandbox::HolderPlan&) -> Result<int> {
    TRY_WITHIN(write_tar(kept, file ? file->ref() : FdRef{STDOUT_FILENO}), "exporting {}", options.name);
    return 0;
  }));
  if (file && code == 0) TRY_WITHIN(file->commit(), "writing {}", options.output);
  return code;
}

}  // namespace

Runner export_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("NAME", options->name, "a container that run --keep has kept")->required();
  app.add_option("-o,--output", options->output, "a file; standard output without it");
  return [options](const Context& context) { return export_files(*options, context); };
}

}  // namespace acetate::cli
