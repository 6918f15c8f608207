#include "builder/dockerfile/flags.h"

#include "builder/dockerfile/suggest.h"

namespace acetate::dockerfile {

Flags::Flags(const Node& node, const SourceText& source) : node_(node), source_(source) {
  for (const std::string& flag : node.flags) {
    const std::size_t equals = flag.find('=');
    One one{.name = flag.substr(2, equals == std::string::npos ? equals : equals - 2), .value = std::nullopt};
    if (equals != std::string::npos) one.value = flag.substr(equals + 1);
    flags_.push_back(std::move(one));
  }
}

std::vector<Flags::One*> Flags::take(std::string_view name) {
  asked_.push_back(name);
  std::vector<One*> found;
  for (One& flag : flags_) {
    if (flag.name != name) continue;
    flag.taken = true;
    found.push_back(&flag);
  }
  return found;
}

Error Flags::complain(const One& flag, std::string_view words) const {
  return source_.parse_error(node_.place, "--" + flag.name, words);
}

Result<std::vector<std::string>> Flags::values(std::string_view name) {
  std::vector<std::string> values;
  for (const One* flag : take(name)) {
    if (!flag->value) return complain(*flag, fmt::format("missing a value on flag: --{}: it wants --{}=…", name, name));
    values.push_back(*flag->value);
  }
  return values;
}

Result<std::optional<std::string>> Flags::value(std::string_view name) {
  auto all = TRY(values(name));
  if (all.empty()) return std::optional<std::string>();
  if (all.size() > 1) return complain({.name = std::string(name)}, fmt::format("duplicate flag specified: --{}", name));
  return std::optional<std::string>(std::move(all.front()));
}

Result<std::optional<bool>> Flags::boolean(std::string_view name) {
  const auto found = take(name);
  if (found.empty()) return std::optional<bool>();
  if (found.size() > 1) return complain(*found[1], fmt::format("duplicate flag specified: --{}", name));
  const std::string value = found[0]->value.value_or("true");
  if (value == "true") return std::optional<bool>(true);
  if (value == "false") return std::optional<bool>(false);
  return complain(*found[0], fmt::format("expecting boolean value for flag --{}, not: {}", name, value));
}

Result<void> Flags::done() const {
  for (const One& flag : flags_) {
    if (flag.taken) continue;
    const std::string_view meant = nearest(flag.name, asked_);
    return complain(flag, fmt::format("unknown flag: --{}{}", flag.name,
                                      meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant)));
  }
  return {};
}

}  // namespace acetate::dockerfile
