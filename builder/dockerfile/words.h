// Words of a Dockerfile: quoting, escapes and $VARIABLE forms, as the reference describes them.
//
// A POSIX shell's word expansion without commands and arithmetic, plus the # % and / forms of bash:
//   $V ${V}   ${V:-w} ${V-w}   ${V:+w} ${V+w}   ${V:?m} ${V?m}   ${V#p} ${V##p} ${V%p} ${V%%p}   ${V/p/r} ${V//p/r}
// Patterns know ?, * and \ only. Positional and special parameters ($1, $@, …) are never set.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::dockerfile {

// The value of a variable; nothing when it is not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

struct WordOptions {
  char escape = '\\';
  bool raw_quotes = false;   // leave quotes where they are
  bool raw_escapes = false;  // leave escapes where they are
  bool skip_unset = false;   // leave $V of an unset V as it is written
  bool plain_quotes = false; // quotes are characters like any other, as in a here-document
};

// One word: blanks in it stay. EINVAL with words for unbalanced quotes, bad substitutions and ${V:?m}.
Result<std::string> expand(std::string_view text, const Lookup& lookup, const WordOptions& options = {});

// The same, or `otherwise` for what does not expand: for who only looks, and leaves it to the build to complain.
std::string expand_or(std::string_view text, const Lookup& lookup, const WordOptions& options, std::string_view otherwise);

// Several words, split at unquoted blanks, also those that came out of a variable. Empty words are dropped.
Result<std::vector<std::string>> expand_words(std::string_view text, const Lookup& lookup,
                                              const WordOptions& options = {});

// True when all of `text` is matched by `pattern` (? one character, * any number of them, \ takes the next
// literally). Works on UTF-8 characters.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace acetate::dockerfile
