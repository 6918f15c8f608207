#include "base/sys/memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/sys/call.h"

namespace acetate::sys {

Mapping::~Mapping() {
  if (at_ != nullptr) ::munmap(at_, size_);
}

Result<Mapping> map_file(FdRef fd, std::size_t size) {
  void* at = nullptr;
  TRY(done(Call::mmap, [&] {
    at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.fd, 0);
    return at == MAP_FAILED ? -1 : 0;
  }));
  return Mapping(Adopt{}, at, size);
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
