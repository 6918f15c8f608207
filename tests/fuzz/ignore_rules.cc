// A .dockerignore: all lines but the last, which is the path that is asked about.
#include "base/bytes.h"
#include "builder/dockerfile/ignore.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {

int ignore_rules(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  const std::size_t last = text.rfind('\n');
  if (last == std::string_view::npos) return 0;
  const auto rules = acetate::dockerfile::IgnoreRules::parse(text.substr(0, last));
  if (!rules) {
    demand(rules.error().is(EINVAL) && !rules.error().message().empty());
    return 0;
  }
  if (rules->ignores(text.substr(last + 1))) demand(!rules->empty());
  return 0;
}

}  // namespace acetate::fuzz
