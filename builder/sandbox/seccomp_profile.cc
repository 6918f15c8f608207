#include "builder/sandbox/seccomp_profile.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;

struct Machine {
  const std::vector<std::string>& capabilities;
  std::string arch;
  int major = 0, minor = 0;
};

bool has_any(const Json& list, const std::vector<std::string>& known) {
  return std::ranges::any_of(list, [&](const Json& one) {
    return one.is_string() && std::ranges::find(known, one.get<std::string>()) != known.end();
  });
}

// Whether every capability of the list is given: docker asks for all of an "includes".
bool has_all(const Json& list, const std::vector<std::string>& known) {
  return std::ranges::all_of(list, [&](const Json& one) {
    return one.is_string() && std::ranges::find(known, one.get<std::string>()) != known.end();
  });
}

bool at_least(const Machine& machine, const std::string& wanted) {
  int major = 0, minor = 0;
  if (std::sscanf(wanted.c_str(), "%d.%d", &major, &minor) < 1) return false;
  return machine.major > major || (machine.major == major && machine.minor >= minor);
}

bool is_for(const Json& rule, const Machine& machine) {
  const std::vector<std::string> arch{machine.arch};
  if (const auto wants = rule.find("includes"); wants != rule.end() && wants->is_object()) {
    if (wants->contains("caps") && !has_all((*wants)["caps"], machine.capabilities)) return false;
    if (wants->contains("arches") && !has_any((*wants)["arches"], arch)) return false;
    if (wants->contains("minKernel") && !at_least(machine, (*wants)["minKernel"].get<std::string>())) return false;
  }
  if (const auto unless = rule.find("excludes"); unless != rule.end() && unless->is_object()) {
    if (unless->contains("caps") && has_any((*unless)["caps"], machine.capabilities)) return false;
    if (unless->contains("arches") && has_any((*unless)["arches"], arch)) return false;
    if (unless->contains("minKernel") && at_least(machine, (*unless)["minKernel"].get<std::string>())) return false;
  }
  return true;
}

Json architectures(const Json& profile, const std::string& native) {
  if (profile.contains("architectures")) return profile["architectures"];
  Json all = Json::array();
  if (!profile.contains("archMap")) return all;
  for (const Json& entry : profile["archMap"]) {
    if (entry.value("architecture", "") != native) continue;
    all.push_back(native);
    if (entry.contains("subArchitectures"))
      for (const Json& sub : entry["subArchitectures"]) all.push_back(sub);
  }
  return all;
}

// GOARCH -> libseccomp
std::string seccomp_name(const std::string& arch) {
  static const std::pair<const char*, const char*> kNames[] = {
      {"amd64", "SCMP_ARCH_X86_64"}, {"arm64", "SCMP_ARCH_AARCH64"},   {"riscv64", "SCMP_ARCH_RISCV64"},
      {"s390x", "SCMP_ARCH_S390X"},  {"ppc64le", "SCMP_ARCH_PPC64LE"},
  };
  for (const auto& [go, name] : kNames)
    if (arch == go) return name;
  return {};
}

Json without_conditions(const Json& rule) {
  Json plain = Json::object();
  plain["names"] = rule.contains("names") ? rule["names"] : Json::array({rule.at("name")});
  plain["action"] = rule.at("action");
  if (rule.contains("errnoRet")) plain["errnoRet"] = rule["errnoRet"];
  if (rule.contains("args") && rule["args"].is_array() && !rule["args"].empty()) plain["args"] = rule["args"];
  return plain;
}

}  // namespace

Result<nlohmann::ordered_json> resolve_profile(const std::string& json, const std::vector<std::string>& capabilities,
                                               const std::string& arch, const std::string& kernel) {
  Machine machine{.capabilities = capabilities, .arch = arch};
  std::sscanf(kernel.c_str(), "%d.%d", &machine.major, &machine.minor);
  // What is of another shape than the format has throws, wherever it stands.
  try {
    const Json profile = Json::parse(json);
    Json filter{{"defaultAction", profile.at("defaultAction")}};
    if (profile.contains("defaultErrnoRet")) filter["defaultErrnoRet"] = profile["defaultErrnoRet"];
    if (Json all = architectures(profile, seccomp_name(arch)); !all.empty()) filter["architectures"] = std::move(all);
    filter["syscalls"] = Json::array();
    if (profile.contains("syscalls"))
      for (const Json& rule : profile["syscalls"])
        if (is_for(rule, machine)) filter["syscalls"].push_back(without_conditions(rule));
    return filter;
  } catch (const Json::exception& error) {
    return fail(EINVAL, "not a seccomp profile: {}", error.what());
  }
}

Result<nlohmann::ordered_json> resolve_profile(const std::string& json, const std::vector<std::string>& capabilities) {
  utsname names{};
  if (::uname(&names) != 0) return Error(errno);
#if defined(__x86_64__)
  const char* arch = "amd64";
#elif defined(__aarch64__)
  const char* arch = "arm64";
#elif defined(__riscv)
  const char* arch = "riscv64";
#elif defined(__s390x__)
  const char* arch = "s390x";
#else
  const char* arch = "ppc64le";
#endif
  return resolve_profile(json, capabilities, arch, names.release);
}

}  // namespace acetate::sandbox
