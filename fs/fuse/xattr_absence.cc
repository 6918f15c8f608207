#include "fs/fuse/xattr_absence.h"

#include <algorithm>
#include <exception>

namespace acetate::fs {

void XattrAbsence::asked_in_vain() noexcept {
  if (state_.load(std::memory_order_relaxed) != State::searching) return;
  const std::uint64_t looks = questions_.fetch_add(1, std::memory_order_relaxed) / kQuestionsForOne;
  if (looks == 0 || is_looking_.test_and_set(std::memory_order_acquire)) return;
  auto answer = XattrSearch::Answer::some;
  try {
    answer = search_->go_on(std::min(looks, kMostAtOnce));
  } catch (const std::exception&) {
    // Whoever asked has his answer, so nobody is there to be told of a want of memory: it stays unknown.
  }
  is_looking_.clear(std::memory_order_release);
  if (answer == XattrSearch::Answer::not_yet) return;
  auto searching = State::searching;
  state_.compare_exchange_strong(searching, answer == XattrSearch::Answer::none ? State::none : State::given_up);
}

bool XattrAbsence::tell() noexcept {
  auto now = state_.load(std::memory_order_acquire);
  if (now == State::none) state_.compare_exchange_strong(now, State::told);
  return state_.load(std::memory_order_acquire) == State::told;
}

bool XattrAbsence::settle() noexcept {
  auto now = state_.load(std::memory_order_acquire);
  while (now != State::told && !state_.compare_exchange_weak(now, State::given_up)) {
  }
  return now == State::told;
}

}  // namespace acetate::fs
