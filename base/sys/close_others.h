// Letting go of descriptors that came along.
#pragma once

#include <span>

namespace acetate::sys {

// Of all from 3 on but `kept`, which are in ascending order: closes them now, or has the next exec close them. Before Linux 5.9 those below 65536 alone.
// Async-signal-safe, so also for a child between vfork(2) and exec. Descriptors that an Fd owns are closed under it: for whoever never lets one go.
void close_all_but(std::span<const int> kept) noexcept;
void close_all_on_exec_but(std::span<const int> kept) noexcept;

}  // namespace acetate::sys
