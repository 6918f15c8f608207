// The instructions that change nothing but the image's configuration.

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

#include "builder/dockerfile/json_array.h"
#include "builder/stage_planner.h"

namespace acetate::build {

namespace {

std::optional<unsigned> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > 65535) return std::nullopt;
  return port;
}

struct PortRange {
  unsigned first, last;
};
std::optional<PortRange> parse_port_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
}

bool is_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  in6_addr parsed{};
  const std::string address(text);
  return ::inet_pton(AF_INET, address.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

// "80", "80/udp", "8000-8010/tcp", "127.0.0.1:80:8080/tcp" as the ports of the container; where a host would publish them must only make sense.
// EINVAL in docker's words.
Result<std::vector<std::string>> parse_ports(std::string_view text) {
  const std::string_view written = text;
  std::string_view address, host;
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    const std::string_view before = text.substr(0, colon);
    text.remove_prefix(colon + 1);
    const std::size_t second = before.rfind(':');
    host = before.substr(second + 1);  // of npos: all of it
    if (second != std::string_view::npos) address = before.substr(0, second);
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string protocol(text.substr(std::min(slash + 1, text.size())));
  text = text.substr(0, slash);
  std::transform(protocol.begin(), protocol.end(), protocol.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (protocol.empty()) protocol = "tcp";
  if (text.empty()) return fail(EINVAL, "invalid port: \"{}\": no port specified", written);
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return fail(EINVAL, "invalid port: \"{}\": invalid proto: {}", written, protocol);
  if (!address.empty() && !is_address(address)) return fail(EINVAL, "invalid IP address: {}", address);
  const auto range = parse_port_range(text);
  if (!range) return fail(EINVAL, "invalid containerPort: {}: EXPOSE wants 80, 80/udp or 8000-8010/tcp", text);
  if (!host.empty()) {
    const auto there = parse_port_range(host);
    if (!there) return fail(EINVAL, "invalid hostPort: {}", host);
    if (range->first != range->last && range->last - range->first != there->last - there->first)
      return fail(EINVAL, "invalid ranges specified for container and host Ports: {} and {}", text, host);
  }
  std::vector<std::string> ports;
  for (unsigned port = range->first; port <= range->last; ++port) ports.push_back(fmt::format("{}/{}", port, protocol));
  return ports;
}

bool is_signal(std::string_view text) {
  if (const auto number = parse_port(text)) return *number >= 1 && *number <= 64;
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name.starts_with("SIG")) name.erase(0, 3);
  static constexpr std::string_view kNames[] = {
      "ABRT", "ALRM", "BUS",  "CHLD", "CLD",  "CONT", "FPE",  "HUP",  "ILL",  "INT",    "IO",   "IOT",
      "KILL", "PIPE", "POLL", "PROF", "PWR",  "QUIT", "SEGV", "STOP", "STKFLT", "SYS",  "TERM", "TRAP",
      "TSTP", "TTIN", "TTOU", "URG",  "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ"};
  return name.starts_with("RTM") || std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

void add_sorted(std::vector<std::string>& into, const std::string& text) {
  const auto at = std::lower_bound(into.begin(), into.end(), text);
  if (at == into.end() || *at != text) into.insert(at, text);
}

}  // namespace

Result<void> StagePlanner::plan(const dockerfile::Arg& arg) {
  std::string text = "ARG";
  for (const auto& one : arg.args) {
    std::optional<std::string> value;
    // A default that is not taken may ask for what is not there.
    if (one.value && args_.given(one.name)) value = args_.given(one.name);
    else if (one.value) value = TRY(expand(*one.value));
    args_.declare(one.name, value);
    text += " " + one.name + (value ? "=" + *value : "");
  }
  add(ConfigStep{}, std::move(text));
  return {};
}

// All values of one ENV see the environment as it was before it.
Result<void> StagePlanner::plan(const dockerfile::Env& env) {
  std::vector<std::string> after = config_.env, hidden;
  std::string text = "ENV";
  for (const auto& [name, value] : env.values) {
    const std::string key = TRY(expand(name));
    const std::string expanded = TRY(expand(value));
    if (key.empty()) return complain(name, "ENV names can not be blank");
    set_env(after, key, expanded);
    hidden.push_back(key);
    text += fmt::format(" {}={}", key, expanded);
  }
  config_.env = std::move(after);
  for (const std::string& key : hidden) args_.hide(key);
  add(ConfigStep{}, std::move(text));
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Label& label) {
  std::string text = "LABEL";
  for (const auto& [name, value] : label.values) {
    const std::string key = TRY(expand(name));
    config_.labels[key] = TRY(expand(value));
    text += fmt::format(" {}={}", key, config_.labels[key]);
  }
  add(ConfigStep{}, std::move(text));
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::User& user) {
  config_.user = TRY(expand(user.user));
  add(ConfigStep{}, "USER " + config_.user);
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Expose& expose) {
  std::string text = "EXPOSE";
  for (const std::string& written : expose.ports) {
    auto words = dockerfile::expand_words(written, args_.lookup(config_.env), {.escape = escape_});
    if (!words) return complain(written, words.error().message());
    for (const std::string& word : *words) {
      const auto ports = parse_ports(word);
      if (!ports) return complain(written, ports.error().message());
      for (const std::string& port : *ports) add_sorted(config_.exposed_ports, port);
      text += " " + word;
    }
  }
  add(ConfigStep{}, std::move(text));
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Volume& volume) {
  std::vector<std::string> paths;
  for (const std::string& written : volume.paths) {
    paths.push_back(TRY(expand(written)));
    if (paths.back().empty()) return complain(written, "VOLUME specified can not be an empty string");
    add_sorted(config_.volumes, paths.back());
  }
  add(ConfigStep{}, "VOLUME " + dockerfile::format_json_array(paths));
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Cmd& cmd) {
  config_.cmd = argv_of(cmd.command);
  cmd_set_ = true;
  add(ConfigStep{}, "CMD " + dockerfile::format_json_array(config_.cmd));
  return {};
}

// A CMD of the base image was written for the base image's entry point, so it goes.
Result<void> StagePlanner::plan(const dockerfile::Entrypoint& entrypoint) {
  config_.entrypoint = argv_of(entrypoint.command);
  if (!cmd_set_) config_.cmd.clear();
  add(ConfigStep{}, "ENTRYPOINT " + dockerfile::format_json_array(config_.entrypoint));
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Shell& shell) {
  config_.shell = shell.words;
  add(ConfigStep{}, "SHELL " + dockerfile::format_json_array(config_.shell));
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::StopSignal& signal) {
  const std::string text = TRY(expand(signal.signal));
  if (!is_signal(text)) return complain(signal.signal, fmt::format("Invalid signal: {}: STOPSIGNAL wants SIGTERM or 15", text));
  config_.stop_signal = text;
  add(ConfigStep{}, "STOPSIGNAL " + text);
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Maintainer& maintainer) {
  config_.author = maintainer.author;
  add(ConfigStep{}, "MAINTAINER " + maintainer.author);
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Healthcheck& check) {
  nlohmann::json json;
  std::vector<std::string> test = {"NONE"};
  if (!check.none) {
    test = {check.command.shell ? "CMD-SHELL" : "CMD"};
    test.insert(test.end(), check.command.words.begin(), check.command.words.end());
  }
  json["Test"] = test;
  const auto put = [&](const char* key, std::chrono::nanoseconds value) {
    if (value.count() != 0) json[key] = value.count();
  };
  put("Interval", check.interval);
  put("Timeout", check.timeout);
  put("StartPeriod", check.start_period);
  put("StartInterval", check.start_interval);
  if (check.retries != 0) json["Retries"] = check.retries;
  config_.healthcheck = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  add(ConfigStep{}, "HEALTHCHECK " + config_.healthcheck);
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Onbuild& trigger) {
  config_.onbuild.push_back(trigger.trigger);
  add(ConfigStep{}, "ONBUILD " + trigger.trigger);
  return {};
}

}  // namespace acetate::build
