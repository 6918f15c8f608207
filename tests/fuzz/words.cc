// A word of a Dockerfile: quotes, escapes and forms of $VARIABLE. The first byte chooses how, the rest is the word.
#include "builder/dockerfile/words.h"

#include "base/bytes.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {

int words(std::span<const std::byte> bytes) {
  if (bytes.empty()) return 0;
  const auto how = std::to_integer<unsigned>(bytes[0]);
  const std::string_view text = as_text(bytes.subspan(1));
  const acetate::dockerfile::WordOptions options{
      .escape = (how & 1) != 0 ? '`' : '\\', .raw_quotes = (how & 2) != 0, .raw_escapes = (how & 4) != 0, .skip_unset = (how & 8) != 0, .plain_quotes = (how & 16) != 0};
  const auto lookup = [](std::string_view name) -> std::optional<std::string> {
    if (name == "A") return "a/b/c.tar.gz";
    if (name == "E") return "";
    return std::nullopt;
  };
  const auto one = acetate::dockerfile::expand(text, lookup, options);
  const auto several = acetate::dockerfile::expand_words(text, lookup, options);
  for (const auto* error : {one ? nullptr : &one.error(), several ? nullptr : &several.error()}) demand(error == nullptr || (error->is(EINVAL) && !error->message().empty()));
  if (several)
    for (const std::string& word : *several) demand(!word.empty());
  return 0;
}

}  // namespace acetate::fuzz
