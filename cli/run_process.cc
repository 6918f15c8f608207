#include "cli/run_process.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <utility>

#include "base/sys/file.h"
#include "builder/dockerfile/words.h"
#include "builder/sandbox/exec_lookup.h"
#include "builder/sandbox/surroundings.h"
#include "builder/sandbox/sysctls.h"
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

// The lines of an option's file that say something.
Result<std::vector<std::string>> read_lines(const char* option, const std::string& path) {
  std::istringstream text(TRY_WITHIN(sys::read_file(path, 16 << 20), "{} {}", option, path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && line.front() != '#') lines.push_back(std::move(line));
  }
  return lines;
}

Result<void> add_file(std::vector<std::string>& env, const std::string& path, const OurEnvironment& ours) {
  for (const std::string& line : TRY(read_lines("--env-file", path))) TRY(add(env, line, "--env-file " + path + ":", ours));
  return {};
}

// What the image sets, as far as it is wanted.
Result<std::vector<std::string>> image_environment(const image::Config& config, const RunOptions& options) {
  std::vector<std::string> env;
  if (options.unset_env_all) return env;
  for (const std::string& entry : config.env)
    if (entry.find('=') != std::string::npos) put(env, entry);
  for (const std::string& name : options.unset_env) std::erase_if(env, [&](const std::string& entry) { return name_of(entry) == name; });
  const std::vector<std::string> of_image = env;
  const auto look_up = [&](std::string_view name) -> std::optional<std::string> {
    for (const std::string& entry : of_image)
      if (name_of(entry) == name) return entry.substr(name.size() + 1);
    return std::nullopt;
  };
  for (const std::string& text : options.env_merge) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) return fail(EINVAL, "--env-merge {}: should be NAME=VALUE", text);
    put(env, text.substr(0, equals + 1) + TRY_WITHIN(dockerfile::expand(text.substr(equals + 1), look_up, {.raw_quotes = true}), "--env-merge {}", text));
  }
  return env;
}

// Either way of writing them, as podman passes them on.
void add_proxies(std::vector<std::string>& env, const OurEnvironment& ours) {
  for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"})
    if (const auto value = ours.get(name); value && !value->empty()) put(env, fmt::format("{}={}", name, *value));
}

Result<std::vector<std::string>> environment(const image::Config& config, const RunOptions& options,
                                             const std::string& hostname, const OurEnvironment& ours) {
  std::vector<std::string> env;
  if (options.env_host || options.hpc)
    for (const std::string& entry : ours.all()) put(env, entry);
  const auto of_image = TRY(image_environment(config, options));
  for (const std::string& entry : of_image) put(env, entry);
  // Ours names places that are ours.
  if (options.hpc && std::ranges::none_of(of_image, [](const auto& entry) { return entry.starts_with("PATH="); }))
    put(env, fmt::format("PATH={}", sandbox::kDefaultPath));
  if (options.http_proxy) add_proxies(env, ours);
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

// A setting of a namespace that is the container's own, and of no other.
Result<sandbox::Sysctl> parse_sysctl(const std::string& text, const sandbox::Spec& spec) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || text.find('/') < equals) return fail(EINVAL, "--sysctl {}: should be NAME=VALUE (net.ipv4.ip_forward=1)", text);
  const std::string name = text.substr(0, equals);
  const auto kind = sandbox::kind_of(name);
  if (!kind) return fail(EINVAL, "--sysctl {}: {} is all of the machine's; a container's own are net.*, kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.*", text, name);
  if (kind == sandbox::SysctlKind::network && spec.network == sandbox::Network::host)
    return fail(EINVAL, "--sysctl {}: the network is the machine's, as it is unless --network says otherwise (none, pasta, slirp4netns)", text);
  if (kind == sandbox::SysctlKind::ipc && !spec.own_ipc) return fail(EINVAL, "--sysctl {}: with --ipc host shared memory and queues are the machine's", text);
  return sandbox::Sysctl(name, text.substr(equals + 1));
}

// Whose names, processes, memory and cgroups it sees.
Result<void> describe_namespaces(const RunOptions& options, sandbox::Spec& spec) {
  if (!options.pid.empty() && options.pid != "host" && options.pid != "private")
    return fail(EINVAL, "--pid wants host or private, not \"{}\"", options.pid);
  spec.own_pids = options.pid != "host";
  spec.own_ipc = options.ipc != "host";
  spec.makes_shm = options.ipc != "none";
  spec.own_cgroups = options.cgroupns != "host";
  spec.own_uts = options.uts != "host";
  if (!spec.own_uts && (spec.hostname_asked || !options.domainname.empty())) return fail(EINVAL, "with --uts host its names are the machine's: --hostname and --domainname cannot give others");
  if (!spec.own_uts) spec.hostname = sandbox::our_hostname();
  spec.domainname = options.domainname;
  for (const std::string& text : options.sysctls) spec.sysctls.push_back(TRY(parse_sysctl(text, spec)));
  return {};
}

Result<unsigned> parse_umask(const std::string& text) {
  unsigned mask = 022;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mask, 8);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size() || mask > 0777)) return fail(EINVAL, "--umask {}: should be octal digits (0022)", text);
  return mask;
}

// NAME=VALUE, or NAME for an empty one.
Result<std::pair<std::string, std::string>> parse_label(const std::string& text, const char* option) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || text.empty()) return fail(EINVAL, "{} wants NAME=VALUE, not \"{}\"", option, text);
  return std::pair{text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
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
  TRY(describe_namespaces(options, spec));
  spec.env = TRY(environment(config, options, spec.hostname, ours));
  if (!options.workdir.empty() && !options.workdir.starts_with('/'))
    return fail(EINVAL, "the working directory '{}' is not an absolute path", options.workdir);
  spec.cwd = options.workdir.empty() ? config.working_dir : options.workdir;
  if (!spec.cwd.starts_with('/')) spec.cwd = "/" + spec.cwd;
  TRY(describe_rights(options, spec));
  const std::string& stop = options.stop_signal.empty() ? config.stop_signal : options.stop_signal;
  if (!stop.empty()) spec.stop_signal = TRY(parse_signal(stop));
  spec.time_limit = options.timeout;
  constexpr int kNever = 1 << 30;
  if (options.stop_timeout) spec.stop_grace = *options.stop_timeout < 0 ? kNever : *options.stop_timeout;
  spec.umask = TRY(parse_umask(options.umask));
  spec.init = options.init;
  spec.read_only = options.read_only;
  spec.terminal = options.terminal;
  spec.annotations = TRY(parse_labels(options));
  for (const std::string& text : options.annotations) spec.annotations.push_back(TRY(parse_label(text, "--annotation")));
  return spec;
}

Result<void> read_label_files(RunOptions& options) {
  std::vector<std::string> labels;
  for (const std::string& path : std::exchange(options.label_files, {})) {
    for (std::string& line : TRY(read_lines("--label-file", path))) {
      TRY(parse_label(line, "--label-file"));
      labels.push_back(std::move(line));
    }
  }
  options.labels.insert(options.labels.begin(), labels.begin(), labels.end());
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> parse_labels(const RunOptions& options) {
  std::vector<std::pair<std::string, std::string>> labels;
  for (const std::string& text : options.labels) labels.push_back(TRY(parse_label(text, "--label")));
  return labels;
}

Result<std::string> whole_platform(const RunOptions& options) {
  if (options.os.empty() && options.arch.empty() && options.variant.empty()) return options.platform;
  if (!options.platform.empty()) return fail(EINVAL, "--platform says what --os, --arch and --variant say, too: it or they");
  const image::Platform ours = image::host_platform();
  const std::string arch = options.arch.empty() ? ours.architecture : options.arch;
  const std::string variant = !options.variant.empty() ? options.variant : options.arch.empty() ? ours.variant : "";
  return fmt::format("{}/{}{}{}", options.os.empty() ? ours.os : options.os, arch, variant.empty() ? "" : "/", variant);
}

void set_user(sandbox::Spec& spec, const sandbox::User& user) {
  spec.uid = user.uid;
  spec.gid = user.gid;
  spec.groups = user.groups;
  put_default(spec.env, "HOME", user.home);
}

}  // namespace acetate::cli
