#include "builder/sandbox/cdi_spec.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

namespace acetate::sandbox {

namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr std::string_view kVersions[] = {"0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"};

std::string as_text(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  return json.is_primitive() && !json.is_null() ? json.dump() : std::string();
}

// An object and where it stands, of which every field is asked for by name.
class Fields {
 public:
  static Result<Fields> of(const Json& json, std::string where, std::initializer_list<std::string_view> known) {
    if (!json.is_object()) return fail(EINVAL, "{} is no object", where.empty() ? "it" : where);
    for (const auto& [key, value] : json.items())
      if (std::ranges::find(known, key) == known.end()) return fail(EINVAL, "{}: the field \"{}\" is not known", where.empty() ? "at its top" : where, key);
    return Fields(json, std::move(where));
  }

  const std::string& where() const { return where_; }
  std::string at(std::string_view key) const { return where_.empty() ? std::string(key) : fmt::format("{}.{}", where_, key); }

  // What is null is not there.
  const Json* find(std::string_view key) const {
    const auto found = json_->find(std::string(key));
    return found == json_->end() || found->is_null() ? nullptr : &*found;
  }

  // Empty when it is not there.
  Result<std::string> text(std::string_view key) const {
    const Json* json = find(key);
    if (json == nullptr) return std::string();
    if (!json->is_primitive()) return fail(EINVAL, "{} is no text", at(key));
    return as_text(*json);
  }
  Result<std::string> required(std::string_view key) const {
    std::string found = TRY(text(key));
    if (found.empty()) return fail(EINVAL, "{} is missing", at(key));
    return found;
  }

  Result<std::optional<std::int64_t>> number(std::string_view key, std::int64_t least, std::int64_t most) const {
    const Json* json = find(key);
    if (json == nullptr) return std::optional<std::int64_t>();
    if (!json->is_number_integer() || json->get<std::int64_t>() < least || json->get<std::int64_t>() > most)
      return fail(EINVAL, "{} is no number from {} to {}", at(key), least, most);
    return std::optional(json->get<std::int64_t>());
  }

  // Nothing when it is not there.
  Result<std::vector<const Json*>> list(std::string_view key) const {
    std::vector<const Json*> all;
    const Json* json = find(key);
    if (json == nullptr) return all;
    if (!json->is_array()) return fail(EINVAL, "{} is no list", at(key));
    for (const Json& each : *json) all.push_back(&each);
    return all;
  }
  Result<Words> words(std::string_view key) const {
    Words all;
    for (const Json* each : TRY(list(key))) {
      if (!each->is_primitive() || each->is_null()) return fail(EINVAL, "{} has what is no text", at(key));
      all.push_back(as_text(*each));
    }
    return all;
  }
  Result<Words> environment(std::string_view key) const {
    Words all = TRY(words(key));
    for (const std::string& entry : all)
      if (const auto equals = entry.find('='); equals == std::string::npos || equals == 0) return fail(EINVAL, "{}: \"{}\" is no NAME=VALUE", at(key), entry);
    return all;
  }

 private:
  Fields(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}
  const Json* json_;
  std::string where_;
};

// The least version that knows what was met.
struct Needed {
  std::size_t version = 0;  // in kVersions
  std::string what = {};
  void have(std::string_view since, std::string field) {
    const auto index = static_cast<std::size_t>(std::ranges::find(kVersions, since) - std::begin(kVersions));
    if (index > version) version = index, what = std::move(field);
  }
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name(std::string_view text, bool digit_first, std::string_view within) {
  if (text.empty() || !(is_letter(text[0]) || (digit_first && is_digit(text[0])))) return false;
  if (!is_letter(text.back()) && !is_digit(text.back())) return false;
  return std::ranges::all_of(text, [&](char c) { return is_letter(c) || is_digit(c) || within.find(c) != std::string_view::npos; });
}

// The node of the machine is shown as it is: its numbers, its owner and its mode are the machine's.
Result<void> add_node(const Json& json, const std::string& where, CdiEdits& edits, Needed& needed) {
  const auto node = TRY(Fields::of(json, where, {"path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"}));
  constexpr std::int64_t kId = std::numeric_limits<std::uint32_t>::max();
  Device device;
  device.source = TRY(node.text("hostPath"));
  device.target = TRY(node.required("path"));
  if (device.source.empty()) device.source = device.target;
  else needed.have("0.5.0", node.at("hostPath"));
  const std::string type = TRY(node.text("type")), permissions = TRY(node.text("permissions"));
  if (!type.empty() && type != "b" && type != "c" && type != "u" && type != "p") return fail(EINVAL, "{}: \"{}\" is none of b, c, u and p", node.at("type"), type);
  if (permissions != "none" && permissions.find_first_not_of("rwm") != std::string::npos)
    return fail(EINVAL, "{}: \"{}\" is none of r, w and m", node.at("permissions"), permissions);
  for (const char* number : {"major", "minor"}) TRY(node.number(number, -1, kId));
  bool ours = false;
  for (const char* id : {"fileMode", "uid", "gid"}) ours = TRY(node.number(id, 0, kId)).has_value() || ours;
  if (ours) edits.left_out.push_back(fmt::format("{} keeps the owner and the mode that it has on this machine", device.source));
  if (type == "p") {
    edits.mounts.push_back({.source = device.source, .target = device.target});
    return {};
  }
  if (!permissions.empty()) device.access = permissions == "none" ? "" : permissions;
  edits.devices.push_back(std::move(device));
  return {};
}

Result<void> add_mount(const Json& json, const std::string& where, CdiEdits& edits, Needed& needed) {
  const auto mount = TRY(Fields::of(json, where, {"hostPath", "containerPath", "options", "type"}));
  const std::string type = TRY(mount.text("type"));
  if (!type.empty()) needed.have("0.4.0", mount.at("type"));
  MountPoint point;
  point.source = TRY(mount.required("hostPath"));
  point.target = TRY(mount.required("containerPath"));
  bool bind = type.empty() || type == "bind" || type == "none";
  for (const std::string& option : TRY(mount.words("options"))) {
    // Always with what is mounted below: in a user namespace the kernel lets nobody leave it out.
    if (option == "bind" || option == "rbind") bind = true;
    else if (option == "ro" || option == "rro") point.writable = false;
    else if (option == "rw") point.writable = true;
    else point.options.push_back(option);
  }
  if (!bind && type != "tmpfs") {
    edits.refused = fmt::format("it wants a file system of type {} at {}, which is not mounted here", type, point.target);
    return {};
  }
  if (!bind) point.kind = MountPoint::Kind::tmpfs, point.source.clear();
  edits.mounts.push_back(std::move(point));
  return {};
}

Result<void> add_hook(const Json& json, const std::string& where, CdiEdits& edits) {
  const auto hook = TRY(Fields::of(json, where, {"hookName", "path", "args", "env", "timeout"}));
  const std::string name = TRY(hook.required("hookName"));
  const auto stage = parse_hook_stage(name);
  if (!stage) return fail(EINVAL, "{}: there is no hook called {}", hook.at("hookName"), name);
  Hook made{.stage = *stage};
  made.path = TRY(hook.required("path"));
  made.args = TRY(hook.words("args"));
  if (!made.path.starts_with('/')) return fail(EINVAL, "{}: {} is not an absolute path", hook.at("path"), made.path);
  if (hook.find("env") != nullptr) made.env = TRY(hook.environment("env"));
  if (const auto seconds = TRY(hook.number("timeout", 1, std::numeric_limits<int>::max()))) made.timeout = static_cast<int>(*seconds);
  edits.hooks.push_back(std::move(made));
  return {};
}

Result<CdiEdits> read_edits(const Json* json, const std::string& where, Needed& needed) {
  CdiEdits edits;
  if (json == nullptr) return edits;
  // The specification writes the groups one way in its example and another in its text.
  const auto fields = TRY(Fields::of(*json, where, {"env", "deviceNodes", "netDevices", "hooks", "mounts", "intelRdt", "additionalGids", "additionalGIDs"}));
  edits.env = TRY(fields.environment("env"));
  const auto each = [&](const char* key, const auto& add) -> Result<void> {
    std::size_t number = 0;
    for (const Json* entry : TRY(fields.list(key))) TRY(add(*entry, fmt::format("{}[{}]", fields.at(key), number++)));
    return {};
  };
  TRY(each("deviceNodes", [&](const Json& entry, const std::string& at) { return add_node(entry, at, edits, needed); }));
  TRY(each("mounts", [&](const Json& entry, const std::string& at) { return add_mount(entry, at, edits, needed); }));
  TRY(each("hooks", [&](const Json& entry, const std::string& at) { return add_hook(entry, at, edits); }));
  for (const char* key : {"additionalGids", "additionalGIDs"})
    for (const Json* group : TRY(fields.list(key))) {
      if (!group->is_number_integer() || group->get<std::int64_t>() < 0 || group->get<std::int64_t>() > std::numeric_limits<std::uint32_t>::max())
        return fail(EINVAL, "{} has what is no group", fields.at(key));
      needed.have("0.7.0", fields.at(key));
      if (const auto gid = group->get<gid_t>(); gid != 0) edits.groups.push_back(gid);  // 0 is to be ignored
    }
  if (fields.find("intelRdt") != nullptr) {
    needed.have("0.7.0", fields.at("intelRdt"));
    edits.left_out.emplace_back("its share of caches and memory bandwidth (intelRdt) is not set");
  }
  if (!TRY(fields.list("netDevices")).empty()) {
    needed.have("1.1.0", fields.at("netDevices"));
    edits.refused = "it has network interfaces, which are not moved into containers here";
  }
  return edits;
}

Result<std::vector<std::pair<std::string, std::string>>> read_annotations(const Fields& fields, Needed& needed) {
  std::vector<std::pair<std::string, std::string>> all;
  const Json* json = fields.find("annotations");
  if (json == nullptr) return all;
  if (!json->is_object()) return fail(EINVAL, "{} is no object", fields.at("annotations"));
  for (const auto& [key, value] : json->items()) {
    if (!value.is_primitive()) return fail(EINVAL, "{}.{} is no text", fields.at("annotations"), key);
    all.emplace_back(key, as_text(value));
  }
  if (!all.empty()) needed.have("0.6.0", fields.at("annotations"));
  return all;
}

}  // namespace

Result<CdiSpec> parse_cdi_spec(const Json& json) {
  const auto top = TRY(Fields::of(json, "", {"cdiVersion", "kind", "annotations", "devices", "containerEdits"}));
  std::string version = TRY(top.required("cdiVersion"));
  if (version.starts_with('v')) version.erase(0, 1);
  const auto known = std::ranges::find(kVersions, version);
  if (known == std::end(kVersions)) return fail(EINVAL, "it is of version {} of CDI, and {} to {} are known", version, kVersions[0], *std::rbegin(kVersions));
  Needed needed;
  CdiSpec spec{.kind = TRY(top.required("kind"))};
  const auto slash = spec.kind.find('/');
  const std::string_view kind = spec.kind;
  if (slash == std::string::npos || !is_name(kind.substr(0, slash), false, ".-_") || !is_name(kind.substr(slash + 1), false, ".-_"))
    return fail(EINVAL, "the kind \"{}\" is no VENDOR/CLASS", spec.kind);
  if (kind.substr(slash).find('.') != std::string_view::npos) needed.have("0.6.0", "a class with a dot");
  spec.annotations = TRY(read_annotations(top, needed));
  spec.edits = TRY(read_edits(top.find("containerEdits"), "containerEdits", needed));
  for (const Json* each : TRY(top.list("devices"))) {
    const std::string where = fmt::format("devices[{}]", spec.devices.size());
    const auto fields = TRY(Fields::of(*each, where, {"name", "annotations", "containerEdits"}));
    CdiDevice device{.name = TRY(fields.required("name"))};
    if (!is_name(device.name, true, ".-_:")) return fail(EINVAL, "{}: \"{}\" is no name", fields.at("name"), device.name);
    if (is_digit(device.name[0])) needed.have("0.5.0", "a name that begins with a digit");
    if (std::ranges::any_of(spec.devices, [&](const CdiDevice& other) { return other.name == device.name; }))
      return fail(EINVAL, "there are two devices called {}", device.name);
    device.annotations = TRY(read_annotations(fields, needed));
    device.edits = TRY(read_edits(fields.find("containerEdits"), fields.at("containerEdits"), needed));
    spec.devices.push_back(std::move(device));
  }
  if (spec.devices.empty()) return fail(EINVAL, "it has no devices");
  if (kVersions + needed.version > known) return fail(EINVAL, "it is of version {} of CDI, and {} needs {}", version, needed.what, kVersions[needed.version]);
  return spec;
}

}  // namespace acetate::sandbox
