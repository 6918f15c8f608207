#include "base/sys/dir.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "base/sys/call.h"

namespace acetate::sys {

namespace {

struct Dirent64 {  // struct linux_dirent64 of getdents64(2)
  std::uint64_t ino;
  std::int64_t next;
  unsigned short length;
  unsigned char type;
  char name[1];
};

constexpr std::size_t kBuffer = 64 * 1024;

}  // namespace

Result<void> read_dir(FdRef dir, const std::function<bool(const DirEntry&)>& each) {
  TRY(done(Call::lseek, [&] { return ::lseek(dir.fd, 0, SEEK_SET); }));
  return read_fresh_dir(dir, each);
}

Result<void> read_fresh_dir(FdRef dir, const std::function<bool(const DirEntry&)>& each) {
  const std::unique_ptr<char[]> buffer(new char[kBuffer]);
  for (;;) {
    const auto count = TRY(checked(Call::getdents, [&] {
      return ::syscall(SYS_getdents64, dir.fd, buffer.get(), kBuffer);
    }));
    if (count == 0) return {};
    for (long at = 0; at < count;) {
      const char* raw = buffer.get() + at;
      Dirent64 head;
      std::memcpy(&head, raw, offsetof(Dirent64, name));
      const std::string_view name(raw + offsetof(Dirent64, name));
      at += head.length;
      if (name == "." || name == "..") continue;
      if (!each(DirEntry{.name = name, .type = head.type, .ino = head.ino})) return {};
    }
  }
}

}  // namespace acetate::sys
