#include "base/sys/memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "base/sys/call.h"

namespace acetate::sys {

namespace detail {

struct GuardedRange {
  std::atomic<std::byte*> begin = nullptr;
  std::atomic<std::size_t> size = 0;
  std::atomic<bool> failed = false;
  std::atomic<bool> taken = false;
};

}  // namespace detail

namespace {

using detail::GuardedRange;

std::atomic<std::size_t> page_bytes = 4096;

// A fixed table, because a signal handler reads it. A mapping that finds it full is not guarded.
std::array<GuardedRange, 4096> ranges;

// In the thread that touched the byte, while it touches it: only what is safe in a signal handler.
void show_zeroes(int, siginfo_t* info, void*) {
  auto* at = static_cast<std::byte*>(info->si_addr);
  for (GuardedRange& range : ranges) {
    std::byte* begin = range.begin.load();
    if (begin == nullptr || at < begin || at >= begin + range.size.load()) continue;
    range.failed = true;  // before the zeroes can be seen
    const int before = errno;
    const std::size_t size = page_bytes;
    std::byte* page = begin + static_cast<std::size_t>(at - begin) / size * size;
    if (::mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
    errno = before;
    return;
  }
  // None of ours: the fault happens again, and ends the process as it would have.
  ::signal(SIGBUS, SIG_DFL);
}

void install_handler() {
  page_bytes = page_size();
  struct sigaction action{};
  action.sa_sigaction = show_zeroes;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigaction(SIGBUS, &action, nullptr);
}

GuardedRange* guard(void* at, std::size_t size) {
  static const bool installed = [] {
    install_handler();
    return true;
  }();
  (void)installed;
  for (GuardedRange& range : ranges) {
    if (range.taken.exchange(true)) continue;
    range.failed = false;
    range.size = size;
    range.begin = static_cast<std::byte*>(at);
    return &range;
  }
  return nullptr;
}

}  // namespace

Mapping::~Mapping() {
  if (guard_ != nullptr) {
    guard_->begin = nullptr;
    guard_->taken = false;
  }
  if (at_ != nullptr) ::munmap(at_, size_);
}

bool Mapping::failed() const noexcept {
  return guard_ != nullptr && guard_->failed.load(std::memory_order_acquire);
}

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

Result<Mapping> map_file(FdRef fd, std::size_t size, std::uint64_t offset) {
  void* at = nullptr;
  TRY(done(Call::mmap, [&] {
    at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.fd, static_cast<off_t>(offset));
    return at == MAP_FAILED ? -1 : 0;
  }));
  return Mapping(Adopt{}, at, size, guard(at, size));
}

Result<Fd> memory_file(const char* name) {
  return Fd(Adopt{},
            TRY(checked(Call::memfd_create, [&] { return ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); })));
}

Result<void> seal(FdRef fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  return done(Call::fcntl, [&] { return ::fcntl(fd.fd, F_ADD_SEALS, kSeals); });
}

}  // namespace acetate::sys
