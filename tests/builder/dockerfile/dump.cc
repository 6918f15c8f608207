#include "tests/builder/dockerfile/dump.h"

#include <fmt/format.h>

namespace acetate::dockerfile {

std::string go_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += fmt::format("\\{}", c);
    else if (byte >= '\a' && byte <= '\r') out += fmt::format("\\{}", "abtnvfr"[byte - '\a']);
    else if (byte < ' ') out += fmt::format("\\x{:02x}", byte);
    else out += c;
  }
  return out + "\"";
}

namespace {

std::string dump_node(const Node& node) {
  std::string text = "(" + node.keyword;
  std::string flags;
  for (const std::string& flag : node.flags) flags += (flags.empty() ? "" : " ") + go_quoted(flag);
  if (!flags.empty()) text += " [" + flags + "]";
  for (const Node& trigger : node.trigger) text += " " + dump_node(trigger);
  for (const std::string& arg : node.args) text += " " + go_quoted(arg);
  return text + ")";
}

}  // namespace

Result<std::string> dump(std::string_view text) {
  const Lines lines = TRY(split_lines(text, "Dockerfile"));
  if (lines.lines.empty()) return fail(EINVAL, "a file with no instructions");
  std::string all;
  for (const Line& line : lines.lines) all += dump_node(TRY(parse_line(line, lines.source, lines.directives.escape))) + "\n";
  return all;
}

}  // namespace acetate::dockerfile
