// One specification of the Container Device Interface, read and checked: a kind of devices, and what of a container each changes.
// https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

struct CdiEdits {
  std::vector<std::string> env = {};
  std::vector<Device> devices = {};
  std::vector<MountPoint> mounts = {};
  std::vector<Hook> hooks = {};
  std::vector<gid_t> groups = {};
  std::vector<std::string> left_out = {};  // what it asks for and nobody here does, in words
  std::string refused = {};                // what the device is nothing without and nobody here does, in words; else empty
};

struct CdiDevice {
  std::string name;
  CdiEdits edits = {};
  std::vector<std::pair<std::string, std::string>> annotations = {};
};

struct CdiSpec {
  std::string kind;  // "vendor.com/class"
  CdiEdits edits = {};  // once for all devices of it
  std::vector<std::pair<std::string, std::string>> annotations = {};  // of all of them; what a device says itself goes before
  std::vector<CdiDevice> devices = {};
};

// Versions 0.1.0 to 1.1.0. EINVAL with words: a field that no version has (what it says would be left out unseen), one that the version it gives
// does not have yet, a value of another shape. Text may be written as a number, for YAML's unquoted names. Pure.
Result<CdiSpec> parse_cdi_spec(const nlohmann::json& json);

}  // namespace acetate::sandbox
