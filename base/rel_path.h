// RelPath: a path inside a tree that cannot lead out of it.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate {

// A path inside a tree. Guarantees: no leading slash, no empty, "." or ".." component, no NUL byte; the root
// is "". Bytes are raw, never converted. Only parse() makes one from outside data; child() and parent() keep
// the promise. It says nothing about symlinks: following them is the business of whoever walks.
class RelPath {
 public:
  RelPath() = default;  // the root

  // EINVAL on a ".." component and on NUL. Cleans "/a//./b/" to "a/b".
  static Result<RelPath> parse(std::string_view text);

  // As a container sees a path from its own root: ".." goes up and stops at the root, as `cd /..` does.
  // EINVAL on NUL only.
  static Result<RelPath> parse_clamped(std::string_view text);

  // Precondition: is_name(name).
  RelPath child(std::string_view name) const;
  RelPath parent() const;            // of the root: the root
  std::string_view name() const;     // of the root: ""
  bool is_root() const noexcept { return path_.empty(); }
  bool contains(const RelPath& other) const;  // true for itself
  std::vector<std::string_view> components() const;

  const std::string& str() const noexcept { return path_; }
  const char* c_str() const noexcept { return path_.empty() ? "." : path_.c_str(); }
  auto operator<=>(const RelPath&) const = default;

  // One component: not empty, not "." or "..", no '/' and no NUL.
  static bool is_name(std::string_view text) noexcept;

 private:
  explicit RelPath(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace acetate
