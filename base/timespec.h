// Times of files.
#pragma once

#include <ctime>

namespace acetate {

inline bool same_time(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

// Whether a file that was changed then may have been changed again after it was read, and look as it did: file systems keep times as roughly as two seconds.
inline bool is_doubtful(const timespec& changed, const timespec& read_at) noexcept { return changed.tv_sec > read_at.tv_sec - 2; }

}  // namespace acetate
