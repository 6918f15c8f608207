#include "layers/image/json.h"

#include <limits>

namespace acetate::image {

namespace {

// How deep brackets nest, strings skipped; an upper bound for texts that are no JSON.
std::size_t nesting(std::string_view text) {
  std::size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what, std::size_t most) {
  if (text.size() > most) return fail(EFBIG, "{} is {} bytes of JSON, and more than {} are not read", what, text.size(), most);
  if (nesting(text) > kMaxDepth)
    return fail(EINVAL, "{} nests deeper than {} levels of JSON", what, kMaxDepth);
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return fail(EINVAL, "{} is not valid JSON", what);
  return value;
}

std::string write_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ObjectReader> ObjectReader::make(const Json& value, std::string_view what) {
  if (!value.is_object()) return fail(EINVAL, "{} is not a JSON object", what);
  return ObjectReader(value, what);
}

const Json* ObjectReader::get(const char* key) const {
  const auto found = value_->find(key);
  return found == value_->end() || found->is_null() ? nullptr : &*found;
}

Error ObjectReader::wrong(const char* key, std::string_view expected) const {
  return fail(EINVAL, "{}: \"{}\" is not {}", what_, key, expected);
}

Result<std::string> ObjectReader::string(const char* key) const {
  const Json* value = get(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return wrong(key, "a string");
  return value->get_ref<const std::string&>();
}

Result<const Json*> ObjectReader::list(const char* key) const {
  const Json* value = get(key);
  if (value != nullptr && !value->is_array()) return wrong(key, "a list");
  return value;
}

Result<std::vector<std::string>> ObjectReader::strings(const char* key) const {
  std::vector<std::string> out;
  const Json* value = get(key);
  if (value == nullptr) return out;
  if (!value->is_array()) return wrong(key, "a list of strings");
  for (const auto& each : *value) {
    if (!each.is_string()) return wrong(key, "a list of strings");
    out.push_back(each.get_ref<const std::string&>());
  }
  return out;
}

Result<std::map<std::string, std::string>> ObjectReader::string_map(const char* key) const {
  std::map<std::string, std::string> out;
  const Json* value = get(key);
  if (value == nullptr) return out;
  if (!value->is_object()) return wrong(key, "an object of strings");
  for (const auto& [name, each] : value->items()) {
    if (!each.is_string()) return wrong(key, "an object of strings");
    out.emplace(name, each.get_ref<const std::string&>());
  }
  return out;
}

Result<std::vector<std::string>> ObjectReader::keys(const char* key) const {
  std::vector<std::string> out;
  const Json* value = get(key);
  if (value == nullptr) return out;
  if (!value->is_object()) return wrong(key, "an object");
  for (const auto& [name, each] : value->items()) out.push_back(name);
  return out;
}

Result<bool> ObjectReader::boolean(const char* key) const {
  const Json* value = get(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return wrong(key, "true or false");
  return value->get<bool>();
}

Result<std::uint64_t> ObjectReader::size(const char* key) const {
  const Json* value = get(key);
  // Sizes become file offsets, which are signed.
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value == nullptr || !value->is_number_unsigned() || value->get<std::uint64_t>() > kMost)
    return wrong(key, "a size");
  return value->get<std::uint64_t>();
}

Result<Digest> ObjectReader::digest(const char* key) const {
  const auto text = TRY(string(key));
  return TRY_WITHIN(Digest::parse(text), "{}: \"{}\"", what_, key);
}

}  // namespace acetate::image
