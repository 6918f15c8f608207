#include "builder/dockerfile/lines.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "builder/dockerfile/json_array.h"
#include "builder/dockerfile/words.h"

namespace acetate::dockerfile {

namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";

std::string_view trim_left(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

std::string_view trim(std::string_view text) {
  text = trim_left(text);
  const std::size_t end = text.find_last_not_of(kBlanks);
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

constexpr std::string_view kComment = "#";

bool is_comment(std::string_view line) { return trim_left(line).starts_with(kComment); }

std::vector<std::string> physical_lines(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

// "# key = value" as {key, value}; nothing for any other line. `mark`: what stands for the "#".
struct KeyValue {
  std::string key, value;
};
std::optional<KeyValue> parse_directive(std::string_view line, std::string_view mark) {
  if (!trim_left(line).starts_with(mark)) return std::nullopt;
  const std::string_view body = trim(trim_left(line).substr(mark.size()));
  const std::size_t equals = body.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view key = trim(body.substr(0, equals));
  const std::string_view value = trim(body.substr(equals + 1));
  const bool is_word = !key.empty() && std::isalpha(static_cast<unsigned char>(key[0])) != 0 &&
                       std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
  if (!is_word || value.empty()) return std::nullopt;
  return KeyValue{lower(key), std::string(value)};
}

bool begins_with_shebang(const std::vector<std::string>& lines) { return !lines.empty() && lines[0].starts_with("#!"); }

Result<Directives> read_directives(const SourceText& source) {
  Directives directives;
  bool escape_seen = false;
  // Below a shebang BuildKit looks for syntax and check, and not for an escape character.
  const bool shebang = begins_with_shebang(source.lines);
  for (int n = shebang ? 2 : 1; n <= static_cast<int>(source.lines.size()); ++n) {
    const auto directive = parse_directive(source.lines[static_cast<std::size_t>(n - 1)], kComment);
    if (!directive) break;
    const auto& [key, value] = *directive;
    const bool twice = (key == "escape" && escape_seen) || (key == "syntax" && directives.syntax) ||
                       (key == "check" && directives.check);
    if (twice) return source.parse_error({n, n}, "", fmt::format("only one {} parser directive can be used", key));
    if (key == "syntax") {
      directives.syntax = value;
    } else if (key == "check") {
      directives.check = value;
    } else if (key == "escape") {
      if (value != "\\" && value != "`")
        return source.parse_error({n, n}, value, fmt::format("invalid escape token '{}' does not match ` or \\", value));
      if (!shebang) directives.escape = value[0];
      escape_seen = true;
    } else {
      break;
    }
    directives.count = static_cast<std::size_t>(n);
  }
  return directives;
}

// Takes the escape character off a line that goes on; false for one that does not. An escaped escape character
// at the end is a character and no continuation.
bool take_continuation(std::string& line, char escape) {
  const std::size_t last = line.find_last_not_of(" \t");
  if (last == std::string::npos || line[last] != escape) return false;
  if (last > 0 && line[last - 1] == escape) return false;
  line.resize(last);
  return true;
}

// Only ADD, COPY and RUN take here-documents, also behind ONBUILD, and not in their JSON form.
bool takes_heredocs(std::string_view line) {
  for (int depth = 0; depth < 2; ++depth) {
    line = trim_left(line);
    const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
    const std::string keyword = lower(line.substr(0, end));
    line = trim(line.substr(end));
    if (keyword == "onbuild") continue;
    if (keyword != "run" && keyword != "copy" && keyword != "add") return false;
    return parse_json_array(line).kind != JsonArray::Kind::strings;
  }
  return false;
}

std::vector<Heredoc> heredocs_of(std::string_view line) {
  if (line.find("<<") == std::string_view::npos || !takes_heredocs(line)) return {};
  const WordOptions raw{.raw_quotes = true, .raw_escapes = true, .skip_unset = true};
  std::vector<Heredoc> heredocs;
  // A line whose quotes do not match is the shell's business, and holds no here-document for us.
  const auto words = expand_words(line, [](std::string_view) { return std::nullopt; }, raw);
  if (!words) return {};
  for (const std::string& word : *words)
    if (auto heredoc = parse_heredoc_word(word)) heredocs.push_back(std::move(*heredoc));
  return heredocs;
}

class Splitter {
 public:
  explicit Splitter(Lines& out) : out_(out) {}

  Result<void> run() {
    while (at_ < count()) {
      if (!TRY(next_line())) continue;
      TRY(read_heredocs());
    }
    return {};
  }

 private:
  std::size_t count() const { return out_.source.lines.size(); }
  const std::string& physical(std::size_t index) const { return out_.source.lines[index]; }

  // Reads one instruction with its continuations; false for comments and empty lines.
  Result<bool> next_line() {
    const int first = static_cast<int>(at_) + 1;
    if (at_ == 0 && physical(0).starts_with("#!")) return ++at_, false;
    if (is_comment(physical(at_))) return take_comment(physical(at_++)), false;
    std::string text(trim_left(physical(at_++)));
    bool goes_on = take_continuation(text, out_.directives.escape);
    int last = first;
    bool empty_line_seen = false;
    while (goes_on && at_ < count()) {
      const std::string& raw = physical(at_++);
      if (is_comment(raw)) continue;
      if (trim_left(raw).empty()) {
        empty_line_seen = true;
        continue;
      }
      std::string part = raw;
      goes_on = take_continuation(part, out_.directives.escape);
      text += part;
      last = static_cast<int>(at_);
    }
    if (trim(text).empty()) {
      described_ = false;
      return false;
    }
    out_.lines.push_back({.place = {first, last},
                          .text = std::move(text),
                          .heredocs = {},
                          .comments = std::exchange(comments_, {}),
                          .described = std::exchange(described_, false),
                          .empty_line = empty_line_seen ? last : 0});
    return true;
  }

  // Directives are none, and an empty one ends what was said before.
  void take_comment(std::string_view line) {
    std::string_view text = trim(trim_left(line).substr(1));
    if (at_ <= out_.directives.count) return;
    if (text.empty()) comments_.clear();
    else comments_.emplace_back(text);
    described_ = !text.empty();
  }

  Result<void> read_heredocs() {
    Line& line = out_.lines.back();
    line.heredocs = heredocs_of(line.text);
    for (Heredoc& heredoc : line.heredocs) {
      for (bool ended = false; !ended;) {
        if (at_ >= count())
          return out_.source.parse_error(line.place, "<<",
                                         fmt::format("unterminated heredoc: no line is \"{}\" and nothing else", heredoc.name));
        std::string_view text = physical(at_++);
        if (heredoc.chomp) text.remove_prefix(std::min(text.find_first_not_of('\t'), text.size()));
        ended = text == heredoc.name;
        if (!ended) heredoc.content.append(text).append("\n");
      }
      line.place.last = static_cast<int>(at_);
    }
    return {};
  }

  Lines& out_;
  std::size_t at_ = 0;
  std::vector<std::string> comments_;  // since the last instruction
  bool described_ = false;
};

}  // namespace

std::optional<Heredoc> parse_heredoc_word(std::string_view word) {
  std::size_t at = 0;
  while (at < word.size() && std::isdigit(static_cast<unsigned char>(word[at])) != 0) ++at;
  if (at > 4 || !word.substr(at).starts_with("<<")) return std::nullopt;
  Heredoc heredoc;
  for (const char digit : word.substr(0, at)) heredoc.fd = heredoc.fd * 10 + static_cast<unsigned>(digit - '0');
  std::string_view rest = word.substr(at + 2);
  heredoc.chomp = rest.starts_with('-');
  if (heredoc.chomp) rest.remove_prefix(1);
  rest = trim_left(rest);
  if (rest.empty() || rest.find('<') != std::string_view::npos) return std::nullopt;

  const Lookup nothing = [](std::string_view) { return std::nullopt; };
  const auto plain = expand_words(rest, nothing, {.skip_unset = true});
  const auto raw = expand_words(rest, nothing, {.raw_quotes = true, .skip_unset = true});
  if (!plain || !raw || plain->size() != 1 || raw->size() != 1) return std::nullopt;
  heredoc.name = plain->front();
  heredoc.expand = plain->front() == raw->front();
  return heredoc;
}

std::optional<std::string> find_syntax(std::string_view text) {
  const std::vector<std::string> lines = physical_lines(text);
  for (const std::string_view mark : {kComment, std::string_view("//")})
    for (std::size_t n = begins_with_shebang(lines) ? 1 : 0; n < lines.size(); ++n) {
      const auto directive = parse_directive(lines[n], mark);
      if (directive && directive->key == "syntax") return directive->value;
      if (!directive || (directive->key != "escape" && directive->key != "check")) break;
    }
  return std::nullopt;
}

Result<Lines> split_lines(std::string_view text, std::string name) {
  Lines lines;
  lines.source = {.name = std::move(name), .lines = physical_lines(text)};
  lines.directives = TRY(read_directives(lines.source));
  TRY(Splitter(lines).run());
  return lines;
}

}  // namespace acetate::dockerfile
