// Options written as one line of comma-separated values, as --mount, --output and --secret take them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::dockerfile {

// The fields of one line (RFC 4180): "a,b" are two, "\"a,b\"" is one, "\"\"" between quotes is a quote. EINVAL with
// words for a quote that does not end, or one in the middle of a field.
Result<std::vector<std::string>> split_csv(std::string_view text);

// One field taken apart at its first "=": "ro" is {"ro", no value}. The key in lower case.
struct CsvOption {
  std::string key, value;
  bool has_value = false;
};
CsvOption split_option(std::string_view field);

}  // namespace acetate::dockerfile
