// Memory for what is read to be answered with.
#pragma once

#include <cstddef>
#include <span>

namespace acetate::fs {

// One buffer a thread, as large as the largest that was asked of it, at most a MiB: the kernel asks for no more. Good until the same thread
// asks again.
std::span<std::byte> read_buffer(std::size_t asked);

}  // namespace acetate::fs
