#include "cli/run_process.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <random>

#include "builder/sandbox/exec_lookup.h"

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

Result<std::vector<std::string>> environment(const image::Config& config, const RunOptions& options,
                                             const std::string& hostname, const Getenv& getenv) {
  std::vector<std::string> env;
  for (const std::string& entry : config.env)
    if (entry.find('=') != std::string::npos) put(env, entry);
  for (const std::string& entry : options.env) {
    if (entry.empty() || entry.front() == '=') return fail(EINVAL, "-e '{}' has no name (NAME=VALUE, or NAME)", entry);
    if (entry.find('=') != std::string::npos)
      put(env, entry);
    else if (const auto ours = getenv(entry))
      put(env, entry + "=" + *ours);
  }
  put_default(env, "PATH", sandbox::kDefaultPath);
  if (options.terminal) put_default(env, "TERM", getenv("TERM").value_or("xterm"));
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

Result<sandbox::Network> network(const std::string& name) {
  if (name == "host") return sandbox::Network::host;
  if (name == "none") return sandbox::Network::none;
  if (name == "pasta") return sandbox::Network::pasta;
  if (name == "slirp4netns") return sandbox::Network::slirp4netns;
  return fail(EINVAL, "there is no network \"{}\": host, none, pasta or slirp4netns", name);
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

Result<sandbox::MountPoint> parse_volume(const std::string& text, const std::string& working_dir) {
  const std::size_t first = text.find(':');
  if (first == std::string::npos || first == 0)
    return fail(EINVAL, "-v '{}' should be SOURCE:TARGET or SOURCE:TARGET:ro", text);
  const std::size_t second = std::min(text.find(':', first + 1), text.size());
  sandbox::MountPoint mount{.source = text.substr(0, first), .target = text.substr(first + 1, second - first - 1)};
  if (mount.source.starts_with('.'))
    mount.source = working_dir + "/" + mount.source;
  else if (!mount.source.starts_with('/'))
    return fail(EINVAL, "-v '{}': there are no named volumes; a directory here is written ./{}", text, mount.source);
  if (!mount.target.starts_with('/')) return fail(EINVAL, "-v '{}': the target is not an absolute path", text);
  std::string_view options = std::string_view(text).substr(std::min(second + 1, text.size()));
  while (!options.empty()) {
    const std::size_t comma = std::min(options.find(','), options.size());
    const std::string_view option = options.substr(0, comma);
    options.remove_prefix(std::min(comma + 1, options.size()));
    if (option == "ro") {
      mount.writable = false;
    } else if (option != "rw" && option != "z" && option != "Z") {
      // z and Z ask for SELinux labels, which we do not touch.
      return fail(EINVAL, "-v '{}': there is no option \"{}\" (ro, rw)", text, option);
    }
  }
  return mount;
}

Result<std::vector<std::string>> change_capabilities(std::vector<std::string> list,
                                                     const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop) {
  const auto& all = sandbox::all_capabilities();
  auto full_name = [&](std::string name) -> Result<std::string> {
    const std::string typed = name;
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name == "ALL") return name;
    if (!name.starts_with("CAP_")) name = "CAP_" + name;
    if (std::ranges::find(all, name) == all.end()) return fail(EINVAL, "there is no capability \"{}\"", typed);
    return name;
  };
  // ALL first, so that what is named beside it has the last word.
  std::vector<std::string> added, dropped;
  for (const std::string& name : add) added.push_back(TRY(full_name(name)));
  for (const std::string& name : drop) dropped.push_back(TRY(full_name(name)));
  const bool drop_all = std::ranges::find(dropped, "ALL") != dropped.end();
  if (std::ranges::find(added, "ALL") != added.end())
    list = all;
  else if (drop_all)
    list.clear();
  for (const std::string& name : dropped) std::erase(list, name);
  for (const std::string& name : added)
    if (name != "ALL" && std::ranges::find(list, name) == list.end()) list.push_back(name);
  return list;
}

Result<sandbox::Spec> describe_process(const image::Config& config, const RunOptions& options,
                                       const std::vector<std::string>& command, const Getenv& getenv) {
  sandbox::Spec spec;
  spec.argv = TRY(arguments(config, options, command));
  spec.hostname = options.hostname.empty() ? random_hostname() : options.hostname;
  spec.env = TRY(environment(config, options, spec.hostname, getenv));
  if (!options.workdir.empty() && !options.workdir.starts_with('/'))
    return fail(EINVAL, "the working directory '{}' is not an absolute path", options.workdir);
  spec.cwd = options.workdir.empty() ? config.working_dir : options.workdir;
  if (!spec.cwd.starts_with('/')) spec.cwd = "/" + spec.cwd;
  for (const std::string& volume : options.volumes)
    spec.mounts.push_back(TRY(parse_volume(volume, getenv("PWD").value_or("/"))));
  spec.network = TRY(network(options.network));
  spec.read_only = options.read_only;
  if (options.read_only)
    for (const char* scratch : {"/run", "/tmp", "/var/tmp"})
      if (std::ranges::none_of(spec.mounts, [&](const auto& mount) { return mount.target == scratch; }))
        spec.mounts.push_back({.kind = sandbox::MountPoint::Kind::tmpfs, .source = {}, .target = scratch});
  spec.init = options.init;
  spec.terminal = options.terminal;
  spec.capabilities = TRY(change_capabilities(sandbox::run_capabilities(), options.cap_add, options.cap_drop));
  return spec;
}

void set_user(sandbox::Spec& spec, const sandbox::User& user) {
  spec.uid = user.uid;
  spec.gid = user.gid;
  spec.groups = user.groups;
  put_default(spec.env, "HOME", user.home);
}

}  // namespace acetate::cli
