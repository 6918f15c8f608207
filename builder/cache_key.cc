#include "builder/cache_key.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace acetate::build {

namespace {

// Raised whenever the same inputs would no longer mean the same result.
constexpr std::string_view kFormat = "acetate build key 3";

std::string shorten(std::string_view text) {
  constexpr std::size_t kMost = 100;
  return text.size() <= kMost ? std::string(text) : std::string(text.substr(0, kMost)) + "…";
}

}  // namespace

Digest KeyInputs::digest() const {
  Sha256 hash;
  const auto add = [&](std::string_view text) {
    ByteWriter length;
    length.put(std::uint64_t{text.size()});
    hash.update(length.bytes());
    hash.update(text);
  };
  add(kFormat);
  for (const auto& [name, value] : items_) {
    add(name);
    add(value);
  }
  return hash.finish();
}

std::string KeyInputs::to_json() const {
  return nlohmann::json(items_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<KeyInputs> KeyInputs::from_json(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  KeyInputs inputs;
  if (!json.is_array()) return Error(EINVAL);
  for (const auto& item : json) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_string()) return Error(EINVAL);
    inputs.add(item[0].get<std::string>(), item[1].get<std::string>());
  }
  return inputs;
}

const std::string* KeyInputs::find(std::string_view name) const {
  for (const auto& item : items_)
    if (item.first == name) return &item.second;
  return nullptr;
}

std::optional<std::string> first_difference(const KeyInputs& before, const KeyInputs& now) {
  for (std::size_t n = 0; n < now.items().size(); ++n) {
    const auto& [name, value] = now.items()[n];
    // Mostly the same names in the same order; there may be very many.
    const bool same_place = n < before.items().size() && before.items()[n].first == name;
    const std::string* old = same_place ? &before.items()[n].second : before.find(name);
    if (old == nullptr) return fmt::format("{} is new: {}", name, shorten(value));
    if (*old != value) return fmt::format("{} was {}, is {}", name, shorten(*old), shorten(value));
  }
  for (const auto& [name, value] : before.items())
    if (now.find(name) == nullptr) return fmt::format("{} is gone: it was {}", name, shorten(value));
  return std::nullopt;
}

}  // namespace acetate::build
