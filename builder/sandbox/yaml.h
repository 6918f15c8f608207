// YAML read as the JSON it stands for: what tools write for people to edit, CDI specifications among them.
//
// By YAML 1.1 as Go's programs read it, for whom such files are written: 0660, 0o660 and 0x1b0 are numbers; yes, no, on and off are truth
// values, y and n are not; what is quoted stays text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/result.h"

namespace acetate::sandbox {

// One document. EINVAL with line and column in words: no YAML, a second document, a key twice, a tag that is not YAML's own, a merge key. EFBIG with
// words: nested deeper than anything of ours is, or aliases that stand for more than 16 MiB. Pure.
Result<nlohmann::json> yaml_to_json(std::string_view text);

}  // namespace acetate::sandbox
