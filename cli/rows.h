// Lists as commands print them: a table, JSON, or what --format says of each row. One place, so that every list
// takes the same formats.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::cli {

struct Column {
  std::string field;    // of a row
  std::string heading;  // "IMAGE ID"
};

// `format`: "" is a table of `columns`; "table TEMPLATE" one of those columns, with the headings `columns` has for
// their fields; "json" a JSON array; anything else a template that is printed once a row, with a new line behind.
// EINVAL with words for a template that is not understood.
Result<std::string> format_rows(const std::vector<nlohmann::ordered_json>& rows, const std::vector<Column>& columns,
                                const std::string& format, bool heading = true);

// The same for a single object: "" and "json" are JSON.
Result<std::string> format_object(const nlohmann::ordered_json& object, const std::string& format);

}  // namespace acetate::cli
