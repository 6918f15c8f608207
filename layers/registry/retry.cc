#include "layers/registry/retry.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <thread>

#include "base/number.h"
#include "layers/registry/curl.h"

namespace acetate::registry {

bool Retries::again(std::optional<std::chrono::milliseconds> asked_for) {
  if (made_ >= policy_.attempts) return false;
  auto pause = policy_.first_pause * (1 << std::min(made_ - 1, 20));
  pause = std::min<std::chrono::milliseconds>(pause, policy_.longest_pause);
  static thread_local std::minstd_rand chance{std::random_device{}()};
  pause -= std::chrono::milliseconds(std::uniform_int_distribution<long>(0, pause.count() / 4)(chance));
  if (asked_for) pause = std::min(*asked_for, policy_.longest_pause);
  ++made_;
  if (policy_.sleep)
    policy_.sleep(pause);
  else
    std::this_thread::sleep_for(pause);
  return true;
}

bool is_local(const Error& error) {
  constexpr int kLocal[] = {ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE, ENOMEM};
  return std::ranges::find(kLocal, error.code()) != std::end(kLocal);
}

bool is_transient_status(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

std::optional<std::chrono::milliseconds> retry_after(const Headers& headers, std::time_t now) {
  const std::string* text = headers.find("Retry-After");
  if (text == nullptr) return std::nullopt;
  if (const auto seconds = number_of<unsigned>(*text)) return std::chrono::seconds(*seconds);
  const std::time_t date = load_curl() ? curl().getdate(text->c_str(), nullptr) : -1;
  if (date < 0) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(date - now, 0));
}

}  // namespace acetate::registry
