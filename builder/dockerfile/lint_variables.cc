#include "builder/dockerfile/lint_variables.h"

#include <algorithm>

#include "builder/dockerfile/mount.h"

namespace acetate::dockerfile {

void StageVariables::add_env(const std::vector<std::string>& env) {
  for (const std::string& entry : env)
    if (const std::size_t equals = entry.find('='); equals != std::string::npos)
      values_[entry.substr(0, equals)] = entry.substr(equals + 1);
}

std::string StageVariables::value_of(std::string_view word, std::vector<std::string>& undefined, bool plain_quotes) const {
  const Lookup look_up = [&](std::string_view name) -> std::optional<std::string> {
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    if (!declared_.contains(name) && std::find(undefined.begin(), undefined.end(), name) == undefined.end()) undefined.emplace_back(name);
    return std::nullopt;
  };
  // What does not expand is an error of the build, and said there.
  return expand_or(word, look_up, {.escape = escape_, .plain_quotes = plain_quotes}, "");
}

void StageVariables::use(std::string_view word, std::vector<std::string>& undefined, bool plain_quotes) const {
  static_cast<void>(value_of(word, undefined, plain_quotes));
}

void StageVariables::use_mount(std::string_view text, std::vector<std::string>& undefined) const {
  const auto mount = parse_mount(text, [&](std::string_view value) -> Result<std::string> { return value_of(value, undefined); });
  static_cast<void>(mount.has_value());  // a mount that is wrong is an error of the build
}

void StageVariables::declare(std::string_view arg, std::vector<std::string>& undefined) {
  const std::size_t equals = arg.find('=');
  const std::string name(arg.substr(0, equals));
  if (const auto given = given_->find(name); given != given_->end()) {
    values_[name] = given->second;
  } else if (equals != std::string_view::npos) {
    values_[name] = value_of(arg.substr(equals + 1), undefined);
  } else if (const auto global = globals_->find(name); global != globals_->end()) {
    values_[name] = global->second;
  }
  declared_.insert(name);
}

std::vector<std::string> StageVariables::undefined_in(const Node& node) {
  std::vector<std::string> undefined;
  const std::string& keyword = node.keyword;
  const auto flags = [&](std::initializer_list<std::string_view> names) {
    for (const std::string& flag : node.flags)
      for (const std::string_view name : names)
        if (flag.starts_with(name)) use(std::string_view(flag).substr(name.size()), undefined);
  };
  if (keyword == "arg") {
    for (const std::string& arg : node.args) declare(arg, undefined);
  } else if (keyword == "env" || keyword == "label") {
    Variables defined;  // all of one line see what was before it
    for (std::size_t at = 0; at + 2 < node.args.size(); at += 3) {
      const std::string name = value_of(node.args[at], undefined);
      const std::string value = value_of(node.args[at + 1], undefined);
      if (keyword == "env") defined[name] = value;
    }
    for (auto& [name, value] : defined) values_[name] = std::move(value);
  } else if (keyword == "copy" || keyword == "add") {
    flags({"--chown=", "--chmod=", "--checksum=", "--exclude="});
    for (const std::string& arg : node.args)
      if (!arg.starts_with("<<")) use(arg, undefined);
    for (const Heredoc& heredoc : node.heredocs)
      if (heredoc.expand) use(heredoc.content, undefined, true);
  } else if (keyword == "run") {
    for (const std::string& flag : node.flags)
      if (flag.starts_with("--mount=")) use_mount(std::string_view(flag).substr(8), undefined);
  } else if (keyword == "expose" || keyword == "user" || keyword == "volume" || keyword == "workdir" || keyword == "stopsignal") {
    for (const std::string& arg : node.args) use(arg, undefined);
  }
  return undefined;
}

std::vector<std::string_view> StageVariables::names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : values_) names.push_back(name);
  return names;
}

}  // namespace acetate::dockerfile
