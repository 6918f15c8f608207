#include "fs/fuse/layer_store/offered.h"

#include <array>
#include <cerrno>
#include <utility>

#include "base/number.h"
#include "base/sys/process.h"

namespace acetate::fs {

namespace {

template <class Number>
Result<Number> parse_number(std::string_view text) {
  const auto value = number_of<Number>(text);
  if (!value) return fail(EBADMSG, "'{}' is no number", text);
  return *value;
}

Result<OfferedLayer> parse_line(std::string_view line) {
  std::array<std::string_view, 4> words;
  for (auto& word : words) {
    word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
  }
  OfferedLayer layer;
  layer.digest = TRY(Digest::parse(words[0]));
  layer.diff_id = TRY(Digest::parse(words[1]));
  layer.size = TRY(parse_number<std::uint64_t>(words[2]));
  layer.packing = TRY(parse_number<int>(words[3]));
  layer.spec = TRY(parse_layer_spec(line));
  return layer;
}

}  // namespace

Result<std::vector<OfferedLayer>> parse_offered(std::string_view text) {
  std::vector<OfferedLayer> layers;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    auto layer = parse_line(line);
    if (!layer) return fail(EBADMSG, "\"{}\" describes no layer: {}", line, layer.error().message());
    layers.push_back(*std::move(layer));
  }
  return layers;
}

FindImage ask_command(std::vector<std::string> argv) {
  return [argv = std::move(argv)](const std::string& name, Ask ask) -> Result<std::vector<OfferedLayer>> {
    sys::Command command{.argv = argv};
    if (ask == Ask::anew) command.argv.emplace_back("--anew");
    command.argv.insert(command.argv.end(), {"--describe", name});
    const auto said = TRY_WITHIN(sys::run_captured(command), "asking for {}", name);
    if (said.exit.ok()) return parse_offered(said.out);
    std::string_view words = said.err;
    while (words.ends_with('\n')) words.remove_suffix(1);
    return fail(EIO, "{}: {}", name, words.empty() ? said.exit.describe() : std::string(words));
  };
}

}  // namespace acetate::fs
