#include "fs/fuse/read_buffer.h"

#include <algorithm>
#include <memory>

namespace acetate::fs {

std::span<std::byte> read_buffer(std::size_t asked) {
  const std::size_t size = std::min<std::size_t>(asked, 1 << 20);
  thread_local std::unique_ptr<std::byte[]> buffer;
  thread_local std::size_t capacity = 0;
  if (capacity < size) {
    buffer.reset(new std::byte[size]);
    capacity = size;
  }
  return {buffer.get(), size};
}

}  // namespace acetate::fs
