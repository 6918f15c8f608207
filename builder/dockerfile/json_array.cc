#include "builder/dockerfile/json_array.h"

#include <nlohmann/json.hpp>

namespace acetate::dockerfile {

JsonArray parse_json_array(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\v\f\r\n");
  if (begin == std::string_view::npos || text[begin] != '[') return {};
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return {};
  JsonArray array{JsonArray::Kind::strings};
  for (const auto& item : json) {
    if (!item.is_string()) return {JsonArray::Kind::mixed};
    array.items.push_back(item.get<std::string>());
  }
  return array;
}

std::string format_json_array(const std::vector<std::string>& items) {
  return nlohmann::json(items).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace acetate::dockerfile
