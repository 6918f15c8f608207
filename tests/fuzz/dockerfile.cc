// A Dockerfile that somebody sent: its lines, its checks and its instructions.
#include "base/bytes.h"
#include "builder/dockerfile/lint.h"
#include "builder/dockerfile/parse.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {

int dockerfile(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  (void)acetate::dockerfile::find_syntax(text);
  const auto lines = acetate::dockerfile::split_lines(text, "Dockerfile");
  const auto file = acetate::dockerfile::parse(text, "Dockerfile");
  if (!lines) {
    demand(!file && !lines.error().message().empty());
    return 0;
  }
  for (const auto& warning : acetate::dockerfile::lint(*lines, {}, {})) demand(!acetate::dockerfile::format_warning(warning, lines->source).empty());
  if (!file) demand(file.error().is(EINVAL) && !file.error().message().empty());
  return 0;
}

}  // namespace acetate::fuzz
