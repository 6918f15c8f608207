// A cache key: everything a step's result depends on, each thing under a name of its own.
//
// The names and values are kept, not only their hash, so that --explain can say which one changed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace acetate::build {

class KeyInputs {
 public:
  // In order of importance to a reader: the first that differs is the one told. Names are unique.
  void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }

  // SHA-256 over the format's version and every name and value with their lengths, so that no two lists of
  // inputs run together.
  Digest digest() const;

  // For the record store.
  std::string to_json() const;
  static Result<KeyInputs> from_json(std::string_view text);

  const std::vector<std::pair<std::string, std::string>>& items() const noexcept { return items_; }
  const std::string* find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

// Why the step of `now` cannot use what was built from `before`: the first input that differs, in words:
// "argv was …, is …", "src/main.c is new". Nothing when all are equal.
std::optional<std::string> first_difference(const KeyInputs& before, const KeyInputs& now);

}  // namespace acetate::build
