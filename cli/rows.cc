#include "cli/rows.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "cli/go_template.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::string>;

constexpr std::string_view kTable = "table";
constexpr std::size_t kGap = 3;

std::string pretty(const Json& value) { return value.dump(4, ' ', false, Json::error_handler_t::replace) + "\n"; }

// Letters on a terminal: what continues a UTF-8 sequence takes no room.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// "CreatedSince" as "CREATED SINCE".
std::string heading_of(const std::string& field, const std::vector<Column>& columns) {
  for (const auto& column : columns)
    if (column.field == field) return column.heading;
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const auto letter = static_cast<unsigned char>(field[i]);
    if (i > 0 && std::isupper(letter) != 0 && std::islower(static_cast<unsigned char>(field[i - 1])) != 0) out += ' ';
    out += static_cast<char>(std::toupper(letter));
  }
  return out;
}

Cells split(const std::string& line) {
  Cells cells;
  for (std::size_t at = 0; at <= line.size();) {
    const auto tab = std::min(line.find('\t', at), line.size());
    cells.push_back(line.substr(at, tab - at));
    at = tab + 1;
  }
  return cells;
}

std::string aligned(const std::vector<Cells>& lines) {
  std::vector<std::size_t> widths;
  for (const auto& cells : lines)
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(cells[i]));
    }
  std::string out;
  for (const auto& cells : lines) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      line += cells[i];
      if (i + 1 < cells.size()) line += std::string(widths[i] + kGap - width_of(cells[i]), ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    out += line + "\n";
  }
  return out;
}

Result<std::string> table(const std::vector<Json>& rows, const std::vector<Column>& columns,
                          const std::string& text, bool heading) {
  const auto parsed = TRY(GoTemplate::parse(text));
  std::vector<Cells> lines;
  if (heading) {
    Cells cells;
    for (const auto& field : parsed.fields()) cells.push_back(heading_of(field, columns));
    lines.push_back(std::move(cells));
  }
  for (const auto& row : rows) lines.push_back(split(TRY(parsed.render(row))));
  return aligned(lines);
}

}  // namespace

Result<std::string> format_rows(const std::vector<Json>& rows, const std::vector<Column>& columns,
                                const std::string& format, bool heading) {
  if (format == "json") return pretty(Json(rows));
  if (format.empty() || format == kTable) {
    std::string text;
    for (const auto& column : columns) text += (text.empty() ? "" : "\t") + ("{{." + column.field + "}}");
    return table(rows, columns, text, heading);
  }
  if (format.starts_with(kTable) && std::isspace(static_cast<unsigned char>(format[kTable.size()])) != 0)
    return table(rows, columns, format.substr(kTable.size() + 1), heading);
  const auto parsed = TRY(GoTemplate::parse(format));
  std::string out;
  for (const auto& row : rows) out += TRY(parsed.render(row)) + "\n";
  return out;
}

Result<std::string> format_object(const Json& object, const std::string& format) {
  if (format.empty() || format == "json") return pretty(object);
  return TRY(TRY(GoTemplate::parse(format)).render(object)) + "\n";
}

}  // namespace acetate::cli
