#include "base/sys/call.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/number.h"

namespace acetate::sys {

namespace detail {
std::atomic<Hook*> hook{nullptr};
}

namespace {

constexpr std::array kNames = {
#define ACETATE_SYS_NAME(name) std::string_view(#name),
    ACETATE_SYS_CALLS(ACETATE_SYS_NAME)
#undef ACETATE_SYS_NAME
};

constexpr int kKill = -1;

struct Rule {
  Call call = Call::count_;
  std::uint64_t nth = 0;  // 0: every one
  int code = 0;           // an errno, or kKill
};

class FaultHook final : public Hook {
 public:
  explicit FaultHook(std::vector<Rule> rules) : rules_(std::move(rules)) {}
  int before(Call call) noexcept override {
    const std::uint64_t nth = seen_[static_cast<std::size_t>(call)].fetch_add(1) + 1;
    for (const Rule& rule : rules_) {
      if (rule.call != call || (rule.nth != 0 && rule.nth != nth)) continue;
      if (rule.code == kKill) ::kill(::getpid(), SIGKILL);
      return rule.code;
    }
    return 0;
  }

 private:
  std::vector<Rule> rules_;
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Call::count_)> seen_{};
};

Result<int> errno_named(std::string_view name) {
  if (name == "kill") return kKill;
  // glibc knows its errno names (strerrorname_np, 2.32); asking it for each spares a table of our own.
  for (int code = 1; code < 134; ++code) {
    const char* known = ::strerrorname_np(code);
    if (known != nullptr && name == known) return code;
  }
  return fail(EINVAL, "ACETATE_FAULT: '{}' is neither an errno's name nor 'kill'", name);
}

Result<Rule> parse_rule(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return fail(EINVAL, "ACETATE_FAULT: '{}' has no '=' (CALL[#N]=ERRNO)", text);
  std::string_view call = text.substr(0, equals);
  Rule rule;
  rule.code = TRY(errno_named(text.substr(equals + 1)));
  if (const std::size_t hash = call.find('#'); hash != std::string_view::npos) {
    const std::string_view number = call.substr(hash + 1);
    rule.nth = number_of<decltype(rule.nth)>(number).value_or(0);
    if (rule.nth == 0) return fail(EINVAL, "ACETATE_FAULT: '{}' is not a count", number);
    call = call.substr(0, hash);
  }
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == call) rule.call = static_cast<Call>(i);
  if (rule.call == Call::count_) return fail(EINVAL, "ACETATE_FAULT: '{}' is not a call we make", call);
  return rule;
}

}  // namespace

std::string_view name_of(Call call) noexcept { return kNames[static_cast<std::size_t>(call)]; }

Hook* install(Hook* hook) noexcept { return detail::hook.exchange(hook, std::memory_order_acq_rel); }

Result<void> install_faults_from_environment() {
  const char* text = ::getenv("ACETATE_FAULT");
  if (text == nullptr || *text == '\0') return {};
  std::vector<Rule> rules;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    rules.push_back(TRY(parse_rule(rest.substr(0, comma))));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  // Lives as long as the process: other threads may be inside a call at exit.
  static FaultHook* installed = nullptr;
  installed = new FaultHook(std::move(rules));
  install(installed);
  return {};
}

}  // namespace acetate::sys
