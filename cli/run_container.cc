#include "cli/run_container.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/cdi.h"
#include "builder/sandbox/delegated_cgroup.h"
#include "builder/sandbox/device_tree.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/rootfs.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/surroundings.h"
#include "builder/unpack.h"
#include "cli/give_tree.h"
#include "cli/image_name.h"
#include "cli/in_holder.h"
#include "cli/kept.h"
#include "cli/lazy_image.h"
#include "cli/pull_image.h"
#include "cli/run_commands.h"
#include "cli/run_mounts.h"
#include "cli/run_process.h"
#include "cli/same_user.h"
#include "cli/working_dir.h"
#include "layers/shared_indexes.h"

extern char** environ;

namespace acetate::cli {

namespace {

std::optional<std::string> our_env(const std::string& name) {
  const char* value = ::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

std::vector<std::string> whole_env() {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  return all;
}

bool exists(const std::string& path) { return sys::stat_following(path).has_value(); }

// Everything that is known before the holder is entered.
struct Run {
  RunOptions options;
  Paths paths;
  image::Image image;
  sandbox::Spec spec;
  RunMounts mounts;
  std::vector<std::pair<RunMounts::ImageMount, image::Image>> images;
  std::optional<Kept> kept;
  Person person;
};

// As --pull says: from a registry first, or where the image is not here.
Result<image::Image> find_or_pull(const Run& run, const std::string& name, const Streams& streams) {
  const RunOptions& options = run.options;
  const bool may_come = !is_surely_a_path(name);
  const auto fetch = [&]() -> Result<void> {
    PullRequest request{.policy = options.pull, .quiet = options.quiet, .remote = remote_flags(options.lazy)};
    if (!options.platform.empty()) request.platform = TRY(image::parse_platform(options.platform));
    std::ostringstream ids;  // our standard output is the command's
    return pull_images(run.paths, {name}, request, streams, ids);
  };
  if (may_come && (options.pull == "always" || options.pull == "newer")) TRY(fetch());
  auto image = find_image(run.paths, name, options.platform);
  if (image || !image.error().is(ENOENT) || !may_come || options.pull != "missing" || exists(name)) return image;
  TRY(fetch());
  return find_image(run.paths, name, options.platform);
}

Result<image::Image> find_sources(const Run& run, const std::vector<std::string>& sources, const Streams& streams) {
  if (run.options.rootfs) {
    const auto st = sys::stat_following(sources[0]);
    if (sources.size() != 1 || !st || !S_ISDIR(st->st_mode)) return fail(ENOTDIR, "--rootfs wants one directory, and {} is none", sources[0]);
    return image::image_from_layers({std::filesystem::absolute(sources[0]).string()});
  }
  const LazyFlags& lazy = run.options.lazy;
  if (lazy.lazy && sources.size() > 1) return fail(EINVAL, "--lazy is for an image of a registry, and for one at a time");
  // Here and not in the holder: what is started to fetch is started as whoever called us.
  if (lazy.lazy) return find_lazy_image(run.paths, sources[0], run.options.platform, lazy);
  if (sources.size() == 1) return find_or_pull(run, sources[0], streams);
  return image::image_from_layers(sources);
}

// The image, or the kept container of that name, and the writable layer. A path or transport is never a container.
Result<void> find_image_and_layer(Run& run, const std::vector<std::string>& sources, const Streams& streams) {
  const std::string& name = run.options.keep;
  if (name.empty() && sources.size() == 1 && !run.options.rootfs) {
    auto kept = Kept::open(containers_dir(run.paths), sources[0], Kept::Use::write);
    if (kept) {
      run.image = kept->record().image;
      TRY(open_lazy_layers(run.image));
      run.kept.emplace(*std::move(kept));
      log::info("going on from the container {}, which lies on {}", sources[0], run.image.name);
      return {};
    }
    if (!kept.error().is(ENOENT)) return std::move(kept).error();
  }
  run.image = TRY(find_sources(run, sources, streams));
  if (name.empty()) return {};
  auto kept = Kept::open(containers_dir(run.paths), name, Kept::Use::write);
  if (kept) {
    TRY(check_same_image(kept->record(), run.image));
    run.kept.emplace(*std::move(kept));
    return {};
  }
  if (!kept.error().is(ENOENT)) return std::move(kept).error();
  run.kept.emplace(TRY(Kept::make(containers_dir(run.paths), name, run.image)));
  return {};
}

constexpr const char* kKeepGroups = "keep-groups";  // as podman calls it

// --hpc is several options at once; what was typed goes before.
void expand_hpc(RunOptions& options, const std::string& working_dir) {
  if (!options.hpc) return;
  if (options.userns.empty()) options.userns = "keep-id";
  if (options.workdir.empty()) options.workdir = working_dir;
  if (options.group_add.empty()) options.group_add = {kKeepGroups};
}

// Every device that a container does not have anyway, as podman gives --privileged to who is not root. What is a file system of its own
// in a container's /dev is not looked into.
Result<std::vector<sandbox::Device>> every_device() {
  static constexpr std::string_view kOwn[] = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "mqueue", "fd"};
  std::vector<sandbox::Device> devices;
  for (const std::string& name : TRY(sandbox::list_devices("/dev", kOwn))) devices.push_back({.source = "/dev/" + name, .target = "/dev/" + name});
  return devices;
}

// docker's and podman's: the id of one that runs, or did, stays what it is.
Result<void> write_id(const std::string& file, const std::string& id) {
  if (file.empty()) return {};
  const Fd made = TRY_WITHIN(sys::open(file, O_WRONLY | O_CREAT | O_EXCL, 0644), "--cidfile {}", file);
  return TRY_WITHIN(sys::write_full(made.ref(), id), "--cidfile {}", file);
}

// No container came about.
void remove_id(const std::string& file) {
  if (file.empty()) return;
  if (auto gone = sys::unlink({kWorkingDir, file.c_str()}); !gone && !gone.error().is(ENOENT)) log::warn("removing {} (--cidfile): {}", file, gone.error().message());
}

bool is_stream(const std::string& text, const char* name) { return ::strcasecmp(text.c_str(), name) == 0; }

// Which descriptors of ours are its, beside standard input.
Result<void> check_attached(const RunOptions& options) {
  for (const std::string& text : options.attach) {
    if (!is_stream(text, "stdin") && !is_stream(text, "stdout") && !is_stream(text, "stderr")) return fail(EINVAL, "--attach {}: should be stdin, stdout or stderr", text);
  }
  return {};
}

Result<void> choose_runtime(const std::string& name) {
  if (name.empty()) return {};
  if (name == "nvidia") return fail(ENOTSUP, "--runtime nvidia is not to be had: --gpus all, or --device nvidia.com/gpu=all, gives the devices by CDI");
  if (name != "runc" && name != "crun" && name != "native") return fail(EINVAL, "--runtime wants runc, crun or native, not \"{}\"", name);
  ::setenv("ACETATE_RUNTIME", name.c_str(), 1);
  return {};
}

Result<Run> prepare(RunOptions options, std::vector<std::string> typed, const Streams& streams) {
  TRY(check(*options.habits));
  TRY(check_attached(options));
  TRY(read_label_files(options));
  TRY(choose_runtime(options.runtime));
  Run run{.options = std::move(options)};
  run.options.platform = TRY(whole_platform(run.options));
  run.paths = TRY(find_paths());
  const std::string here = working_dir();
  expand_hpc(run.options, here);
  const RunWords words = TRY(split_run_words(std::move(typed), exists));
  TRY(find_image_and_layer(run, words.sources, streams));
  run.spec = TRY(describe_process(run.image.config, run.options, words.command, {.get = our_env, .all = whole_env}));
  run.mounts = TRY(describe_mounts(run.options, {.working_dir = here, .volumes_dir = volumes_dir(run.paths)}));
  for (const auto& mount : run.mounts.images) run.images.emplace_back(mount, TRY(find_or_pull(run, mount.image, streams)));
  add_image_volumes(run.image.config.volumes, run.options.image_volume, run.mounts);
  for (const std::string& target : run.mounts.unnamed) run.spec.directories.push_back(target);
  for (const NamedVolume& volume : run.mounts.volumes) TRY(make_volume(volume));
  run.spec.keep_groups = std::ranges::find(run.options.group_add, kKeepGroups) != run.options.group_add.end();
  if (run.spec.keep_groups && run.options.group_add.size() > 1) return fail(EINVAL, "--group-add keep-groups goes with no other group");
  run.person = who_we_are();
  run.spec.keep_id = TRY(parse_userns(run.options.userns, run.person.uid, run.person.gid));
  if (run.spec.keep_id) run.person.uid = run.spec.keep_id->uid, run.person.gid = run.spec.keep_id->gid;
  run.spec.mounts = run.mounts.mounts;
  run.spec.devices = run.mounts.devices;
  if (run.options.privileged)
    for (auto& device : TRY(every_device())) run.spec.devices.push_back(std::move(device));
  TRY(sandbox::add_cdi_devices(run.mounts.cdi_devices, run.spec));
  if (run.options.hpc)
    for (auto& mount : home_and_work(run.person, here)) run.spec.mounts.push_back(std::move(mount));
  return run;
}

// The daemon opens the layers, and nobody else before it: that costs as much again. When it ends (EIO) we look whether one of them
// is why, so that it is told by its name.
Result<sandbox::Rootfs> mount_image(const image::Image& image, const sandbox::RootfsOptions& options) {
  auto rootfs = sandbox::Rootfs::make(image.lowers(), options);
  if (rootfs || !rootfs.error().is(EIO)) return rootfs;
  for (const auto& layer : image.layers)
    TRY_WITHIN(open_layer(layer.spec, default_index_dir()), "{}", layer.spec.path);
  return rootfs;
}

// Without -i there is nothing to read, as in docker and podman.
Result<Fd> standard_input(const RunOptions& options) {
  if (options.interactive || options.terminal) return Fd();
  return sys::open("/dev/null", O_RDONLY);
}

bool is_attached(const RunOptions& options, const char* name) {
  return options.attach.empty() || std::ranges::any_of(options.attach, [&](const std::string& text) { return is_stream(text, name); });
}

// Files of the image are shown as belonging to whom the image says, in a container whose ids are not in our order.
Result<std::vector<std::string>> owner_options(const Run& run, sandbox::IdMode ids) {
  if (!run.spec.keep_id || ids != sandbox::IdMode::range) return std::vector<std::string>();
  const auto maps = TRY(sandbox::keep_id_maps(run.spec.keep_id->uid, run.spec.keep_id->gid));
  return std::vector<std::string>{"uidmapping=" + sandbox::mapping_option(maps.uids), "gidmapping=" + sandbox::mapping_option(maps.gids)};
}

// The kernel's overlay writes the ids it is given, and not those that our daemon shows in another order.
Result<sandbox::UpperKind> upper_kind(const Run& run, bool other_order) {
  const auto kind = *sandbox::parse_upper_kind(run.options.upper);
  if (!other_order || kind == sandbox::UpperKind::own) return kind;
  if (kind == sandbox::UpperKind::kernel)
    return fail(ENOTSUP, "--upper=kernel keeps ids as they are, and --userns keep-id shows them in another order: --upper=own can");
  log::info("our daemon keeps what is written, since --userns keep-id shows ids in another order");
  return sandbox::UpperKind::own;
}

// Who an id of the container is to us, who are outside of it.
std::optional<std::uint32_t> outside_of(const std::vector<sys::IdRange>& map, std::uint32_t id) {
  for (const sys::IdRange& range : map)
    if (id >= range.inside && id - range.inside < range.count) return range.outside + (id - range.inside);
  return std::nullopt;
}

// What was asked to be the container's user's.
Result<void> give_sources(const Run& run) {
  if (run.mounts.given.empty()) return {};
  if (run.spec.ids == sandbox::IdMode::single) return void(log::info("with one id everything is the container's user's already")), Result<void>();
  std::optional<std::uint32_t> uid = run.spec.uid, gid = run.spec.gid;
  if (run.spec.keep_id) {
    const auto maps = TRY(sandbox::keep_id_maps(run.spec.keep_id->uid, run.spec.keep_id->gid));
    uid = outside_of(maps.uids, run.spec.uid), gid = outside_of(maps.gids, run.spec.gid);
  }
  if (!uid || !gid) return fail(EINVAL, "nothing can be given to {}:{}, who has no id here", run.spec.uid, run.spec.gid);
  for (const std::string& source : run.mounts.given) TRY(give_tree(source, *uid, *gid));
  return {};
}

// --group-add, in addition to what the image says.
Result<void> add_groups(Run& run, const std::string& rootfs) {
  const auto& asked = run.options.group_add;
  if (run.spec.keep_groups || asked.empty()) return {};
  if (run.spec.ids == sandbox::IdMode::single) return void(log::warn("--group-add {}: with one id there is no other group", fmt::join(asked, ", "))), Result<void>();
  for (const std::string& name : asked) {
    if (name.empty() || name.find(':') != std::string::npos) return fail(EINVAL, "--group-add \"{}\": that is no group", name);
    run.spec.groups.push_back(TRY_WITHIN(sandbox::resolve_user(rootfs, "0:" + name), "--group-add {}", name).gid);
  }
  return {};
}

// `why`: why there are the ids there are.
Result<void> choose_user(Run& run, const sandbox::Rootfs& rootfs, const std::string& why) {
  if (run.spec.keep_id) TRY(introduce(run.person, rootfs.path(), rootfs.scratch(), run.spec));
  const bool as_ourselves = run.spec.keep_id && !run.options.user;
  if (as_ourselves) {
    set_user(run.spec, {.uid = run.person.uid, .gid = run.person.gid, .groups = {}, .home = run.person.home});
    return {};
  }
  const std::string& who = run.options.user ? *run.options.user : run.image.config.user;
  const auto user = TRY(sandbox::resolve_user(rootfs.path(), who));
  set_user(run.spec, user);
  if (run.spec.ids == sandbox::IdMode::single && !run.spec.keep_id && (user.uid != 0 || user.gid != 0))
    log::warn("user {} is played by root, since there is one id only: {}", who, why);
  return {};
}

// Indexes that an administrator shares are taken over while one can see that they are his.
void adopt_indexes(const Run& run) {
  if (::geteuid() == 0) return;
  const auto adopt = [&](const image::Image& image) {
    for (const auto& layer : image.layers) {
      if (!layer.spec.digest) continue;
      if (auto adopted = adopt_shared_index(*layer.spec.digest, run.paths.index()); !adopted)
        log::info("the index of {} is made anew: {}", layer.spec.path, adopted.error().message());
    }
  };
  adopt(run.image);
  for (const auto& [mount, image] : run.images) adopt(image);
}

// Where we are not real root, whose runtime makes one. What is missing is told when the container starts.
std::optional<sandbox::DelegatedCgroup> divide_cgroup(sandbox::Spec& spec, const std::string& notes) {
  sandbox::remove_abandoned_cgroups(notes);
  const auto is_root = sandbox::is_real_root();
  if (spec.resources.empty() || !is_root || *is_root) return std::nullopt;
  auto made = sandbox::DelegatedCgroup::make(sandbox::cgroup_limits(spec.resources), notes);
  if (made) {
    spec.limited_cgroup = made->limited();
    return *std::move(made);
  }
  spec.why_unlimited = made.error().message();
  return std::nullopt;
}

// In the holder.
Result<int> run_inside(Run& run, const sandbox::HolderPlan& plan) {
  const sandbox::IdMode ids = plan.mode;
  sandbox::RootfsOptions options{.scratch_base = runs_dir(run.paths), .ids = ids};
  options.mount_options = TRY(owner_options(run, ids));
  // Files that are unpacked have one owner, and not another in another order.
  if (options.mount_options.empty()) options.unpack = build::unpack_layers;
  options.upper_kind = TRY(upper_kind(run, !options.mount_options.empty()));
  if (run.kept) {
    options.keep_upper = run.kept->upper();
    options.durable = true;  // what is asked to be kept survives a power cut too
  }
  run.spec.ids = ids;
  const std::string memo = runs_dir(run.paths) + "/runtime";
  options.meanwhile = [&] { sandbox::prepare_launch(run.spec, memo); };
  sandbox::Rootfs rootfs = TRY(mount_image(run.image, options));
  std::vector<sandbox::Rootfs> mounted;
  for (const auto& [mount, image] : run.images) {
    mounted.push_back(TRY(mount_image(
        image, {.scratch_base = runs_dir(run.paths), .ids = ids, .read_only = !mount.writable, .unpack = build::unpack_layers})));
    run.spec.mounts.push_back({.source = mounted.back().path(), .target = mount.target, .writable = mount.writable});
  }
  // The daemons have the layers open: who collects garbage need not wait until the command ends.
  run.image.hold.reset();
  for (auto& [mount, image] : run.images) image.hold.reset();
  std::vector<Fd> volumes;  // in use until we return
  for (const NamedVolume& volume : run.mounts.volumes)
    volumes.push_back(TRY(enter_volume(volume, rootfs.path(), ids != sandbox::IdMode::single)));
  for (const auto& [source, target] : run.mounts.overlaid) {
    const LayerSpec layer{.path = source};
    mounted.push_back(TRY_WITHIN(sandbox::Rootfs::make({format_layer_spec(layer)}, {.scratch_base = runs_dir(run.paths), .ids = ids, .unpack = build::unpack_layers}),
                                "-v {}:{}:O", source, target));
    run.spec.mounts.push_back({.source = mounted.back().path(), .target = target});
  }
  run.spec.rootfs = rootfs.path();
  run.spec.record_owners = rootfs.notes_owners();
  TRY(choose_user(run, rootfs, plan.why));
  TRY(add_groups(run, rootfs.path()));
  TRY(give_sources(run));
  // Real root's ids are in their own order already.
  if (ids == sandbox::IdMode::none && run.spec.keep_id && run.spec.keep_id->uid == ::getuid() && run.spec.keep_id->gid == ::getgid()) run.spec.keep_id.reset();
  order_mounts(run.spec.mounts);
  const Fd input = TRY(standard_input(run.options));
  const Fd nowhere = TRY(sys::open("/dev/null", O_WRONLY));
  // A terminal is one for all of them.
  const auto output = [&](const char* name) { return run.options.terminal || is_attached(run.options, name) ? FdRef() : nowhere.ref(); };
  const auto exit = TRY(sandbox::launch(run.spec, rootfs.scratch(), {.in = input.ref(), .out = output("stdout"), .err = output("stderr")}, memo));
  // The command has ended as it did, whatever becomes of the mount.
  if (auto gone = rootfs.unmount(); !gone) log::warn("{}", gone.error().message());
  return exit.shell_code();
}

// What runs goes into the record of a kept container, and how an earlier one ended out of it.
Result<void> note_start(Run& run) {
  if (!run.kept) return {};
  KeptRecord record = run.kept->record();
  record.command = run.spec.argv;
  for (const auto& [name, value] : TRY(parse_labels(run.options))) record.labels[name] = value;
  record.exit_code.reset();
  return run.kept->save(std::move(record));
}

Result<void> note_end(Run& run, int code) {
  if (!run.kept) return {};
  KeptRecord record = run.kept->record();
  record.exit_code = code;
  return run.kept->save(std::move(record));
}

}  // namespace

Result<int> run_container(RunOptions options, std::vector<std::string> typed, const Context& context) {
  if (options.verbose) log::set_level(log::Level::info);
  Run run = TRY(prepare(std::move(options), std::move(typed), context.streams));
  adopt_indexes(run);
  run.spec.id = sandbox::new_container_id();
  TRY(write_id(run.options.id_file, run.kept ? run.kept->record().name : run.spec.id));
  const auto cgroup = divide_cgroup(run.spec, runs_dir(run.paths) + "/cgroups");
  if (auto noted = note_start(run); !noted) return remove_id(run.options.id_file), std::move(noted).error();
  const auto inside = [&](const sandbox::HolderPlan& plan) {
    auto ended = run_inside(run, plan);
    if (!ended) remove_id(run.options.id_file);
    return ended;
  };
  // The host's processes are seen from the host's pid namespace only.
  auto code = in_holder(context, kOurFault, inside, run.spec.own_pids);
  if (!code) remove_id(run.options.id_file);
  if (auto noted = note_end(run, code ? *code : kOurFault); !noted) log::warn("{}", noted.error().message());
  return code;
}

}  // namespace acetate::cli
