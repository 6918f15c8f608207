#include "base/sys/mount.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sys {

Result<void> mount(const char* source, const char* target, const char* type, unsigned long flags,
                   const char* data) {
  return done(Call::mount, [&] { return ::mount(source, target, type, flags, data); });
}

Result<void> umount(const char* target, int flags) {
  return done(Call::umount, [&] { return ::umount2(target, flags); });
}

Result<void> pivot_root(const char* new_root, const char* put_old) {
  return done(Call::pivot_root, [&] { return ::syscall(SYS_pivot_root, new_root, put_old); });
}

Result<void> change_root(FdRef dir) {
  TRY(done(Call::fchdir, [&] { return ::fchdir(dir.fd); }));
  return done(Call::chdir, [] { return ::chroot("."); });
}

Result<void> unshare(int flags) {
  return done(Call::unshare, [&] { return ::unshare(flags); });
}

Result<void> setns(FdRef ns, int type) {
  return done(Call::setns, [&] { return ::setns(ns.fd, type); });
}

namespace {

// "\040" and its kin: space, tab, newline and backslash are written in octal.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && text.size() - i > 3) {
      unsigned value = 0;
      const auto parsed = std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8);
      if (parsed.ec == std::errc() && parsed.ptr == text.data() + i + 4 && value < 256) {
        plain += static_cast<char>(value);
        i += 3;
        continue;
      }
    }
    plain += text[i];
  }
  return plain;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const std::size_t space = std::min(line.find(' '), line.size());
    if (space > 0) out.push_back(line.substr(0, space));
    line.remove_prefix(std::min(space + 1, line.size()));
  }
  return out;
}

}  // namespace

namespace {

// "98:0"
dev_t device_number(std::string_view text) {
  unsigned high = 0;
  unsigned low = 0;
  const std::size_t colon = std::min(text.find(':'), text.size());
  std::from_chars(text.data(), text.data() + colon, high);
  if (colon < text.size()) std::from_chars(text.data() + colon + 1, text.data() + text.size(), low);
  return makedev(high, low);
}

}  // namespace

std::vector<MountInfo> parse_mountinfo(std::string_view text) {
  std::vector<MountInfo> all;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto fields = words(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    // 36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/root rw
    std::size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") ++dash;
    if (dash + 2 >= fields.size()) continue;
    MountInfo info;
    std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), info.id);
    info.device = device_number(fields[2]);
    info.root = unescape(fields[3]);
    info.mount_point = unescape(fields[4]);
    info.options = fields[5];
    info.type = fields[dash + 1];
    info.source = unescape(fields[dash + 2]);
    all.push_back(std::move(info));
  }
  return all;
}

Result<std::vector<MountInfo>> mounts() {
  return parse_mountinfo(TRY(read_file("/proc/self/mountinfo", 64 << 20)));
}

}  // namespace acetate::sys
