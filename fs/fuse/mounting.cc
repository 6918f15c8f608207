#include "fs/fuse/mounting.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "base/log.h"
#include "base/mutex.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "fs/fuse/fuse.h"

namespace acetate::fs {

namespace {

// libfuse's log function has no argument of ours.
struct Collected {
  Mutex mutex;
  bool collecting GUARDED_BY(mutex) = false;
  std::string text GUARDED_BY(mutex);
};
Collected& collected() {
  static Collected instance;
  return instance;
}

log::Level level_of(fuse_log_level level) {
  if (level <= FUSE_LOG_ERR) return log::Level::error;
  if (level == FUSE_LOG_WARNING) return log::Level::warn;
  return level == FUSE_LOG_DEBUG ? log::Level::debug : log::Level::info;
}

void take_message(fuse_log_level level, const char* format, va_list arguments) {
  std::array<char, 1024> buffer;
  const int length = std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  std::string_view text(buffer.data(), std::min(static_cast<std::size_t>(std::max(length, 0)), buffer.size() - 1));
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return;
  if (level <= FUSE_LOG_WARNING) {
    Collected& all = collected();
    Lock lock(all.mutex);
    if (all.collecting) {
      if (!all.text.empty()) all.text += "; ";
      all.text += text;
      return;
    }
  }
  if (log::enabled(level_of(level))) log::write(level_of(level), text);
}

bool wants(const std::vector<std::string>& options, std::string_view one) {
  return std::find(options.begin(), options.end(), one) != options.end();
}

// /etc/fuse.conf as fusermount3 reads it: the word alone on a line.
bool others_are_allowed() {
  const auto text = sys::read_file("/etc/fuse.conf", 1 << 20);
  if (!text) return false;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    while (line.ends_with(' ')) line.remove_suffix(1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (line == "user_allow_other") return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

Result<std::string> resolve_mountpoint(const std::string& path) {
  if (path.starts_with("/dev/fd/")) return path;  // somebody mounted for us
  auto opened = sys::open(path, O_PATH | O_DIRECTORY);
  if (!opened && opened.error().is(ENOTCONN))
    return fail(ENOTCONN, "mountpoint {}: a mount whose daemon is gone is in the way (fusermount3 -u {})", path, path);
  const Fd dir = TRY_WITHIN(std::move(opened), "mountpoint {}", path);
  const sys::ProcFdPath link(dir.ref());
  return TRY_WITHIN(sys::readlink(FileAt{kWorkingDir, link.c_str()}), "mountpoint {}", path);
}

Result<void> check_device() {
  auto opened = sys::open("/dev/fuse", O_RDWR);
  if (opened) return {};
  const int code = opened.error().code();
  if (code == ENOENT || code == ENODEV || code == ENXIO)
    return fail(code,
                "there is no /dev/fuse: load the module (modprobe fuse), or give the container --device /dev/fuse");
  if (code == EACCES || code == EPERM)
    return fail(code,
                "/dev/fuse cannot be opened ({}): its mode should be 0666 (chmod 666 /dev/fuse, or a udev rule), or you "
                "must be in its group",
                opened.error().message());
  return std::move(opened).error().within("opening /dev/fuse");
}

std::string mount_advice(const std::vector<std::string>& mount_options) {
  if (::geteuid() == 0) return {};
  if (!sys::find_program("fusermount3"))
    return ": a plain user needs fusermount3 (apt install fuse3), or a user namespace";
  for (const char* option : {"allow_other", "allow_root"})
    if (wants(mount_options, option) && !others_are_allowed())
      return fmt::format(": {} needs a line user_allow_other in /etc/fuse.conf", option);
  return {};
}

LibfuseMessages::LibfuseMessages() {
  Collected& all = collected();
  {
    Lock lock(all.mutex);
    all.collecting = true;
    all.text.clear();
  }
  fuse_set_log_func(take_message);
}

LibfuseMessages::~LibfuseMessages() {
  Collected& all = collected();
  Lock lock(all.mutex);
  all.collecting = false;
}

std::string LibfuseMessages::text() const {
  Collected& all = collected();
  Lock lock(all.mutex);
  return all.text;
}

}  // namespace acetate::fs
