#include "builder/variables.h"

#include <algorithm>

#include "layers/image/platform.h"

namespace acetate::build {

namespace {

// Programs look at one spelling or the other: who gives one gives both.
constexpr std::pair<std::string_view, std::string_view> kProxyNames[] = {
    {"HTTP_PROXY", "http_proxy"}, {"HTTPS_PROXY", "https_proxy"}, {"FTP_PROXY", "ftp_proxy"}, {"NO_PROXY", "no_proxy"}, {"ALL_PROXY", "all_proxy"}};

}  // namespace

std::optional<std::string_view> get_env(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& entry : env)
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name))
      return std::string_view(entry).substr(name.size() + 1);
  return std::nullopt;
}

void set_env(std::vector<std::string>& env, std::string_view name, std::string_view value) {
  std::string text = fmt::format("{}={}", name, value);
  for (std::string& entry : env) {
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      entry = std::move(text);
      return;
    }
  }
  env.push_back(std::move(text));
}

Result<GlobalScope> GlobalScope::make(const dockerfile::Dockerfile& file, const Strings& build_args,
                                      const image::Platform& target, std::string_view target_stage) {
  GlobalScope scope;
  for (const bool is_target : {false, true}) {
    const std::string prefix = is_target ? "TARGET" : "BUILD";
    const image::Platform platform = is_target ? target : image::host_platform();
    scope.values_[prefix + "PLATFORM"] = image::format_platform(platform);
    scope.values_[prefix + "OS"] = platform.os;
    scope.values_[prefix + "OSVERSION"] = platform.os_version;
    scope.values_[prefix + "ARCH"] = platform.architecture;
    scope.values_[prefix + "VARIANT"] = platform.variant;
  }
  scope.values_["TARGETSTAGE"] = target_stage.empty() ? "default" : std::string(target_stage);
  for (auto& [name, value] : scope.values_)
    if (const auto given = build_args.find(name); given != build_args.end()) value = given->second;

  for (const dockerfile::Instruction& instruction : file.globals) {
    for (const auto& arg : std::get<dockerfile::Arg>(instruction.what).args) {
      if (const auto given = build_args.find(arg.name); given != build_args.end()) {
        scope.values_[arg.name] = given->second;
      } else if (arg.value) {
        auto value = dockerfile::expand(*arg.value, scope.lookup(), {.escape = file.directives.escape});
        if (!value) return file.source.complain(instruction.place, arg.name, value.error().message());
        scope.values_[arg.name] = *std::move(value);
      }
    }
  }
  return scope;
}

std::optional<std::string> GlobalScope::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

dockerfile::Lookup GlobalScope::lookup() const {
  return [this](std::string_view name) { return find(name); };
}

std::vector<std::string_view> GlobalScope::names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : values_) names.emplace_back(name);
  return names;
}

std::optional<std::string> StageArgs::given(std::string_view name) const {
  const auto found = build_args_->find(name);
  return found == build_args_->end() ? std::nullopt : std::optional(found->second);
}

void StageArgs::declare(const std::string& name, std::optional<std::string> value) {
  if (const auto given = build_args_->find(name); given != build_args_->end()) value = given->second;
  if (!value) value = global_->find(name);
  const bool has_value = value.has_value();
  const auto known = std::ranges::find(declared_, name, &Declared::name);
  if (known == declared_.end()) declared_.push_back({.name = name, .value = std::move(value), .shows = has_value});
  else if (has_value) known->value = std::move(value), known->shows = true;  // a second "ARG NAME" without a value leaves the first one's
}

void StageArgs::hide(std::string_view name) {
  if (const auto found = std::ranges::find(declared_, name, &Declared::name); found != declared_.end()) found->shows = false;
}

void StageArgs::hide_all() {
  for (Declared& arg : declared_) arg.shows = false;
}

const StageArgs::Declared* StageArgs::declared(std::string_view name) const {
  const auto found = std::ranges::find(declared_, name, &Declared::name);
  return found == declared_.end() ? nullptr : &*found;
}

dockerfile::Lookup StageArgs::lookup(const std::vector<std::string>& env) const {
  return [this, &env](std::string_view name) -> std::optional<std::string> {
    const Declared* arg = declared(name);
    if (arg != nullptr && arg->value && arg->shows) return arg->value;
    if (const auto value = get_env(env, name)) return std::string(*value);
    return arg == nullptr ? std::nullopt : arg->value;
  };
}

std::vector<std::string> StageArgs::told(const std::vector<std::string>& env) const {
  const auto value = lookup(env);
  std::vector<std::string> out;
  for (const Declared& arg : declared_) out.push_back(arg.name + "=" + value(arg.name).value_or(""));
  return out;
}

std::vector<std::string> StageArgs::environment(const std::vector<std::string>& env) const {
  std::vector<std::string> out = env;
  std::vector<const Declared*> args;
  for (const Declared& arg : declared_)
    if (arg.value && (arg.shows || !get_env(env, arg.name))) args.push_back(&arg);
  std::ranges::sort(args, {}, &Declared::name);
  for (const Declared* arg : args) set_env(out, arg->name, *arg->value);
  return out;
}

std::vector<std::string> StageArgs::proxies(const std::vector<std::string>& env) const {
  std::vector<std::string> out;
  for (const auto& [upper, lower] : kProxyNames) {
    for (const std::string_view name : {upper, lower}) {
      auto value = given(name);
      if (!value) value = given(name == upper ? lower : upper);
      if (value && !get_env(env, name) && declared(name) == nullptr) out.push_back(fmt::format("{}={}", name, *value));
    }
  }
  return out;
}

}  // namespace acetate::build
