// JSON from strangers: bounded in size and depth, read key by key with errors that name the key.
//
// For this folder and whoever else reads documents of images. nlohmann's parser does not recurse but its
// writer does, so depth is bounded before anything is built.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace acetate::image {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxDocument = 4 << 20;  // what registries accept of a manifest, generously
inline constexpr std::size_t kMaxDepth = 64;

// EFBIG past `most` bytes, EINVAL past kMaxDepth or when it is no JSON; `what` names the document in the
// words.
Result<Json> parse_json(std::string_view text, std::string_view what, std::size_t most = kMaxDocument);

// Compact, keys sorted, and total: bytes that are no UTF-8 become U+FFFD.
std::string write_json(const Json& value);

// A JSON object and its name in errors. Absent and null are the same. A value of the wrong type is EINVAL:
// "image config: \"Env\" is not a list of strings". Borrows both.
class ObjectReader {
 public:
  // EINVAL with words when it is no object.
  static Result<ObjectReader> make(const Json& value, std::string_view what);

  bool has(const char* key) const { return get(key) != nullptr; }
  const Json* get(const char* key) const;
  std::string_view what() const { return what_; }
  Error wrong(const char* key, std::string_view expected) const;

  Result<std::string> string(const char* key) const;                // "" when absent
  Result<std::vector<std::string>> strings(const char* key) const;  // empty when absent
  Result<std::map<std::string, std::string>> string_map(const char* key) const;
  Result<std::vector<std::string>> keys(const char* key) const;  // of an object used as a set
  Result<bool> boolean(const char* key) const;                   // false when absent
  Result<std::uint64_t> size(const char* key) const;             // must be there
  Result<Digest> digest(const char* key) const;                  // must be there
  // A list, or null when absent.
  Result<const Json*> list(const char* key) const;

 private:
  ObjectReader(const Json& value, std::string_view what) : value_(&value), what_(what) {}
  const Json* value_;
  std::string_view what_;
};

}  // namespace acetate::image
