// Paths with a digest each, or with none, as a file of the build cache: sorted, so that one of many is found without taking the rest apart.
//
// "<64 hex digits, or as many dashes> PATH", each ending in NUL; the last line is the digest of a version and all before it. A file that
// is damaged, or of another version, is none.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"

namespace acetate::build {

using PathDigests = std::map<std::string, std::optional<Digest>, std::less<>>;

// Never changes once it is made.
class DigestList {
 public:
  struct Line {
    std::string_view path;
    std::string_view hex;  // empty: no digest
  };
  static DigestList of(const PathDigests& paths, std::string_view version);
  static std::optional<DigestList> parse(std::string text, std::string_view version);

  const std::string& text() const { return *text_; }
  const std::vector<Line>& lines() const { return lines_; }  // by path; they live as long as this
  const Line* find(std::string_view path) const;

 private:
  explicit DigestList(std::string text) : text_(std::make_unique<std::string>(std::move(text))) {}
  bool take_apart();
  std::unique_ptr<const std::string> text_;  // stays where it is when this is moved
  std::vector<Line> lines_;
};

}  // namespace acetate::build
