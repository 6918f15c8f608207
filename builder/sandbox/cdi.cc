#include "builder/sandbox/cdi.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::json;

// The specifications of a directory, as JSON, in the order of their names.
Result<std::vector<Json>> read_specs(const std::string& directory) {
  std::vector<Json> specs;
  auto opened = sys::open(directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return opened.error().is(ENOENT) ? Result<std::vector<Json>>(std::move(specs)) : std::move(opened).error().within(directory);
  std::vector<std::string> names;
  TRY(sys::read_dir(opened->ref(), [&](const sys::DirEntry& entry) {
    if (entry.name.ends_with(".json")) names.emplace_back(entry.name);
    if (entry.name.ends_with(".yaml")) log::info("{}/{} is not read: YAML; nvidia-ctk cdi generate --format=json writes JSON", directory, entry.name);
    return true;
  }));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    Json spec = Json::parse(TRY_WITHIN(sys::read_file(path, 16 << 20), "reading {}", path), nullptr, false);
    if (!spec.is_object()) return fail(EINVAL, "{} is no JSON", path);
    specs.push_back(std::move(spec));
  }
  return specs;
}

// What stands there under that name already is of whoever knew less.
void set_env(std::vector<std::string>& env, const std::string& entry) {
  const std::string name = entry.substr(0, entry.find('=')) + "=";
  std::erase_if(env, [&](const std::string& each) { return each.starts_with(name); });
  env.push_back(entry);
}

void apply(const Json& edits, Spec& spec) {
  for (const Json& entry : edits.value("env", Json::array())) set_env(spec.env, entry.get<std::string>());
  for (const Json& node : edits.value("deviceNodes", Json::array())) {
    const std::string path = node.at("path");
    spec.devices.push_back({.source = node.value("hostPath", path), .target = path, .access = node.value("permissions", "rwm")});
  }
  for (const Json& mount : edits.value("mounts", Json::array())) {
    MountPoint point{.source = mount.at("hostPath"), .target = mount.at("containerPath")};
    for (const Json& option : mount.value("options", Json::array())) {
      const std::string word = option;
      if (word == "ro") point.writable = false;
      else if (word != "rw" && word != "bind" && word != "rbind") point.options.push_back(word);
    }
    spec.mounts.push_back(std::move(point));
  }
  if (edits.contains("hooks")) log::info("a CDI device has hooks, which are not run");
}

// What a name stands for: each device, and then once what the specification says of all of its kind.
using EachDevice = std::function<void(const Json& device)>;
using OfAllDevices = std::function<void(const Json& cdi)>;

Result<void> find_device(const std::string& name, const std::vector<std::string>& directories, const EachDevice& each_device, const OfAllDevices& of_all) {
  const std::size_t equals = name.find('=');
  const std::string kind = name.substr(0, equals), device = name.substr(equals + 1);
  bool found = false;
  // What is of another shape than the format has throws, wherever it stands.
  try {
    for (auto directory = directories.rbegin(); directory != directories.rend() && !found; ++directory)
      for (const Json& cdi : TRY(read_specs(*directory))) {
        if (cdi.value("kind", "") != kind) continue;
        for (const Json& each : cdi.at("devices")) {
          if (device != "all" && each.at("name") != device) continue;
          each_device(each);
          found = true;
        }
        if (found) of_all(cdi);
      }
  } catch (const Json::exception& error) {
    return fail(EINVAL, "the CDI specification of {} is damaged: {}", kind, error.what());
  }
  if (!found) return fail(ENOENT, "there is no CDI device {} in {} (nvidia-ctk cdi generate --format=json --output=/etc/cdi/nvidia.json)", name, fmt::join(directories, ", "));
  return {};
}

}  // namespace

Result<void> add_cdi_device(const std::string& name, Spec& spec, const std::vector<std::string>& directories) {
  return find_device(
      name, directories, [&](const Json& device) { apply(device.at("containerEdits"), spec); },
      [&](const Json& cdi) {
        if (cdi.contains("containerEdits")) apply(cdi["containerEdits"], spec);
      });
}

Result<bool> is_for_every_build(const std::string& name, const std::vector<std::string>& directories) {
  bool all = true;
  TRY(find_device(
      name, directories,
      [&](const Json& device) {
        const Json annotations = device.value("annotations", Json::object());
        const Json said = annotations.value("org.mobyproject.buildkit.device.autoallow", Json());
        all = all && (said == "true" || said == true);
      },
      [](const Json&) {}));
  return all;
}

}  // namespace acetate::sandbox
