// --device, --gpus and --device-cgroup-rule.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::cli {

// "SOURCE[:TARGET[:rwm]]".
Result<sandbox::Device> parse_device(const std::string& text);
// "vendor.com/class=name", as the Container Device Interface names them.
bool is_cdi_device(const std::string& text);

// What docker calls NVIDIA's by, in the Container Device Interface's words: "all", a number of them, "device=0,2".
Result<std::vector<std::string>> parse_gpus(const std::string& text);

// "c 189:* rmw".
Result<sandbox::DeviceRule> parse_device_rule(const std::string& text);

}  // namespace acetate::cli
