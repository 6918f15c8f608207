#include "cli/run_process.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "base/sys/file.h"
#include "builder/sandbox/exec_lookup.h"
#include "builder/sandbox/surroundings.h"
#include "cli/run_network.h"
#include "cli/run_rights.h"

namespace acetate::cli {

namespace {

std::string name_of(const std::string& entry) { return entry.substr(0, entry.find('=')); }

void put(std::vector<std::string>& env, const std::string& entry) {
  const std::string prefix = name_of(entry) + "=";
  const auto there = std::ranges::find_if(env, [&](const std::string& one) { return one.starts_with(prefix); });
  if (there == env.end())
    env.push_back(entry);
  else
    *there = entry;
}

void put_default(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  const std::string prefix = name + "=";
  if (std::ranges::none_of(env, [&](const std::string& one) { return one.starts_with(prefix); }))
    env.push_back(prefix + value);
}

// -e's and a line of --env-file's: NAME=VALUE, or NAME for ours.
Result<void> add(std::vector<std::string>& env, const std::string& entry, const std::string& from, const OurEnvironment& ours) {
  if (entry.empty() || entry.front() == '=') return fail(EINVAL, "{} '{}' has no name (NAME=VALUE, or NAME)", from, entry);
  if (entry.find('=') != std::string::npos)
    put(env, entry);
  else if (const auto value = ours.get(entry))
    put(env, entry + "=" + *value);
  return {};
}

Result<void> add_file(std::vector<std::string>& env, const std::string& path, const OurEnvironment& ours) {
  const std::string text = TRY_WITHIN(sys::read_file(path, 16 << 20), "--env-file {}", path);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && line.front() != '#') TRY(add(env, line, "--env-file " + path + ":", ours));
  }
  return {};
}

Result<std::vector<std::string>> environment(const image::Config& config, const RunOptions& options,
                                             const std::string& hostname, const OurEnvironment& ours) {
  std::vector<std::string> env;
  if (options.env_host || options.hpc)
    for (const std::string& entry : ours.all()) put(env, entry);
  for (const std::string& entry : config.env)
    if (entry.find('=') != std::string::npos) put(env, entry);
  // Ours names places that are ours.
  if (options.hpc && std::ranges::none_of(config.env, [](const auto& entry) { return entry.starts_with("PATH="); }))
    put(env, fmt::format("PATH={}", sandbox::kDefaultPath));
  for (const std::string& file : options.env_files) TRY(add_file(env, file, ours));
  for (const std::string& entry : options.env) TRY(add(env, entry, "-e", ours));
  put_default(env, "PATH", sandbox::kDefaultPath);
  if (options.terminal) put_default(env, "TERM", ours.get("TERM").value_or("xterm"));
  put_default(env, "HOSTNAME", hostname);
  return env;
}

// One word, or a JSON list as in a Dockerfile.
Result<std::vector<std::string>> parse_entrypoint(const std::string& text) {
  if (text.empty()) return std::vector<std::string>();
  if (!text.starts_with('[')) return std::vector<std::string>{text};
  const auto list = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> words;
  if (list.is_array())
    for (const auto& word : list)
      if (word.is_string()) words.push_back(word.get<std::string>());
  if (!list.is_array() || words.size() != list.size())
    return fail(EINVAL, "--entrypoint '{}' is neither a command nor a JSON list of strings", text);
  return words;
}

Result<std::vector<std::string>> arguments(const image::Config& config, const RunOptions& options,
                                           const std::vector<std::string>& command) {
  std::vector<std::string> argv =
      options.entrypoint ? TRY(parse_entrypoint(*options.entrypoint)) : config.entrypoint;
  // The image's command is written for the image's entrypoint.
  const bool own_command = command.empty() && !options.entrypoint;
  const auto& rest = own_command ? config.cmd : command;
  argv.insert(argv.end(), rest.begin(), rest.end());
  if (argv.empty()) return fail(EINVAL, "the image names no command to run, so one has to be given");
  return argv;
}

std::string random_hostname() {
  std::random_device random;
  return fmt::format("{:08x}{:04x}", random(), random() & 0xffff);
}

}  // namespace

Result<RunWords> split_run_words(std::vector<std::string> words,
                                 const std::function<bool(const std::string&)>& exists) {
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  if (words.empty() || words.front().empty()) return fail(EINVAL, "no image to run");
  if (words.front().starts_with('-')) return fail(EINVAL, "there is no option {}", words.front());
  const auto mark = std::ranges::find(words, "--");
  const bool closes = mark != words.end() && (mark == words.begin() + 1 || std::all_of(words.begin(), mark, exists));
  const auto end = closes ? mark : words.begin() + 1;
  return RunWords{{words.begin(), end}, {closes ? mark + 1 : end, words.end()}};
}

Result<sandbox::Spec> describe_process(const image::Config& config, const RunOptions& options,
                                       const std::vector<std::string>& command, const OurEnvironment& ours) {
  sandbox::Spec spec;
  spec.argv = TRY(arguments(config, options, command));
  TRY(describe_network(options, spec));
  spec.hostname_asked = !options.hostname.empty();
  // In our network it is this machine that others see, as podman and docker have it.
  spec.hostname = spec.hostname_asked ? options.hostname : spec.network == sandbox::Network::host ? sandbox::our_hostname() : random_hostname();
  spec.env = TRY(environment(config, options, spec.hostname, ours));
  if (!options.workdir.empty() && !options.workdir.starts_with('/'))
    return fail(EINVAL, "the working directory '{}' is not an absolute path", options.workdir);
  spec.cwd = options.workdir.empty() ? config.working_dir : options.workdir;
  if (!spec.cwd.starts_with('/')) spec.cwd = "/" + spec.cwd;
  TRY(describe_rights(options, spec));
  const std::string& stop = options.stop_signal.empty() ? config.stop_signal : options.stop_signal;
  if (!stop.empty()) spec.stop_signal = TRY(parse_signal(stop));
  spec.time_limit = options.timeout;
  spec.init = options.init;
  spec.read_only = options.read_only;
  spec.terminal = options.terminal;
  if (!options.pid.empty() && options.pid != "host" && options.pid != "private")
    return fail(EINVAL, "--pid wants host or private, not \"{}\"", options.pid);
  spec.own_pids = options.pid != "host";
  spec.own_ipc = options.ipc != "host";
  for (const std::string& label : options.labels) {
    const std::size_t equals = label.find('=');
    if (equals == 0) return fail(EINVAL, "--label wants NAME=VALUE, not \"{}\"", label);
    spec.annotations.emplace_back(label.substr(0, equals), equals == std::string::npos ? "" : label.substr(equals + 1));
  }
  return spec;
}

void set_user(sandbox::Spec& spec, const sandbox::User& user) {
  spec.uid = user.uid;
  spec.gid = user.gid;
  spec.groups = user.groups;
  put_default(spec.env, "HOME", user.home);
}

}  // namespace acetate::cli
