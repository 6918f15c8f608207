#include "builder/sandbox/seccomp_program.h"

#include <fcntl.h>
#include <seccomp.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/mutex.h"
#include "base/sys/file.h"
#include "base/sys/memory.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;
using Filter = std::unique_ptr<void, decltype(&::seccomp_release)>;

// libseccomp answers with a negative errno.
Result<void> checked(int answer) { return answer >= 0 ? Result<void>() : Result<void>(Error(-answer)); }

Result<std::uint32_t> action(const Json& rule, const char* key, const char* code_key) {
  const std::string name = rule.value(key, "");
  const unsigned code = rule.value(code_key, static_cast<unsigned>(EPERM));
  // A call that is said to have succeeded is an error of 0.
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(code);
  if (name == "SCMP_ACT_ALLOW") return std::uint32_t{SCMP_ACT_ALLOW};
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return std::uint32_t{SCMP_ACT_KILL_THREAD};
  if (name == "SCMP_ACT_KILL_PROCESS") return std::uint32_t{SCMP_ACT_KILL_PROCESS};
  if (name == "SCMP_ACT_LOG") return std::uint32_t{SCMP_ACT_LOG};
  if (name == "SCMP_ACT_NOTIFY") return std::uint32_t{SCMP_ACT_NOTIFY};
  if (name == "SCMP_ACT_TRAP") return std::uint32_t{SCMP_ACT_TRAP};
  return fail(EINVAL, "the system call filter has an action \"{}\", which is not supported", name);
}

Result<scmp_arg_cmp> comparison(const Json& argument) {
  static const std::pair<const char*, scmp_compare> kOperators[] = {
      {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  const std::string name = argument.value("op", "");
  for (const auto& [known, op] : kOperators)
    if (name == known)
      return scmp_arg_cmp{argument.value("index", 0U), op, argument.value("value", std::uint64_t{0}),
                          argument.value("valueTwo", std::uint64_t{0})};
  return fail(EINVAL, "the system call filter compares by \"{}\", which is not supported", name);
}

Result<void> add_rule(void* filter, const Json& rule, std::uint32_t unlisted) {
  const std::uint32_t what = TRY(action(rule, "action", "errnoRet"));
  if (what == unlisted) return {};  // libseccomp refuses a rule that changes nothing
  std::vector<scmp_arg_cmp> arguments;
  if (rule.contains("args"))
    for (const Json& argument : rule["args"]) arguments.push_back(TRY(comparison(argument)));
  for (const Json& name : rule["names"]) {
    const int call = ::seccomp_syscall_resolve_name(name.get<std::string>().c_str());
    if (call == __NR_SCMP_ERROR) continue;
    const auto added = checked(::seccomp_rule_add_array(filter, what, call, static_cast<unsigned>(arguments.size()), arguments.data()));
    if (!added) return added.error().clone().within(fmt::format("the rule for {}", name.get<std::string>()));
  }
  return {};
}

// "SCMP_ARCH_X86_64" -> the name libseccomp resolves: "x86_64"
std::string architecture(const std::string& name) {
  std::string plain = name.substr(std::min(name.size(), std::string_view("SCMP_ARCH_").size()));
  for (char& c : plain) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return plain;
}

Result<std::string> compile(const Json& description) {
  const std::uint32_t unlisted = TRY(action(description, "defaultAction", "defaultErrnoRet"));
  const Filter filter(::seccomp_init(unlisted), &::seccomp_release);
  if (!filter) return fail(EINVAL, "libseccomp makes no filter");
  // Whether it may be installed is decided by whoever installs it.
  TRY(checked(::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0)));
  if (description.contains("architectures"))
    for (const Json& each : description["architectures"]) {
      const std::uint32_t token = ::seccomp_arch_resolve_name(architecture(each).c_str());
      if (token == 0) continue;
      const int added = ::seccomp_arch_add(filter.get(), token);
      if (added != -EEXIST) TRY_WITHIN(checked(added), "the architecture {}", each.get<std::string>());
    }
  for (const Json& rule : description["syscalls"]) TRY(add_rule(filter.get(), rule, unlisted));
  const Fd file = TRY(sys::memory_file("seccomp"));
  TRY_WITHIN(checked(::seccomp_export_bpf(filter.get(), file.ref().fd)), "compiling the system call filter");
  return sys::read_file(sys::ProcFdPath(file.ref()).c_str(), 1 << 20);
}

struct Compiled {
  Json description;
  std::string program;
};

}  // namespace

Result<std::string> seccomp_program(const nlohmann::ordered_json& asked) {
  static Mutex mutex;
  static std::optional<Compiled> last;
  Json description = asked;
  description.erase("listenerPath");
  const std::lock_guard lock(mutex);
  if (!last || last->description != description) {
    std::string program = TRY(compile(description));
    last = Compiled{std::move(description), std::move(program)};
  }
  return last->program;
}

}  // namespace acetate::sandbox
