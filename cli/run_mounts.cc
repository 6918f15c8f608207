#include "cli/run_mounts.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/prepare.h"
#include "cli/human.h"
#include "cli/run_devices.h"

namespace acetate::cli {

namespace {

using Kind = sandbox::MountPoint::Kind;

// A tmpfs begins with what the image has at its place, as podman has it.
constexpr const char* kCopyUp = "tmpcopyup";

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Result<std::string> host_path(const std::string& source, const MountContext& context) {
  if (source.starts_with('/')) return source;
  if (source.starts_with('.') && context.working_dir.empty()) return fail(ENOENT, "\"{}\" is below the directory we are in, and that is gone", source);
  if (source.starts_with('.')) return context.working_dir + "/" + source;
  return fail(EINVAL, "\"{}\" is neither an absolute path nor one that begins with ./", source);
}

Result<std::string> volume_dir(const std::string& name, const MountContext& context) {
  if (!is_volume_name(name)) return fail(EINVAL, "\"{}\" cannot be a volume's name (letters, digits, _ . -); a directory here is written ./{}", name, name);
  return context.volumes_dir + "/" + name;
}

// As docker's and podman's flags have it; nothing is yes.
Result<bool> yes_or_no(const std::string& value, const std::string& text) {
  if (value.empty() || value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return fail(EINVAL, "--mount '{}': \"{}\" is neither true nor false", text, value);
}

// Of docker on a Mac, where a bind is a copy.
bool is_consistency(const std::string& option) { return option == "cached" || option == "delegated" || option == "consistent"; }

// An option of a bind as -v and --mount have it.
Result<void> bind_option(sandbox::MountPoint& mount, const std::string& option, const std::string& text) {
  static const char* const kPassed[] = {"nosuid", "suid", "nodev", "dev", "noexec", "exec", "bind", "rbind",
                                        "private", "rprivate", "slave", "rslave", "shared", "rshared"};
  if (option == "ro" || option == "readonly") return void(mount.writable = false), Result<void>();
  if (option == "rw") return void(mount.writable = true), Result<void>();
  if (option == "z" || option == "Z") return log::info("'{}': SELinux labels are left as they are", text), Result<void>();
  if (is_consistency(option)) return log::info("'{}': what is bound is always one and the same", text), Result<void>();
  if (std::ranges::find(kPassed, option) == std::end(kPassed)) return fail(EINVAL, "'{}': there is no option \"{}\" (ro, rw, O, U, nosuid, nodev, noexec, rslave, …)", text, option);
  mount.options.push_back(option);
  return {};
}

Result<void> check_target(const std::string& target, const std::string& text) {
  return target.starts_with('/') ? Result<void>() : Result<void>(fail(EINVAL, "'{}': the target is not an absolute path", text));
}

// "/tmp[:rw,size=64m,mode=1777]"
Result<sandbox::MountPoint> parse_tmpfs(const std::string& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  sandbox::MountPoint mount{.kind = Kind::tmpfs, .source = {}, .target = text.substr(0, colon)};
  TRY_WITHIN(check_target(mount.target, text), "--tmpfs");
  bool copies_up = true;
  for (const std::string& option : split(std::string_view(text).substr(std::min(colon + 1, text.size())), ',')) {
    if (option == "ro") mount.writable = false;
    else if (option.starts_with("size=") && !option.ends_with('%')) mount.size = TRY(parse_memory(option.substr(5), "--tmpfs size="));
    else if (option == "notmpcopyup") copies_up = false;
    else if (option != "rw" && option != "tmpcopyup") mount.options.push_back(option);
  }
  if (copies_up) mount.options.emplace_back(kCopyUp);
  return mount;
}

}  // namespace

Result<void> add_volume(const std::string& text, const MountContext& context, RunMounts& into) {
  if (text.starts_with('/') && text.find(':') == std::string::npos) return void(into.unnamed.push_back(text)), Result<void>();
  const auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty()) return fail(EINVAL, "-v '{}' should be SOURCE:TARGET or SOURCE:TARGET:ro", text);
  sandbox::MountPoint mount{.source = {}, .target = parts[1]};
  const bool is_path = parts[0].starts_with('/') || parts[0].starts_with('.');
  mount.source = TRY_WITHIN(is_path ? host_path(parts[0], context) : volume_dir(parts[0], context), "-v '{}'", text);
  TRY_WITHIN(check_target(mount.target, text), "-v");
  bool copies = true, is_overlaid = false, is_given = false;
  if (parts.size() == 3)
    for (const std::string& option : split(parts[2], ',')) {
      if (!is_path && (option == "copy" || option == "nocopy")) copies = option == "copy";
      else if (option == "O") is_overlaid = true;
      else if (option == "U") is_given = true;
      else TRY_WITHIN(bind_option(mount, option, text), "-v");
    }
  if (is_overlaid && (is_given || !mount.writable || !mount.options.empty()))
    return fail(EINVAL, "-v '{}': O, which leaves the source as it is, goes neither with U nor with options of a mount", text);
  if (!is_path) into.volumes.push_back({.dir = mount.source, .target = mount.target, .copies = copies});
  if (is_overlaid) return void(into.overlaid.push_back({mount.source, mount.target})), Result<void>();
  if (is_given) into.given.push_back(mount.source);
  into.mounts.push_back(std::move(mount));
  return {};
}

Result<void> add_mount(const std::string& text, const MountContext& context, RunMounts& into) {
  std::string type = "volume", source, target;
  bool copies = true, asks_to_write = false, is_given = false;
  sandbox::MountPoint mount{.source = {}, .target = {}};
  std::vector<std::string> options;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string key = part.substr(0, equals), value = part.substr(std::min(equals + 1, part.size()));
    if (key == "type") type = value;
    else if (key == "source" || key == "src") source = value;
    else if (key == "target" || key == "dst" || key == "destination") target = value;
    else if (key == "ro" || key == "readonly") mount.writable = value == "false";
    else if (key == "rw" || key == "readwrite") mount.writable = asks_to_write = value.empty() || value == "true";
    else if (key == "tmpfs-size" || key == "size") mount.size = TRY(parse_memory(value, "--mount " + key));
    else if (key == "tmpfs-mode") options.push_back("mode=" + value);
    else if (key == "bind-propagation") options.push_back(value);
    else if (key == "consistency" && (value == "default" || is_consistency(value))) continue;
    else if (key == "U" || key == "chown") is_given = TRY(yes_or_no(value, text));
    else if (key == "volume-nocopy") copies = value == "false";
    else if (key == "bind-nonrecursive" && (value.empty() || value == "true")) options.emplace_back("bind");
    else options.push_back(part);
  }
  TRY_WITHIN(check_target(target, text), "--mount");
  if (is_given && type != "bind" && type != "volume") return fail(EINVAL, "--mount '{}': U is of bind and volume", text);
  mount.target = target;
  if (type == "tmpfs") {
    mount.kind = Kind::tmpfs;
    const bool copies_up = std::erase(options, "notmpcopyup") == 0;
    std::erase(options, kCopyUp);
    mount.options = std::move(options);
    if (copies_up) mount.options.emplace_back(kCopyUp);
  } else if (type == "image") {
    if (source.empty() || !options.empty()) return fail(EINVAL, "--mount '{}': type=image wants source, target and rw at most", text);
    into.images.push_back({.image = source, .target = target, .writable = asks_to_write && mount.writable});
    return {};
  } else if (type == "volume" && source.empty() && options.empty() && mount.writable) {
    return void(into.unnamed.push_back(target)), Result<void>();
  } else if (type == "bind" || type == "volume") {
    mount.source = TRY_WITHIN(type == "bind" ? host_path(source, context) : volume_dir(source, context), "--mount '{}'", text);
    if (type == "volume") into.volumes.push_back({.dir = mount.source, .target = target, .copies = copies});
    if (is_given) into.given.push_back(mount.source);
    for (const std::string& option : options) TRY_WITHIN(bind_option(mount, option, text), "--mount");
  } else {
    return fail(EINVAL, "--mount '{}': there is no type \"{}\" (bind, volume, tmpfs, image)", text, type);
  }
  into.mounts.push_back(std::move(mount));
  return {};
}

namespace {

// "/a//b/" and "/a/./b" are one place.
std::string place_of(const std::string& target) {
  std::string place = std::filesystem::path(target).lexically_normal();
  while (place.size() > 1 && place.ends_with('/')) place.pop_back();
  return place;
}

// Where something of the person's is mounted. An unnamed volume is no mount: it is in the writable layer, below what is mounted there.
std::vector<std::string> taken_places(const RunMounts& all) {
  std::vector<std::string> places;
  for (const auto& mount : all.mounts) places.push_back(place_of(mount.target));
  for (const auto& image : all.images) places.push_back(place_of(image.target));
  for (const auto& overlaid : all.overlaid) places.push_back(place_of(overlaid.target));
  return places;
}

bool is_taken(const RunMounts& all, std::string_view place) {
  const auto places = taken_places(all);
  return std::ranges::find(places, place) != places.end();
}

// As docker and podman have it: what would be hidden by another was not meant.
Result<void> refuse_two_at_one_place(const RunMounts& all) {
  std::set<std::string> seen;
  for (const std::string& place : taken_places(all))
    if (!seen.insert(place).second) return fail(EINVAL, "duplicate mount point: {}", place);
  return {};
}

// As podman has it, by our own list of zones: what an image has of one may be older, or nothing.
Result<void> add_timezone(const std::string& zone, RunMounts& all) {
  constexpr const char* kPlace = "/etc/localtime";
  if (is_taken(all, kPlace)) return {};
  const std::string source = zone == "local" ? kPlace : "/usr/share/zoneinfo/" + zone;
  const auto st = sys::stat_following(source);
  if (("/" + zone + "/").find("/../") != std::string::npos || !st || !S_ISREG(st->st_mode)) return fail(ENOENT, "--tz {}: there is no time zone {} (Europe/Berlin, or local for ours)", zone, source);
  all.mounts.push_back({.source = std::filesystem::canonical(source), .target = kPlace, .writable = false});
  return {};
}

void add_our_ipc(RunMounts& all) {
  for (const char* place : {"/dev/shm", "/dev/mqueue"})
    if (!is_taken(all, place) && sys::stat_following(place))
      all.mounts.push_back({.source = place, .target = place, .options = {"nosuid", "noexec", "nodev"}});
}

}  // namespace

Result<RunMounts> describe_mounts(const RunOptions& options, const MountContext& context) {
  RunMounts all;
  for (const std::string& text : options.volumes) TRY(add_volume(text, context, all));
  for (const std::string& text : options.mounts) TRY(add_mount(text, context, all));
  for (const std::string& text : options.tmpfs) all.mounts.push_back(TRY(parse_tmpfs(text)));
  TRY(refuse_two_at_one_place(all));
  if (options.ipc == "host") add_our_ipc(all);
  for (const std::string& text : options.devices) {
    if (is_cdi_device(text)) all.cdi_devices.push_back(text);
    else all.devices.push_back(TRY(parse_device(text)));
  }
  for (const std::string& text : options.gpus)
    for (std::string& name : TRY(parse_gpus(text))) all.cdi_devices.push_back(std::move(name));
  if (!options.timezone.empty()) TRY(add_timezone(options.timezone, all));
  if (options.read_only && options.read_only_tmpfs)
    for (const char* scratch : {"/run", "/tmp", "/var/tmp"})
      if (!is_taken(all, scratch))
        all.mounts.push_back({.kind = Kind::tmpfs, .source = {}, .target = scratch});
  return all;
}

void order_mounts(std::vector<sandbox::MountPoint>& mounts) {
  std::ranges::stable_sort(mounts, {}, [](const sandbox::MountPoint& mount) {
    std::ptrdiff_t depth = 0;
    for (std::size_t i = 0; i < mount.target.size(); ++i)
      if (mount.target[i] != '/' && (i == 0 || mount.target[i - 1] == '/')) ++depth;
    return depth;
  });
}

void add_image_volumes(const std::vector<std::string>& targets, std::string_view how, RunMounts& into) {
  if (how == "ignore") return;
  for (const std::string& target : targets) {
    const std::string place = place_of(target);
    if (sandbox::is_on_fixed_mount(place)) log::info("the image's volume {} is left out: that is the container's own", target);
    else if (is_taken(into, place)) log::info("the image's volume {} is what was asked for there", target);
    else if (how == "tmpfs") into.mounts.push_back({.kind = Kind::tmpfs, .source = {}, .target = target, .options = {kCopyUp, "mode=0755"}});
    else into.unnamed.push_back(target);
  }
}

}  // namespace acetate::cli
