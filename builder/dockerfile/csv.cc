#include "builder/dockerfile/csv.h"

#include <algorithm>
#include <cctype>

namespace acetate::dockerfile {

Result<std::vector<std::string>> split_csv(std::string_view text) {
  std::vector<std::string> fields;
  for (std::size_t at = 0; at <= text.size();) {
    std::string field;
    if (at < text.size() && text[at] == '"') {
      bool closed = false;
      for (++at; at < text.size() && !closed;) {
        if (text[at] != '"') {
          field += text[at++];
        } else if (at + 1 < text.size() && text[at + 1] == '"') {
          field += '"';
          at += 2;
        } else {
          closed = true;
          ++at;
        }
      }
      if (!closed) return fail(EINVAL, "a closing quote is missing in '{}'", text);
      if (at < text.size() && text[at] != ',') return fail(EINVAL, "a quote ends in the middle of a field of '{}'", text);
    } else {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      field = text.substr(at, comma - at);
      if (field.find('"') != std::string::npos)
        return fail(EINVAL, "a quote stands in the middle of the field '{}'; quote the whole field", field);
      at = comma;
    }
    fields.push_back(std::move(field));
    ++at;  // the comma, or past the end
  }
  return fields;
}

CsvOption split_option(std::string_view field) {
  const std::size_t equals = field.find('=');
  CsvOption option{.key = std::string(field.substr(0, equals)),
                   .value = equals == std::string_view::npos ? "" : std::string(field.substr(equals + 1)),
                   .has_value = equals != std::string_view::npos};
  std::transform(option.key.begin(), option.key.end(), option.key.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return option;
}

}  // namespace acetate::dockerfile
