// The exec form: a JSON array of strings, and nothing else counts as one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace acetate::dockerfile {

struct JsonArray {
  enum class Kind {
    none,     // not JSON, or not an array: the text is shell form
    mixed,    // a JSON array that holds something else than strings: always a mistake
    strings,
  } kind = Kind::none;
  std::vector<std::string> items = {};
};
JsonArray parse_json_array(std::string_view text);

// A list as JSON, for messages and history lines: ["a","b"].
std::string format_json_array(const std::vector<std::string>& items);

}  // namespace acetate::dockerfile
