// PackedReader: packed bytes in order, through one buffer, with a look ahead and a short way back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"
#include "layers/stream/source.h"

namespace acetate {

class PackedReader {
 public:
  // Sees every byte once, in order, as it is fetched.
  using Tap = std::function<void(std::span<const std::byte>)>;

  PackedReader(SourcePtr source, std::uint64_t offset, std::size_t buffer_bytes, Tap tap = {});

  // At least `count` bytes unless the source ends before; no more than a buffer. Valid until the next call.
  Result<std::span<const std::byte>> ahead(std::size_t count = 1);
  // Forward over bytes that ahead() showed, or (negative) back by at most kBack bytes: decoders take whole
  // words and find out later that they needed less.
  void move(std::ptrdiff_t count) noexcept;
  static constexpr std::ptrdiff_t kBack = 16;
  // What lies behind `offset` is not wanted now: it is read when what lies before it was not enough. Such bytes may have to come
  // from far away.
  void read_up_to(std::uint64_t offset) noexcept { wanted_to_ = offset; }

  std::uint64_t position() const noexcept { return fetched_to_ - (end_ - begin_); }
  std::uint64_t fetched() const noexcept { return fetched_; }
  std::uint64_t source_size() const { return source_->size(); }

 private:
  Result<void> fetch(std::size_t count);

  SourcePtr source_;
  std::size_t capacity_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // the unread part of the buffer
  std::uint64_t fetched_to_;         // where in the source the buffer ends
  std::uint64_t fetched_ = 0;        // bytes read in all
  std::uint64_t wanted_to_ = 0;
  Tap tap_;
};

}  // namespace acetate
