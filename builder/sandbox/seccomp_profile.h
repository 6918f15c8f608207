// A system call filter in docker's format, as /usr/share/containers/seccomp.json is one: turned into the
// runtime-spec's by asking, of each rule, whether it is for this machine and these capabilities.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// EINVAL with words for what is no such profile. `arch` is GOARCH's spelling ("amd64"), `kernel` "6.1".
Result<nlohmann::ordered_json> resolve_profile(const std::string& json, const std::vector<std::string>& capabilities,
                                               const std::string& arch, const std::string& kernel);
// The same for this machine.
Result<nlohmann::ordered_json> resolve_profile(const std::string& json, const std::vector<std::string>& capabilities);

}  // namespace acetate::sandbox
