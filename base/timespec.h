// Times of files.
#pragma once

#include <ctime>

namespace acetate {

inline bool same_time(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace acetate
