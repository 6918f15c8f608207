#include "cli/run_rights.h"

#include <linux/capability.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <sstream>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/surroundings.h"
#include "cli/human.h"
#include "cli/parse_number.h"
#include "cli/run_devices.h"
#include "cli/run_limits.h"

namespace acetate::cli {

namespace {

std::string upper_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

struct LimitName {
  const char* name;
  int number;
};
constexpr LimitName kLimits[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},     {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},     {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},       {"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

// What the kernel lets nobody go beyond.
std::uint64_t most_there_is(int limit) {
  if (limit != RLIMIT_NOFILE) return RLIM_INFINITY;
  const auto text = sys::read_file("/proc/sys/fs/nr_open", 64);
  std::uint64_t most = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), most);
  return most;
}

Result<void> add_security(const std::string& text, sandbox::Confinement& into) {
  const std::size_t mark = std::min(text.find_first_of("=:"), text.size());
  const std::string key = text.substr(0, mark), value = text.substr(std::min(mark + 1, text.size()));
  if (key == "no-new-privileges") {
    into.no_new_privileges = value != "false";
  } else if (key == "seccomp") {
    into.filter_calls = value != "unconfined";
    const bool ours = value == "builtin" || value == "default";
    if (into.filter_calls && !ours) into.profile = TRY_WITHIN(sys::read_file(value, 4 << 20), "--security-opt seccomp: {}", value);
  } else if (key == "mask" || key == "unmask") {
    for (std::size_t at = 0; at < value.size();) {
      const std::size_t end = std::min(value.find(':', at), value.size());
      const std::string path = value.substr(at, end - at);
      if (key == "unmask" && path == "ALL") into.default_masks = false;
      else (key == "mask" ? into.masked : into.unmasked).push_back(path);
      at = end + 1;
    }
  } else if (key == "systempaths" && value == "unconfined") {
    into.default_masks = false;
  } else if (key == "proc-opts") {
    std::istringstream options(value);
    for (std::string option; std::getline(options, option, ',');) into.proc_options.push_back(option);
  } else if (key == "writable-cgroups") {
    if (value != "false") return fail(ENOTSUP, "--security-opt {} is not to be had: a container sees its own cgroup read-only; -v /sys/fs/cgroup:/sys/fs/cgroup shows ours", text);
  } else if (key == "label" || key == "apparmor") {
    log::info("--security-opt {}: labels and AppArmor profiles are left as they are", text);
  } else {
    return fail(EINVAL, "there is no --security-opt {} (no-new-privileges, seccomp=, mask=, unmask=, systempaths=unconfined, proc-opts=)", text);
  }
  return {};
}

// Less than ours is for real root with CAP_SYS_RESOURCE to give.
std::optional<int> keep_oom_score(std::optional<int> wanted) {
  const auto text = sys::read_file("/proc/self/oom_score_adj", 64);
  int ours = 0;
  if (!wanted || !text || std::from_chars(text->data(), text->data() + text->size(), ours).ec != std::errc() || *wanted >= ours || may_raise_limits()) return wanted;
  log::warn("--oom-score-adj {}: it stays at ours, {}, which is not for us to lower", *wanted, ours);
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> change_capabilities(std::vector<std::string> list, const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop) {
  const auto& all = sandbox::all_capabilities();
  auto full_name = [&](const std::string& typed) -> Result<std::string> {
    std::string name = upper_case(typed);
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

bool may_raise_limits() {
  const auto root = sandbox::is_real_root();
  if (!root || !*root) return false;
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct ours[2] = {};
  return ::syscall(SYS_capget, &header, ours) == 0 && (ours[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective & CAP_TO_MASK(CAP_SYS_RESOURCE)) != 0;
}

Result<sandbox::Limit> parse_ulimit(const std::string& text, bool may_raise) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string name = text.substr(0, equals);
  const auto known = std::ranges::find_if(kLimits, [&](const LimitName& limit) { return name == limit.name; });
  if (known == std::end(kLimits)) return fail(EINVAL, "--ulimit {}: there is no limit \"{}\"", text, name);
  const std::string values = text.substr(std::min(equals + 1, text.size()));
  const std::size_t colon = values.find(':');
  rlimit ours{};
  ::getrlimit(static_cast<__rlimit_resource>(known->number), &ours);
  auto value = [&](const std::string& word) -> Result<std::uint64_t> {
    if (word == "-1" || word == "unlimited") return std::uint64_t{RLIM_INFINITY};
    if (word == "host") return std::uint64_t{ours.rlim_max};
    return parse_number<std::uint64_t>(word, "--ulimit " + name);
  };
  sandbox::Limit limit{.name = "RLIMIT_" + upper_case(name)};
  limit.soft = TRY(value(values.substr(0, colon)));
  limit.hard = colon == std::string::npos ? limit.soft : TRY(value(values.substr(colon + 1)));
  if (limit.soft > limit.hard) return fail(EINVAL, "--ulimit {}: the soft limit is above the hard one", text);
  const std::uint64_t most = may_raise ? std::max<std::uint64_t>(ours.rlim_max, most_there_is(known->number)) : ours.rlim_max;
  if (limit.hard > most) {
    log::warn("--ulimit {}: it stays at {}, which is {}", text, most, may_raise ? "the most that the kernel gives (fs.nr_open)" : "our own limit and not for us to raise");
    limit.hard = most;
    limit.soft = std::min(limit.soft, limit.hard);
  }
  return limit;
}

Result<int> parse_signal(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number > 0 && number < NSIG) return number;
  std::string name = upper_case(text);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int each = 1; each < NSIG; ++each)
    if (const char* known = ::sigabbrev_np(each); known != nullptr && name == known) return each;
  return fail(EINVAL, "there is no signal \"{}\"", text);
}

Result<void> describe_rights(const RunOptions& options, sandbox::Spec& spec) {
  const auto& base = options.privileged ? sandbox::all_capabilities() : sandbox::run_capabilities();
  spec.capabilities = TRY(change_capabilities(base, options.cap_add, options.cap_drop));
  if (options.privileged) {
    spec.confinement.filter_calls = false;
    spec.confinement.default_masks = false;
    spec.confinement.unmasked.emplace_back("/sys");
  }
  for (const std::string& text : options.security) TRY(add_security(text, spec.confinement));
  for (const std::string& text : options.ulimits)
    if (text != "host") spec.limits.push_back(TRY(parse_ulimit(text)));  // podman's word for ours, which it has anyway
  for (const std::string& text : options.device_rules) spec.device_rules.push_back(TRY(parse_device_rule(text)));
  spec.oom_score = keep_oom_score(options.oom_score);
  TRY(describe_limits(options, spec));
  if (!options.shm_size.empty()) spec.shm_size = TRY(parse_memory(options.shm_size, "--shm-size"));
  return {};
}

}  // namespace acetate::cli
