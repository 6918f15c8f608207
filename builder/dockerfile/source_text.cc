#include "builder/dockerfile/source_text.h"

#include <algorithm>
#include <charconv>

namespace acetate::dockerfile {

namespace {

// Blanks as wide as `text`, keeping tabs, so that carets stand below what they point at.
std::string blank_copy(std::string_view text) {
  std::string blanks;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;  // the rest of a UTF-8 character
    blanks += c == '\t' ? '\t' : ' ';
  }
  return blanks;
}

}  // namespace

Error SourceText::complain(Place place, std::string_view at, std::string_view words) const {
  int line = place.first;
  std::size_t column = std::string::npos;
  for (int n = place.first; !at.empty() && n <= place.last && n <= static_cast<int>(lines.size()); ++n) {
    column = lines[static_cast<std::size_t>(n - 1)].find(at);
    if (column == std::string::npos) continue;
    line = n;
    break;
  }
  if (line < 1 || line > static_cast<int>(lines.size())) return fail(EINVAL, "{} (in {})", words, name);
  const std::string& text = lines[static_cast<std::size_t>(line - 1)];
  std::string_view marked = at;
  if (column == std::string::npos) {
    column = std::min(text.find_first_not_of(" \t"), text.size());
    marked = std::string_view(text).substr(column);
  }
  const std::string number = std::to_string(line);
  const std::string carets(std::max<std::size_t>(blank_copy(marked).size(), 1), '^');
  return fail(EINVAL, "{}\n{}:{}\n  {} | {}\n  {} | {}{}", words, name, line, number, text,
              std::string(number.size(), ' '), blank_copy(std::string_view(text).substr(0, column)), carets);
}

Error SourceText::parse_error(Place place, std::string_view at, std::string_view words) const {
  return complain(place, at, fmt::format("dockerfile parse error on line {}: {}", place.first, words));
}

std::string SourceText::excerpt(Place place, int limit) const {
  std::string out;
  const int end = std::min<int>(place.last, static_cast<int>(lines.size()));
  const std::size_t width = std::to_string(end).size();
  for (int n = place.first; n <= end; ++n) {
    if (n - place.first >= limit) {
      out += fmt::format("  {:>{}} | …\n", "", width);
      break;
    }
    out += fmt::format("  {:>{}} | {}\n", n, width, lines[static_cast<std::size_t>(n - 1)]);
  }
  return out;
}

Complaint read_complaint(const SourceText& source, std::string_view message) {
  const std::string where = "\n" + source.name + ":";
  const std::size_t at = message.find(where);
  if (at == std::string_view::npos) return {std::string(message)};
  int line = 0;
  const std::string_view number = message.substr(at + where.size());
  std::from_chars(number.data(), number.data() + number.size(), line);
  return {std::string(message.substr(0, at)), line};
}

}  // namespace acetate::dockerfile
