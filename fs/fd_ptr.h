// FdPtr: a descriptor that several own, counted; the last one closes it. One word, where a std::shared_ptr has two: an overlay holds one for every
// inode the kernel knows.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/fd.h"

namespace acetate::fs {

// Null, or what was given to share(). Copies may be used and dropped by different threads.
class FdPtr {
 public:
  FdPtr() noexcept = default;
  FdPtr(std::nullptr_t) noexcept {}
  static FdPtr share(Fd fd) { return FdPtr(new Shared{.fd = std::move(fd)}); }
  FdPtr(const FdPtr& other) noexcept : shared_(other.shared_) {
    if (shared_ != nullptr) shared_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  FdPtr(FdPtr&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  FdPtr& operator=(FdPtr other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~FdPtr() {
    if (shared_ != nullptr && shared_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared_;
  }

  explicit operator bool() const noexcept { return shared_ != nullptr; }
  const Fd* operator->() const noexcept { return &shared_->fd; }

 private:
  struct Shared {
    Fd fd;
    std::atomic<std::uint32_t> owners{1};
  };
  explicit FdPtr(Shared* adopted) noexcept : shared_(adopted) {}

  Shared* shared_ = nullptr;
};

}  // namespace acetate::fs
