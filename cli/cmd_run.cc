// acetate run: a command in an image, rootless, straight out of the image's tarballs.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/any_holder.h"
#include "builder/sandbox/rootfs.h"
#include "builder/sandbox/spec.h"
#include "cli/command.h"
#include "cli/image_name.h"
#include "cli/lazy_image.h"
#include "cli/paths.h"
#include "cli/run_process.h"

namespace acetate::cli {

namespace {

constexpr int kOurFault = 125;  // as podman and docker have it

std::optional<std::string> our_env(const std::string& name) {
  const char* value = ::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

bool exists(const std::string& path) { return sys::stat_following(path).has_value(); }

Result<image::Image> find_sources(const Paths& paths, const std::vector<std::string>& sources,
                                  const std::string& platform, const LazyFlags& lazy) {
  if (lazy.lazy && sources.size() > 1)
    return fail(EINVAL, "--lazy is for an image of a registry, and for one at a time");
  // Here and not in the holder: what is started to fetch is started as whoever called us.
  if (lazy.lazy) return find_lazy_image(paths, sources[0], platform, lazy);
  if (sources.size() == 1) return find_image(paths, sources[0], platform);
  return image::image_from_layers(sources);
}

// Opened before a daemon is started, so that what is wrong with one is told by its name.
Result<void> index_layers(const image::Image& image) {
  for (const auto& layer : image.layers)
    TRY_WITHIN(open_layer(layer.spec, default_index_dir()), "{}", layer.spec.path);
  return {};
}

// Without -i there is nothing to read, as in docker and podman.
Result<Fd> standard_input(const RunOptions& options) {
  if (options.interactive || options.terminal) return Fd();
  return sys::open("/dev/null", O_RDONLY);
}

struct Run {
  image::Image image;
  RunOptions options;
  sandbox::Spec spec;
  std::string scratch_base;
  sandbox::IdMode ids;
};

// In the holder.
Result<int> run_inside(Run run) {
  TRY(index_layers(run.image));
  sandbox::RootfsOptions options{.scratch_base = run.scratch_base, .ids = run.ids};
  if (!run.options.keep.empty()) {
    options.keep_upper = run.options.keep;
    options.durable = true;  // what is asked to be kept survives a power cut too
  }
  sandbox::Rootfs rootfs = TRY(sandbox::Rootfs::make(run.image.lowers(), options));
  run.spec.rootfs = rootfs.path();
  run.spec.ids = run.ids;
  const std::string& who = run.options.user ? *run.options.user : run.image.config.user;
  const auto user = TRY(sandbox::resolve_user(rootfs.path(), who));
  set_user(run.spec, user);
  if (run.ids == sandbox::IdMode::single && (user.uid != 0 || user.gid != 0))
    log::warn("user {} is played by root: without an entry in /etc/subuid there is one id only", who);
  const Fd input = TRY(standard_input(run.options));
  const auto exit = TRY(sandbox::launch(run.spec, rootfs.scratch(), {.in = input.ref(), .out = {}, .err = {}},
                                           run.scratch_base + "/runtime"));
  // The command has ended as it did, whatever becomes of the mount.
  if (auto gone = rootfs.unmount(); !gone) log::warn("{}", gone.error().message());
  return exit.shell_code();
}

Result<int> run(RunOptions options, const LazyFlags& lazy, const std::vector<std::string>& typed, const Context& context) {
  if (options.verbose) log::set_level(log::Level::info);
  const RunWords words = TRY(split_run_words(typed, exists));
  const Paths paths = TRY(find_paths());
  Run run{.image = TRY(find_sources(paths, words.sources, options.platform, lazy)),
          .options = options,
          .scratch_base = paths.data + "/run"};
  run.spec = TRY(describe_process(run.image.config, options, words.command, our_env));
  if (!options.keep.empty()) run.options.keep = std::filesystem::absolute(options.keep).string();
  return sandbox::run_in_a_holder([&](const sandbox::HolderPlan& plan) {
    log::info("{}", plan.why);
    run.ids = plan.mode;
    auto ended = run_inside(std::move(run));
    if (ended) return *ended;
    context.streams.err << fmt::format("acetate: {}\n", ended.error().message());
    return kOurFault;
  });
}

// -e A=1 -e B=2: one value each time, or the image's name would be taken for another.
template <class T>
void repeatable(CLI::App& app, const char* names, T& into, const char* help) {
  app.add_option(names, into, help)->allow_extra_args(false);
}

}  // namespace

Runner run_command(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  // Options end with the image: what follows is the command's.
  app.fallthrough(false);
  app.prefix_command();
  app.footer(
      "IMAGE [COMMAND [ARG...]], or SOURCE... -- COMMAND [ARG...] with tarballs and directories from the bottom to\n"
      "the top. What is written is gone afterwards, unless --keep says where to keep it.");
  repeatable(app, "-e,--env", options->env, "NAME=VALUE, or NAME to pass ours on");
  app.add_option("-w,--workdir", options->workdir, "the working directory; made if need be");
  app.add_option("-u,--user", options->user, "NAME, UID, NAME:GROUP or UID:GID");
  app.add_option("--entrypoint", options->entrypoint, "instead of the image's; \"\" for none");
  repeatable(app, "-v,--volume", options->volumes, "SOURCE:TARGET[:ro], a file or directory of ours");
  app.add_option("--hostname", options->hostname, "the container's name for itself");
  app.add_option("--network", options->network, "host (the default), none, pasta or slirp4netns");
  app.add_flag("--read-only", options->read_only, "the root file system is not writable; /tmp and /run are");
  app.add_flag("--rm", options->remove, "remove what was written afterwards: always so, without --keep");
  app.add_option("--keep", options->keep, "keep what is written in this directory, and go on from it next time");
  app.add_flag("-i,--interactive", options->interactive, "pass our standard input on");
  app.add_flag("--init", options->init, "pid 1 is a reaper of ours, and the command its child");
  app.add_flag("-t,--tty", options->terminal, "give it a terminal; ours must be one");
  repeatable(app, "--cap-add", options->cap_add, "a capability more, or ALL");
  repeatable(app, "--cap-drop", options->cap_drop, "a capability less, or ALL");
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  const auto lazy = std::make_shared<LazyFlags>();
  add_lazy_options(app, *lazy);
  app.add_flag("--verbose", options->verbose, "say more about what is done");
  return [options, lazy, &app](const Context& context) { return run(*options, *lazy, app.remaining(), context); };
}

}  // namespace acetate::cli
