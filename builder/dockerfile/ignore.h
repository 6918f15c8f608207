// .dockerignore: which paths of a context do not take part in a build.
//
// Go's filepath.Match with "**" for any number of directories and "!" for exceptions, as Docker has it: the
// last pattern that matches a path or one of its parents decides.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::dockerfile {

// One path pattern. '*' and '?' stop at '/', '[a-z]' is a class of UTF-8 characters, '\' takes the next character literally.
class PathPattern {
 public:
  // EINVAL with words for a class that does not end, is empty, or has a ']' or '-' where neither can stand without '\', and for a '\' at the end.
  static Result<PathPattern> parse(std::string_view text);
  bool matches(std::string_view path) const;
  // Without wildcards it is a plain path.
  bool has_wildcards() const noexcept { return wildcards_; }

 private:
  struct Token {
    enum class Kind { literal, any, star, any_dirs, any_text, rest, set } kind;
    char literal = '\0';
    std::u32string set = {};  // pairs of first and last character
    bool negated = false;
  };
  bool matches_from(std::size_t token, std::string_view path, std::size_t& budget) const;
  std::vector<Token> tokens_;
  bool wildcards_ = false;
};

class IgnoreRules {
 public:
  IgnoreRules() = default;
  // The text of a .dockerignore. EINVAL with words and the line's number.
  static Result<IgnoreRules> parse(std::string_view text);

  bool ignores(std::string_view path) const;  // relative, without a slash at either end
  bool has_exceptions() const noexcept { return exceptions_; }
  bool empty() const noexcept { return rules_.empty(); }

 private:
  struct Rule {
    PathPattern pattern;
    bool exception;
  };
  std::vector<Rule> rules_;
  bool exceptions_ = false;
};

}  // namespace acetate::dockerfile
