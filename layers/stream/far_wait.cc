#include "layers/stream/far_wait.h"

#include <algorithm>

namespace acetate {

namespace {

// Never equal to what it was before, however short the wait.
constexpr FarWait::Clock::duration kShortest{1};

thread_local FarWait::Clock::duration waited{};
thread_local FarWait::Clock::time_point ended{};

}  // namespace

FarWait::Clock::duration FarWait::so_far() noexcept { return waited; }
FarWait::Clock::time_point FarWait::last_end() noexcept { return ended; }

void FarWait::until(Clock::time_point begin, Clock::time_point end) noexcept {
  if (end < begin) return;
  waited += std::max(end - begin, kShortest);
  ended = std::max(ended, end);
}

}  // namespace acetate
