// A recursive descent over the text: each function consumes its construct and adds to the words. The rules
// that surprise are those of the Dockerfile reference ("Environment replacement"), not of any shell.

#include "builder/dockerfile/words.h"

#include <clocale>
#include <cwctype>

namespace acetate::dockerfile {

namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The length of the UTF-8 character at the beginning of `text`; 1 where it is none.
std::size_t char_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return length <= text.size() ? length : 1;
}

// Whether a UTF-8 character of more than one byte is a letter, whatever locale we run in; the C library knows which are.
bool is_wide_letter(std::string_view bytes) {
  static const locale_t unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (unicode == nullptr) return false;
  auto code = static_cast<wint_t>(static_cast<unsigned char>(bytes[0]) & (0x7fU >> bytes.size()));
  for (const char c : bytes.substr(1)) {
    if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80) return false;
    code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  }
  return ::iswalpha_l(code, unicode) != 0;
}

// How many bytes a character of a variable's name takes at the beginning of `text`; 0 where none stands there.
std::size_t name_char_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] == '_' || is_digit(text[0]) || is_letter(text[0])) return 1;
  const std::size_t length = char_length(text);
  return length > 1 && is_wide_letter(text.substr(0, length)) ? length : 0;
}

// What has been read so far: finished words, and the one being read.
class Words {
 public:
  void add(char c) {
    if (!is_blank(c)) return add_raw(std::string_view(&c, 1));
    finish_word();
  }
  void add(std::string_view text) {
    for (const char c : text) add(c);
  }
  void add_raw(std::string_view text) { word_ += text; }
  std::vector<std::string> finish() && {
    finish_word();
    return std::move(words_);
  }

 private:
  void finish_word() {
    if (!word_.empty()) words_.push_back(std::move(word_));
    word_.clear();
  }
  std::vector<std::string> words_;
  std::string word_;
};

class Expander {
 public:
  Expander(std::string_view text, const Lookup& lookup, const WordOptions& options)
      : text_(text), lookup_(lookup), options_(options) {}

  struct Both {
    std::string whole;               // everything, blanks included
    std::vector<std::string> words;  // the same, split
  };

  Result<Both> run() { return until('\0', options_.raw_escapes); }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }

  // Reads up to an unquoted `stop` and past it; '\0' means to the end.
  Result<Both> until(char stop, bool raw_escapes) {
    std::string whole;
    Words words;
    while (!at_end()) {
      const char c = peek();
      if (stop != '\0' && c == stop) {
        ++at_;
        return Both{std::move(whole), std::move(words).finish()};
      }
      if (!options_.plain_quotes && (c == '\'' || c == '"')) {
        const std::string part = TRY(c == '"' ? double_quoted(raw_escapes) : single_quoted());
        whole += part;
        words.add_raw(part);
      } else if (c == '$') {
        const std::string part = TRY(dollar());
        whole += part;
        words.add(part);
      } else if (c == '<' && text_.substr(at_).starts_with("<<")) {
        // Blanks between "<<" and the name of a here-document part no words.
        const std::size_t end = std::min(text_.find_first_not_of(" \t\r", at_ + 2), text_.size());
        whole += text_.substr(at_, end - at_);
        words.add_raw(text_.substr(at_, end - at_));
        at_ = end;
      } else if (c == options_.escape) {
        ++at_;
        if (raw_escapes) {
          whole += c;
          words.add_raw(std::string_view(&c, 1));
        }
        if (at_end()) break;
        const std::string_view next = text_.substr(at_++, 1);
        whole += next;
        words.add_raw(next);
      } else {
        ++at_;
        whole += c;
        words.add(c);
      }
    }
    if (stop != '\0') return fail(EINVAL, "unexpected end of statement while looking for matching {}", stop);
    return Both{std::move(whole), std::move(words).finish()};
  }

  Result<std::string> single_quoted() {
    const std::size_t close = text_.find('\'', at_ + 1);
    if (close == std::string_view::npos) return fail(EINVAL, "unexpected end of statement while looking for matching single-quote");
    std::string part(text_.substr(at_ + 1, close - at_ - 1));
    at_ = close + 1;
    return options_.raw_quotes ? "'" + part + "'" : part;
  }

  // Between double quotes the escape character is special before ", $ and itself only.
  Result<std::string> double_quoted(bool raw_escapes) {
    std::string part;
    if (options_.raw_quotes) part += '"';
    for (++at_; !at_end();) {
      const char c = peek();
      if (c == '"') {
        ++at_;
        if (options_.raw_quotes) part += '"';
        return part;
      }
      if (c == '$') {
        part += TRY(dollar());
        continue;
      }
      ++at_;
      if (c != options_.escape) {
        part += c;
        continue;
      }
      if (at_end()) break;
      const char next = text_[at_++];
      if (raw_escapes || (next != '"' && next != '$' && next != options_.escape)) part += c;
      part += next;
    }
    return fail(EINVAL, "unexpected end of statement while looking for matching double-quote");
  }

  std::string name() {
    const std::size_t begin = at_;
    if (at_end()) return {};
    if (is_digit(peek())) {
      while (!at_end() && is_digit(peek())) ++at_;
    } else if (name_char_length(text_.substr(at_)) != 0) {
      while (const std::size_t length = name_char_length(text_.substr(at_))) at_ += length;
    } else if (std::string_view("@*#?-$!").find(peek()) != std::string_view::npos) {
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  // Positional and special parameters are never set, whatever the caller has.
  std::optional<std::string> value_of(const std::string& variable) const {
    if (variable.empty() || is_digit(variable[0]) || name_char_length(variable) == 0) return std::nullopt;
    return lookup_(variable);
  }

  Result<std::string> dollar() {
    const std::size_t begin = at_++;
    if (!at_end() && peek() == '{') {
      if (depth_ == kDeepest) return fail(EINVAL, "variables are nested more than {} deep", kDeepest);
      ++depth_;
      auto value = braced(begin);
      --depth_;
      return value;
    }
    const std::string variable = name();
    if (variable.empty()) return "$";
    const auto value = value_of(variable);
    if (!value && options_.skip_unset) return std::string(text_.substr(begin, at_ - begin));
    return value.value_or("");
  }

  Result<std::string> braced(std::size_t begin) {
    ++at_;
    if (at_end()) return fail(EINVAL, "syntax error: missing '}}'");
    if (peek() == '{' || peek() == '}' || peek() == ':') return fail(EINVAL, "syntax error: bad substitution");
    const std::string variable = name();
    if (at_end()) return fail(EINVAL, "syntax error: missing '}}'");
    const auto value = value_of(variable);
    const char operation = text_[at_++];
    Result<std::string> expanded = apply(variable, value, operation);
    if (expanded && !value && options_.skip_unset) return std::string(text_.substr(begin, at_ - begin));
    return expanded;
  }

  Result<std::string> apply(const std::string& variable, std::optional<std::string> value, char operation) {
    if (variable.empty()) return fail(EINVAL, "syntax error: bad substitution");
    switch (operation) {
      case '}':
        return value.value_or("");
      case ':': {
        if (at_end()) return fail(EINVAL, "syntax error: missing '}}'");
        const char modifier = text_[at_++];
        if (modifier != '-' && modifier != '+' && modifier != '?')
          return fail(EINVAL, "unsupported modifier (:{}) in substitution", modifier);
        return conditional(variable, value && !value->empty() ? value : std::nullopt, modifier, "empty");
      }
      case '-':
      case '+':
      case '?':
        return conditional(variable, value, operation, "unset");
      case '#':
      case '%':
        return trimmed(value, operation);
      case '/':
        return replaced(value);
      default:
        return fail(EINVAL, "unsupported modifier ({}) in substitution", operation);
    }
  }

  Result<std::string> conditional(const std::string& variable, const std::optional<std::string>& value,
                                  char modifier, std::string_view what) {
    const std::string word = TRY(until('}', options_.raw_escapes)).whole;
    if (modifier == '+') return value ? word : "";
    if (modifier == '-') return value ? *value : word;
    if (value) return *value;
    if (options_.skip_unset) return "";
    return word.empty() ? fail(EINVAL, "{}: is not allowed to be {}", variable, what)
                        : fail(EINVAL, "{}: {}", variable, word);
  }

  // ${V#p} ${V##p} ${V%p} ${V%%p}: the shortest or longest match at the beginning or end goes.
  Result<std::string> trimmed(const std::optional<std::string>& value, char side) {
    std::string pattern = TRY(until('}', true)).whole;
    const bool longest = !pattern.empty() && pattern[0] == side;
    if (longest) pattern.erase(0, 1);
    if (!value && options_.skip_unset) return "";
    TRY(check_pattern(pattern));
    const std::string text = value.value_or("");
    const std::size_t size = text.size();
    for (std::size_t step = 0; step <= size; ++step) {
      const std::size_t length = longest ? size - step : step;
      const std::size_t cut = side == '#' ? length : size - length;
      if (cut < size && (static_cast<unsigned char>(text[cut]) & 0xc0U) == 0x80U) continue;  // within a character
      const std::string_view part = side == '#' ? std::string_view(text).substr(0, length)
                                                : std::string_view(text).substr(size - length);
      if (matches_pattern(pattern, part))
        return side == '#' ? text.substr(length) : text.substr(0, size - length);
    }
    return text;
  }

  // A pattern escapes ?, *, itself, and the } and / that would end it; anything else is a mistake.
  static Result<void> check_pattern(std::string_view pattern) {
    for (std::size_t at = 0; at < pattern.size(); ++at) {
      if (pattern[at] != '\\') continue;
      if (++at == pattern.size() || std::string_view("*?\\}/").find(pattern[at]) == std::string_view::npos)
        return fail(EINVAL, "invalid pattern ({}) in substitution: invalid escape '\\{}'", pattern, pattern.substr(std::min(at, pattern.size())).substr(0, 1));
    }
    return {};
  }

  // ${V/p/r} ${V//p/r}: the first or every longest match becomes r, whose escapes stay. A match of nothing counts, but not right after another.
  Result<std::string> replaced(const std::optional<std::string>& value) {
    const bool all = !at_end() && peek() == '/';
    if (all) ++at_;
    const std::string pattern = TRY(until('/', true)).whole;
    const std::string by = TRY(until('}', true)).whole;
    if (!value && options_.skip_unset) return "";
    TRY(check_pattern(pattern));
    const std::string text = value.value_or("");
    std::string out;
    std::size_t matched_to = std::string::npos;
    for (std::size_t at = 0; at <= text.size();) {
      const std::string_view rest = std::string_view(text).substr(at);
      std::size_t length = rest.size();
      while (length > 0 && !matches_pattern(pattern, rest.substr(0, length))) --length;
      if (length > 0 || (at != matched_to && matches_pattern(pattern, ""))) {
        out += by;
        at = matched_to = at + length;
        if (!all) return out + text.substr(at);
      }
      if (length > 0) continue;
      if (at == text.size()) break;
      const std::size_t letter = char_length(text.substr(at));
      out += text.substr(at, letter);
      at += letter;
    }
    return out;
  }

  static constexpr int kDeepest = 200;  // ${a:-${b:-…}}: a stranger's text must not reach the end of our stack

  std::string_view text_;
  const Lookup& lookup_;
  WordOptions options_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // One position to go back to suffices: a later * makes every earlier one's choice irrelevant.
  std::size_t p = 0, t = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      resume = t;
      continue;
    }
    if (t == text.size() && p == pattern.size()) return true;
    bool fits = false;
    if (p < pattern.size() && t < text.size()) {
      if (pattern[p] == '?') {
        t += char_length(text.substr(t));
        ++p;
        fits = true;
      } else {
        const std::size_t literal = pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
        if (pattern[literal] == text[t]) {
          p = literal + 1;
          ++t;
          fits = true;
        }
      }
    }
    if (fits) continue;
    if (star == std::string_view::npos || resume >= text.size()) return false;
    resume += char_length(text.substr(resume));
    p = star;
    t = resume;
  }
}

Result<std::string> expand(std::string_view text, const Lookup& lookup, const WordOptions& options) {
  return TRY(Expander(text, lookup, options).run()).whole;
}

std::string expand_or(std::string_view text, const Lookup& lookup, const WordOptions& options, std::string_view otherwise) {
  auto expanded = expand(text, lookup, options);
  return expanded ? *std::move(expanded) : std::string(otherwise);
}

Result<std::vector<std::string>> expand_words(std::string_view text, const Lookup& lookup,
                                              const WordOptions& options) {
  return TRY(Expander(text, lookup, options).run()).words;
}

}  // namespace acetate::dockerfile
