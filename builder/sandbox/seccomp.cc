#include "builder/sandbox/seccomp.h"

#include <linux/sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "builder/sandbox/owner_recorder.h"
#include "builder/sandbox/seccomp_profile.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;
using Names = std::vector<std::string>;

struct Refused {
  const char* unless;  // a capability; null: always refused
  Names names;
};

const std::vector<Refused>& refused() {
  static const std::vector<Refused> table{
      {nullptr,
       {"_sysctl", "add_key", "get_kernel_syms", "io_uring_enter", "io_uring_register", "io_uring_setup", "keyctl",
        "nfsservctl", "query_module", "request_key", "swapoff", "swapon", "sysfs", "uselib", "userfaultfd", "ustat",
        "vm86", "vm86old"}},
      {"CAP_SYS_ADMIN",
       {"fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr",
        "move_mount", "open_tree", "pivot_root", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns",
        "umount", "umount2", "unshare"}},
      {"CAP_BPF", {"bpf"}},
      {"CAP_DAC_READ_SEARCH", {"open_by_handle_at"}},
      {"CAP_PERFMON", {"perf_event_open"}},
      {"CAP_SYSLOG", {"syslog"}},
      {"CAP_SYS_BOOT", {"kexec_file_load", "reboot"}},
      {"CAP_SYS_MODULE", {"create_module", "delete_module", "finit_module", "init_module"}},
      {"CAP_SYS_NICE", {"get_mempolicy", "mbind", "migrate_pages", "move_pages", "set_mempolicy"}},
      {"CAP_SYS_PACCT", {"acct"}},
      {"CAP_SYS_PTRACE", {"kcmp", "pidfd_getfd", "process_vm_readv", "process_vm_writev"}},
      {"CAP_SYS_RAWIO", {"ioperm", "iopl"}},
      {"CAP_SYS_TIME", {"clock_settime", "clock_settime64", "settimeofday", "stime"}},
      {"CAP_SYS_TTY_CONFIG", {"vhangup"}},
  };
  return table;
}

// What package managers do as root and one id cannot: answered with success and not done.
const Names& emulated() {
  static const Names names{
      "capset",      "chown",       "chown32",   "fchown",      "fchown32",    "fchownat",    "kexec_load",
      "lchown",      "lchown32",    "setfsgid",  "setfsgid32",  "setfsuid",    "setfsuid32",  "setgid",
      "setgid32",    "setgroups",   "setgroups32", "setregid",  "setregid32",  "setresgid",   "setresgid32",
      "setresuid",   "setresuid32", "setreuid",  "setreuid32",  "setuid",      "setuid32",
  };
  return names;
}

Json rule(const Names& names, unsigned code) {
  return {{"names", names}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", code}};
}

// (argument & mask) == value
Json where_masked(unsigned index, std::uint64_t mask, std::uint64_t value) {
  return Json::array({{{"index", index}, {"value", mask}, {"valueTwo", value}, {"op", "SCMP_CMP_MASKED_EQ"}}});
}

void refuse_new_namespaces(Json& rules) {
  // One rule for each flag: rules are alternatives, conditions inside one are not.
  constexpr std::uint64_t kFlags[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET};
  for (const std::uint64_t flag : kFlags) {
    Json one = rule({"clone"}, EPERM);
#ifdef __s390__
    one["args"] = where_masked(1, flag, flag);
#else
    one["args"] = where_masked(0, flag, flag);
#endif
    rules.push_back(std::move(one));
  }
  // Its flags lie in memory, where a filter cannot look; ENOSYS makes the C library use clone(2).
  rules.push_back(rule({"clone3"}, ENOSYS));
}

void refuse_socket_family(Json& rules, std::uint64_t family) {
  Json one = rule({"socket"}, EPERM);
  one["args"] = Json::array({{{"index", 0}, {"value", family}, {"op", "SCMP_CMP_EQ"}}});
  rules.push_back(std::move(one));
}

// `asks`: calls that change an owner are played by the OwnerRecorder.
void emulate_root(Json& rules, bool asks) {
  Names said = emulated();
  if (asks) {
    std::erase_if(said, [](const std::string& name) { return std::ranges::find(owner_calls(), name) != owner_calls().end(); });
    rules.push_back({{"names", owner_calls()}, {"action", "SCMP_ACT_NOTIFY"}});
  }
  rules.push_back(rule(said, 0));
  for (const mode_t type : {S_IFCHR, S_IFBLK}) {
    Json by_path = rule({"mknod"}, 0);
    by_path["args"] = where_masked(1, S_IFMT, type);
    rules.push_back(std::move(by_path));
    Json at = rule({"mknodat"}, 0);
    at["args"] = where_masked(2, S_IFMT, type);
    rules.push_back(std::move(at));
  }
}

// Somebody else's filter, with what plays root in it: a call may not be in two rules, so theirs lose those names.
Result<Json> given_filter(const Spec& spec, const std::string& profile) {
  Json filter = TRY(resolve_profile(profile, spec.capabilities));
  if (spec.ids != IdMode::single) return filter;
  Json rules = Json::array();
  emulate_root(rules, !spec.surroundings.owner_listener.empty());
  Names played = emulated();
  played.insert(played.end(), {"mknod", "mknodat"});
  for (Json rule : filter["syscalls"]) {
    Json left = Json::array();
    for (const Json& name : rule["names"])
      if (std::ranges::find(played, name.get<std::string>()) == played.end()) left.push_back(name);
    if (left.empty()) continue;
    rule["names"] = std::move(left);
    rules.push_back(std::move(rule));
  }
  rules.push_back({{"names", {"mknod", "mknodat"}}, {"action", "SCMP_ACT_ALLOW"}});
  filter["syscalls"] = std::move(rules);
  return filter;
}

// A filter says nothing of an architecture it does not name, and the kernel then kills.
Names architectures() {
#if defined(__x86_64__)
  return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#elif defined(__riscv) && __riscv_xlen == 64
  return {"SCMP_ARCH_RISCV64"};
#elif defined(__powerpc64__)
  return {"SCMP_ARCH_PPC64LE"};
#elif defined(__s390x__)
  return {"SCMP_ARCH_S390X", "SCMP_ARCH_S390"};
#else
  return {};  // the runtime adds its own
#endif
}

// What our own filter says no to.
void refuse(Json& rules, const Spec& spec) {
  auto has = [&](const char* capability) {
    return std::ranges::find(spec.capabilities, capability) != spec.capabilities.end();
  };
  for (const Refused& group : refused())
    if (group.unless == nullptr || !has(group.unless)) rules.push_back(rule(group.names, EPERM));
  if (spec.ids != IdMode::single && !has("CAP_SYS_BOOT")) rules.push_back(rule({"kexec_load"}, EPERM));
  if (!has("CAP_SYS_ADMIN")) refuse_new_namespaces(rules);
  constexpr std::uint64_t kAlg = 38, kVsock = 40;  // AF_ALG, AF_VSOCK: kernel attack surface, no use in here
  refuse_socket_family(rules, kAlg);
  refuse_socket_family(rules, kVsock);
}

}  // namespace

Result<nlohmann::ordered_json> seccomp_filter(const Spec& spec) {
  const bool single = spec.ids == IdMode::single;
  const Confinement& confinement = spec.confinement;
  if (confinement.filter_calls && confinement.profile) return given_filter(spec, *confinement.profile);
  if (!confinement.filter_calls && !single) return Json(nullptr);
  Json rules = Json::array();
  if (single) emulate_root(rules, !spec.surroundings.owner_listener.empty());
  if (confinement.filter_calls) refuse(rules, spec);
  return Json{{"defaultAction", "SCMP_ACT_ALLOW"}, {"architectures", architectures()}, {"syscalls", std::move(rules)}};
}

}  // namespace acetate::sandbox
