// acetate build: the command line of docker build and podman build, as far as we have it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fcntl.h>

#include <charconv>
#include <cstdlib>
#include <istream>
#include <iterator>
#include <memory>
#include <ostream>

#include "base/sys/file.h"
#include "builder/build.h"
#include "cli/command.h"
#include "cli/paths.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string context, file, target, output, iidfile, timestamps;
  std::string network = "host", progress = "plain";
  std::optional<std::string> source_date_epoch;
  std::vector<std::string> tags, build_args, labels, contexts;
  bool no_cache = false, explain = false, quiet = false;
};

// "K=V"; without "=", K has the value it has in our environment, and is not given when it has none.
Result<build::Strings> parse_build_args(const std::vector<std::string>& texts) {
  build::Strings values;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (name.empty()) return fail(EINVAL, "--build-arg wants NAME=VALUE, not \"{}\"", text);
    if (equals != std::string::npos) {
      values[name] = text.substr(equals + 1);
    } else if (const char* value = std::getenv(name.c_str())) {
      values[name] = value;
    }
  }
  return values;
}

Result<build::Strings> parse_pairs(const std::vector<std::string>& texts, std::string_view option, bool value_needed) {
  build::Strings values;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || (equals == std::string::npos && value_needed))
      return fail(EINVAL, "{} wants NAME=VALUE, not \"{}\"", option, text);
    values[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  return values;
}

// "type=oci,dest=PATH[,compression=none|gzip]".
Result<void> parse_output(const std::string& text, build::BuildOptions& build) {
  if (text.empty()) return {};
  std::string type, dest;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    at = comma + 1;
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (key == "type") type = value;
    else if (key == "dest") dest = value;
    else if (key == "compression" && value == "gzip") build.compression = build::Compression::gzip;
    else if (key == "compression" && (value == "none" || value == "uncompressed")) build.compression = build::Compression::none;
    else return fail(EINVAL, "--output knows type=oci, dest=PATH and compression=gzip or none; not \"{}\"", part);
  }
  if (type != "oci") return fail(ENOTSUP, "--output type={} is not supported yet; type=oci is (dest=DIRECTORY or dest=FILE.tar)", type);
  if (dest.empty()) return fail(EINVAL, "--output type=oci wants dest=DIRECTORY or dest=FILE.tar");
  build.dest = dest;
  return {};
}

// SOURCE_DATE_EPOCH by option, by build argument, by environment; else logical times.
Result<build::TimeRule> time_rule(const Options& options, const build::Strings& build_args) {
  using Kind = build::TimeRule::Kind;
  std::optional<std::string> epoch = options.source_date_epoch;
  if (!epoch)
    if (const auto given = build_args.find("SOURCE_DATE_EPOCH"); given != build_args.end()) epoch = given->second;
  if (!epoch)
    if (const char* value = std::getenv("SOURCE_DATE_EPOCH")) epoch = value;
  if (options.timestamps == "keep") return build::TimeRule{.kind = Kind::keep};
  if (!options.timestamps.empty() && options.timestamps != "logical")
    return fail(EINVAL, "--timestamps wants logical or keep, not \"{}\"", options.timestamps);
  if (!epoch || epoch->empty()) return build::TimeRule{};
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(epoch->data(), epoch->data() + epoch->size(), seconds);
  if (error != std::errc() || end != epoch->data() + epoch->size() || seconds < 0)
    return fail(EINVAL, "SOURCE_DATE_EPOCH wants seconds since 1970, not \"{}\"", *epoch);
  return build::TimeRule{.kind = Kind::epoch, .epoch = seconds};
}

Result<build::BuildOptions> understand(const Options& options, const Context& context) {
  const Paths paths = TRY(find_paths());
  build::BuildOptions build{.context_dir = options.context,
                            .dockerfile = options.file,
                            .target = options.target,
                            .no_cache = options.no_cache,
                            .explain = options.explain,
                            .tags = options.tags,
                            .build_dir = paths.data + "/build",
                            .images_dir = paths.images(),
                            .index_dir = paths.index(),
                            .scratch_base = paths.data + "/scratch"};
  if (options.context == "-") return fail(ENOTSUP, "a context on standard input is not supported yet; unpack it into a directory");
  if (options.context.find("://") != std::string::npos || options.context.starts_with("git@"))
    return fail(ENOTSUP, "a remote context is not supported yet; fetch {} into a directory", options.context);
  // Absolute, because layers found below it are opened by processes with other working directories.
  const Fd dir = TRY_WITHIN(sys::open(options.context, O_PATH | O_DIRECTORY), "the build context {}", options.context);
  build.context_dir = TRY(sys::readlink(FileAt{kWorkingDir, sys::ProcFdPath(dir.ref()).c_str()}));
  if (options.file == "-") {
    build.dockerfile.clear();
    build.dockerfile_text = std::string(std::istreambuf_iterator<char>(context.streams.in), {});
  }
  build.build_args = TRY(parse_build_args(options.build_args));
  build.labels = TRY(parse_pairs(options.labels, "--label", false));
  build.contexts = TRY(parse_pairs(options.contexts, "--build-context", true));
  build.times = TRY(time_rule(options, build.build_args));
  if (options.network != "host" && options.network != "default" && options.network != "none")
    return fail(EINVAL, "--network wants host or none, not \"{}\"", options.network);
  build.network = options.network != "none";
  TRY(parse_output(options.output, build));
  return build;
}

Result<void> build_in_holder(const Options& options, const build::BuildOptions& build, sandbox::IdMode ids,
                             const Context& context) {
  const auto mode = options.quiet || options.progress == "quiet" ? build::Progress::Mode::quiet : build::Progress::Mode::plain;
  build::Progress progress(context.streams.err, mode);
  const auto runner = build::make_sandbox_runner(build.scratch_base, ids);
  const auto image = TRY(build::build(build, *runner, progress));
  if (!options.iidfile.empty())
    TRY_WITHIN(sys::write_file_atomically({kWorkingDir, options.iidfile.c_str()}, image.config.str(), 0644), "writing {}",
               options.iidfile);
  if (mode == build::Progress::Mode::quiet) context.streams.out << image.config.str() << '\n';
  return {};
}

Result<int> run_build(const Options& options, const Context& context) {
  const build::BuildOptions build = TRY(understand(options, context));
  const sandbox::HolderPlan plan = TRY(sandbox::plan_holder());
  context.streams.out.flush();
  context.streams.err.flush();
  // The holder is a process of its own, which ends without the destructors of ours: it says what went wrong
  // itself, and empties its streams.
  return sandbox::run_in_holder(plan, [&] {
    const auto built = build_in_holder(options, build, plan.mode, context);
    if (!built) context.streams.err << fmt::format("acetate: {}\n", built.error().message());
    context.streams.out.flush();
    context.streams.err.flush();
    return built && context.streams.out ? 0 : 1;
  });
}

}  // namespace

Runner build_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("CONTEXT", options->context, "the directory that COPY and ADD copy from")->required();
  app.add_option("-f,--file", options->file, "the Dockerfile, if not CONTEXT/Dockerfile or CONTEXT/Containerfile; - reads it");
  app.add_option("-t,--tag", options->tags, "name the image NAME[:TAG]; may be given again")->allow_extra_args(false);
  app.add_option("--target", options->target, "build this stage and what it needs");
  app.add_option("--build-arg", options->build_args, "NAME=VALUE for an ARG, or NAME for the environment's value")
      ->allow_extra_args(false);
  app.add_option("--label", options->labels, "NAME=VALUE, added to the image's labels")->allow_extra_args(false);
  app.add_option("--build-context", options->contexts, "NAME=IMAGE: what FROM NAME and COPY --from=NAME mean")
      ->allow_extra_args(false);
  app.add_option("-o,--output", options->output,
                 "type=oci,dest=DIRECTORY or dest=FILE.tar; without it the image goes to our own store");
  app.add_option("--iidfile", options->iidfile, "write the image's id into this file");
  app.add_option("--network", options->network, "what RUN reaches: host or none");
  app.add_option("--progress", options->progress, "plain or quiet")->check(CLI::IsMember({"plain", "quiet", "auto"}));
  app.add_option("--source-date-epoch,--timestamp", options->source_date_epoch,
                 "no file is newer than this many seconds since 1970; SOURCE_DATE_EPOCH by default");
  app.add_option("--timestamps", options->timestamps,
                 "logical (default): the same steps give the same digests; keep: real times");
  app.add_flag("--no-cache", options->no_cache, "do every step anew");
  app.add_flag("--explain", options->explain, "say why a step is not taken from the cache");
  app.add_flag("-q,--quiet", options->quiet, "print the image's id and nothing else");
  return [options](const Context& context) { return run_build(*options, context); };
}

}  // namespace acetate::cli
