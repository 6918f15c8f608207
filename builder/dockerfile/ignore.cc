#include "builder/dockerfile/ignore.h"

#include <optional>

namespace acetate::dockerfile {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || (text.front() >= '\t' && text.front() <= '\r'))) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || (text.back() >= '\t' && text.back() <= '\r'))) text.remove_suffix(1);
  return text;
}

// Go's filepath.Clean without a leading slash: "a/./b/../c/" is "a/c", "" is ".".
std::string clean(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    const bool rooted = text.starts_with('/');
    if (part == "..") {
      if (!parts.empty() && parts.back() != "..") {
        parts.pop_back();
        continue;
      }
      if (rooted) continue;
    }
    parts.push_back(part);
  }
  std::string out;
  for (const std::string_view part : parts) {
    if (!out.empty()) out += '/';
    out += part;
  }
  return out.empty() ? "." : out;
}

// Takes one UTF-8 character off `text`, which is not empty; a byte that begins none is one.
char32_t take_character(std::string_view& text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const std::size_t length = byte(0) < 0xc2 ? 1 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : byte(0) < 0xf5 ? 4 : 1;
  char32_t value = byte(0);
  std::size_t taken = 1;
  if (length > 1) {
    value &= 0x7fU >> length;
    for (; taken < length && taken < text.size() && (byte(taken) & 0xc0U) == 0x80U; ++taken) value = value << 6U | (byte(taken) & 0x3fU);
    if (taken < length) value = byte(0), taken = 1;
  }
  text.remove_prefix(taken);
  return value;
}

// One end of a range in a class; nothing where Go's path.Match wants an escape.
std::optional<char32_t> take_of_class(std::string_view& text) {
  if (text.empty() || text[0] == '-' || text[0] == ']') return std::nullopt;
  if (text[0] == '\\') text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  return take_character(text);
}

// "a-z]" of "[a-z]", taken off `text` to its end: pairs of first and last.
std::optional<std::u32string> take_class(std::string_view& text) {
  std::u32string set;
  while (set.empty() || !text.starts_with(']')) {
    const auto first = take_of_class(text);
    if (!first) return std::nullopt;
    auto last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (last = take_of_class(text); !last) return std::nullopt;
    }
    set += {*first, *last};
    if (text.empty()) return std::nullopt;
  }
  text.remove_prefix(1);
  return set;
}

}  // namespace

Result<PathPattern> PathPattern::parse(std::string_view text) {
  PathPattern pattern;
  using Kind = Token::Kind;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '*' && text.substr(at).starts_with("**")) {
      pattern.wildcards_ = true;
      at += 1;
      if (at + 1 < text.size() && text[at + 1] == '/') ++at;  // "**/" is "**"
      pattern.tokens_.push_back({at + 1 == text.size() ? Kind::rest : Kind::any_dirs});
    } else if (c == '*' || c == '?') {
      pattern.wildcards_ = true;
      pattern.tokens_.push_back({c == '*' ? Kind::star : Kind::any});
    } else if (c == '[') {
      pattern.wildcards_ = true;
      Token token{Kind::set};
      if (at + 1 < text.size() && text[at + 1] == '^') {
        token.negated = true;
        ++at;
      }
      std::string_view rest = text.substr(at + 1);
      auto set = take_class(rest);
      if (!set && text.find(']', at) == std::string_view::npos) return fail(EINVAL, "the pattern \"{}\" has a [ without ]", text);
      if (!set) return fail(EINVAL, "the pattern \"{}\" has a class that is none: in [] a - or ] of its own is written \\- or \\]", text);
      token.set = *std::move(set);
      at = text.size() - rest.size() - 1;
      pattern.tokens_.push_back(std::move(token));
    } else {
      if (c == '\\' && at + 1 == text.size()) return fail(EINVAL, "the pattern \"{}\" ends with an escape of nothing", text);
      pattern.tokens_.push_back({Kind::literal, c == '\\' ? text[++at] : c});
    }
  }
  // "**.o" without anything else is what ends so, as Docker has it, and not what is called so somewhere.
  if (text.starts_with("**") && text.size() > 2 && text[2] != '/' && text.find_first_of("*?[]\\", 2) == std::string_view::npos)
    pattern.tokens_.front().kind = Kind::any_text;
  return pattern;
}

bool PathPattern::matches(std::string_view path) const {
  // Patterns come from whoever wrote the Dockerfile: a million steps are far more than an honest one needs.
  std::size_t budget = 1'000'000;
  return matches_from(0, path, budget);
}

bool PathPattern::matches_from(std::size_t at, std::string_view path, std::size_t& budget) const {
  using Kind = Token::Kind;
  for (; at < tokens_.size(); ++at) {
    if (budget == 0 || --budget == 0) return false;
    const Token& token = tokens_[at];
    switch (token.kind) {
      case Kind::rest:
        return true;
      case Kind::any_dirs:  // nothing, or anything that ends in a slash
        if (matches_from(at + 1, path, budget)) return true;
        for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
          if (matches_from(at + 1, path.substr(slash + 1), budget)) return true;
        return false;
      case Kind::any_text:
        for (std::size_t taken = 0; taken <= path.size(); ++taken)
          if (matches_from(at + 1, path.substr(taken), budget)) return true;
        return false;
      case Kind::star:
        for (std::size_t taken = 0;; ++taken) {
          if (matches_from(at + 1, path.substr(taken), budget)) return true;
          if (taken >= path.size() || path[taken] == '/') return false;
        }
      case Kind::any: {
        if (path.empty() || path[0] == '/') return false;
        do path.remove_prefix(1);  // one character, which in UTF-8 may be several bytes
        while (!path.empty() && (static_cast<unsigned char>(path[0]) & 0xc0) == 0x80);
        break;
      }
      case Kind::set: {
        if (path.empty() || path[0] == '/') return false;
        const char32_t letter = take_character(path);
        bool in = false;
        for (std::size_t pair = 0; pair + 1 < token.set.size(); pair += 2)
          in = in || (token.set[pair] <= letter && letter <= token.set[pair + 1]);
        if (in == token.negated) return false;
        break;
      }
      case Kind::literal:
        if (path.empty() || path[0] != token.literal) return false;
        path.remove_prefix(1);
        break;
    }
  }
  return path.empty();
}

Result<IgnoreRules> IgnoreRules::parse(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  IgnoreRules rules;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('#')) continue;
    line = trim(line);
    if (line.empty()) continue;
    const bool exception = line.starts_with('!');
    if (exception) line = trim(line.substr(1));
    if (line.empty()) return fail(EINVAL, "line {}: a lone \"!\" excepts nothing", number);
    const std::string path = clean(line);
    if (path == ".") continue;  // the context itself cannot be left out
    auto pattern = TRY_WITHIN(PathPattern::parse(path), "line {}", number);
    rules.rules_.push_back({std::move(pattern), exception});
    rules.exceptions_ = rules.exceptions_ || exception;
  }
  return rules;
}

bool IgnoreRules::ignores(std::string_view path) const {
  bool ignored = false;
  for (const Rule& rule : rules_) {
    if (rule.exception != ignored) continue;  // could not change the answer
    bool matched = rule.pattern.matches(path);
    for (std::size_t slash = path.find('/'); !matched && slash != std::string_view::npos; slash = path.find('/', slash + 1))
      matched = rule.pattern.matches(path.substr(0, slash));
    if (matched) ignored = !rule.exception;
  }
  return ignored;
}

}  // namespace acetate::dockerfile
