#include "builder/sandbox/cdi.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "builder/sandbox/cdi_spec.h"
#include "builder/sandbox/yaml.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::json;

// Of a machine with eight GPUs in seven parts each: 100 KiB.
constexpr std::size_t kLargest = 4 << 20;

struct File {
  std::string path;
  std::size_t directory;  // which; the later goes before
  CdiSpec spec;
};

struct Found {
  std::vector<File> files = {};
  std::vector<std::string> damaged = {};  // in words
};

bool is_yaml(const std::string& name) { return name.ends_with(".yaml") || name.ends_with(".yml"); }

Result<CdiSpec> read_file(const std::string& path) {
  auto text = sys::read_file(path, kLargest);
  if (!text && text.error().is(EFBIG)) return fail(EFBIG, "more than {} MiB", kLargest >> 20);
  const std::string content = TRY(std::move(text));
  const Json json = is_yaml(path) ? TRY(yaml_to_json(content)) : Json::parse(content, nullptr, false);
  if (json.is_discarded()) return fail(EINVAL, "no JSON");
  return parse_cdi_spec(json);
}

// In the order of their names. A directory that is not there has none.
Result<void> read_directory(const std::vector<std::string>& directories, std::size_t which, Found& found) {
  const std::string& directory = directories[which];
  auto opened = sys::open(directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return opened.error().is(ENOENT) ? Result<void>() : std::move(opened).error().within(directory);
  std::vector<std::string> names;
  TRY_WITHIN(sys::read_dir(opened->ref(), [&](const sys::DirEntry& entry) {
    const std::string name(entry.name);
    if (name.ends_with(".json") || is_yaml(name)) names.push_back(name);
    return true;
  }), "reading {}", directory);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    auto spec = read_file(path);
    if (spec) found.files.push_back({.path = path, .directory = which, .spec = *std::move(spec)});
    else found.damaged.push_back(fmt::format("the CDI specification {} cannot be used: {}", path, spec.error().message()));
  }
  return {};
}

Result<Found> read_all(const std::vector<std::string>& directories) {
  Found found;
  for (std::size_t which = 0; which < directories.size(); ++which) TRY(read_directory(directories, which, found));
  return found;
}

struct Chosen {
  const File* file;
  const CdiDevice* device;
  bool operator==(const Chosen&) const = default;
};

// The one that counts: of the last directory that has it. Nobody can say which of two in the same one is meant.
Result<std::optional<Chosen>> choose(const Found& found, const std::string& kind, const std::string& name) {
  std::optional<Chosen> chosen;
  const File* rival = nullptr;
  for (const File& file : found.files) {
    if (file.spec.kind != kind) continue;
    const auto device = std::ranges::find(file.spec.devices, name, &CdiDevice::name);
    if (device == file.spec.devices.end()) continue;
    rival = chosen && chosen->file->directory == file.directory ? chosen->file : nullptr;
    chosen = Chosen{&file, &*device};
  }
  if (rival != nullptr) return fail(EEXIST, "the CDI device {}={} is in {} and in {}", kind, name, rival->path, chosen->file->path);
  return chosen;
}

Result<std::vector<Chosen>> find_devices(const Found& found, const std::string& name, const std::vector<std::string>& directories) {
  const std::size_t equals = name.find('=');
  const std::string kind = name.substr(0, equals), device = equals == std::string::npos ? "" : name.substr(equals + 1);
  std::vector<Chosen> all;
  if (const auto one = TRY(choose(found, kind, device))) all.push_back(*one);
  if (all.empty() && device == "all")
    for (const File& file : found.files)
      for (const CdiDevice& each : file.spec.devices) {
        if (file.spec.kind != kind) continue;
        const auto one = TRY(choose(found, kind, each.name));
        if (std::ranges::find(all, *one) == all.end()) all.push_back(*one);
      }
  if (!all.empty()) return all;
  std::string words = fmt::format("there is no CDI device {} in {} (nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml)", name, fmt::join(directories, ", "));
  for (const std::string& each : found.damaged) words += "; " + each;
  return Error(ENOENT, std::move(words));
}

// What stands there under that name already is of whoever knew less.
void set_env(std::vector<std::string>& env, const std::string& entry) {
  const std::string name = entry.substr(0, entry.find('=')) + "=";
  std::erase_if(env, [&](const std::string& each) { return each.starts_with(name); });
  env.push_back(entry);
}

// Before what is mounted below it.
void set_mount(std::vector<MountPoint>& mounts, const MountPoint& mount) {
  std::erase_if(mounts, [&](const MountPoint& each) { return each.target == mount.target; });
  mounts.insert(std::ranges::find_if(mounts, [&](const MountPoint& each) { return each.target.starts_with(mount.target + "/"); }), mount);
}

Result<void> apply(const CdiEdits& edits, const std::string& name, Spec& spec) {
  if (!edits.refused.empty()) return fail(ENOTSUP, "the CDI device {} cannot be had: {}", name, edits.refused);
  for (const std::string& words : edits.left_out) log::info("CDI device {}: {}", name, words);
  for (const std::string& entry : edits.env) set_env(spec.env, entry);
  for (const Device& device : edits.devices) {
    std::erase_if(spec.devices, [&](const Device& each) { return each.target == device.target; });
    spec.devices.push_back(device);
  }
  for (const MountPoint& mount : edits.mounts) set_mount(spec.mounts, mount);
  for (const gid_t group : edits.groups)
    if (std::ranges::find(spec.device_groups, group) == spec.device_groups.end()) spec.device_groups.push_back(group);
  spec.hooks.insert(spec.hooks.end(), edits.hooks.begin(), edits.hooks.end());
  return {};
}

}  // namespace

const std::vector<std::string>& cdi_directories() {
  static const std::vector<std::string> kDirectories{"/etc/cdi", "/var/run/cdi"};
  return kDirectories;
}

Result<void> add_cdi_devices(const std::vector<std::string>& names, Spec& spec, const std::vector<std::string>& directories) {
  if (names.empty()) return {};
  const Found found = TRY(read_all(directories));
  std::vector<const File*> files;
  std::vector<Chosen> applied;
  for (const std::string& name : names)
    for (const Chosen& chosen : TRY(find_devices(found, name, directories))) {
      if (std::ranges::find(applied, chosen) != applied.end()) continue;
      applied.push_back(chosen);
      if (std::ranges::find(files, chosen.file) == files.end()) {
        files.push_back(chosen.file);
        TRY(apply(chosen.file->spec.edits, name, spec));
      }
      TRY(apply(chosen.device->edits, fmt::format("{}={}", chosen.file->spec.kind, chosen.device->name), spec));
    }
  for (const std::string& words : found.damaged) log::warn("{}", words);
  return {};
}

Result<bool> is_for_every_build(const std::string& name, const std::vector<std::string>& directories) {
  const Found found = TRY(read_all(directories));
  const auto allows = [](const Chosen& chosen) {
    for (const auto* annotations : {&chosen.device->annotations, &chosen.file->spec.annotations})
      for (const auto& [key, value] : *annotations)
        if (key == "org.mobyproject.buildkit.device.autoallow") return value == "true";
    return false;
  };
  for (const Chosen& chosen : TRY(find_devices(found, name, directories)))
    if (!allows(chosen)) return false;
  return true;
}

}  // namespace acetate::sandbox
