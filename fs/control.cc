#include "fs/control.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>

#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "base/sys/userns.h"

namespace acetate::fs {

namespace {

constexpr std::size_t kMostAnswer = 4U << 20;

// Ours as those outside of our user namespace see it: a namespace's root must not take root's directory.
uid_t outer_uid() {
  const uid_t own = ::geteuid();
  const auto map = sys::current_uid_map();
  if (!map) return own;
  for (const auto& range : *map)
    if (own >= range.inside && own - range.inside < range.count) return range.outside + (own - range.inside);
  return own;
}

std::string control_dir() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') return std::string(runtime) + "/acetate";
  return fmt::format("/tmp/acetate-{}", outer_uid());
}

}  // namespace

Result<Fd> open_control_dir() {
  const std::string path = control_dir();
  const FileAt at{kWorkingDir, path.c_str()};
  if (auto made = sys::mkdir(at, 0700); !made && !made.error().is(EEXIST))
    return std::move(made).error().within("making the directory " + path);
  Fd dir = TRY_WITHIN(sys::open(at, O_PATH | O_DIRECTORY | O_NOFOLLOW), "opening {}", path);
  const struct stat st = TRY(sys::stat(dir.ref()));
  if (st.st_uid != ::geteuid() || (st.st_mode & 0077) != 0)
    return fail(EPERM, "{} must be yours and have the mode 0700", path);
  return dir;
}

std::string control_socket_name(dev_t device) { return fmt::format("overlay-{}-{}.sock", major(device), minor(device)); }

Result<std::string> ask_daemon(const std::string& directory, std::string_view request) {
  const struct stat st = TRY_WITHIN(sys::stat_following(directory), "{}", directory);
  const Fd dir = TRY(open_control_dir());
  auto connected = sys::connect_unix(dir.ref(), control_socket_name(st.st_dev), sys::SocketKind::stream);
  if (!connected && (connected.error().is(ENOENT) || connected.error().is(ECONNREFUSED)))
    return fail(ENOENT, "{}: no fuse-overlay of yours serves it (XDG_RUNTIME_DIR must be what it was when it was mounted)",
                directory);
  const Fd socket = TRY_WITHIN(std::move(connected), "asking the daemon of {}", directory);
  // A daemon that refuses us hangs up without reading: the answer that does not come says so.
  if (sys::send_full(socket.ref(), std::string(request) + "\n")) (void)sys::end_of_request(socket.ref());
  std::string answer = TRY_WITHIN(sys::read_all(socket.ref(), kMostAnswer), "waiting for the daemon of {}", directory);
  constexpr std::string_view kOk = "ok\n";
  constexpr std::string_view kError = "error ";
  if (answer.starts_with(kOk)) return answer.substr(kOk.size());
  if (answer.starts_with(kError)) {
    while (answer.ends_with('\n')) answer.pop_back();
    return fail(EIO, "{}", answer.substr(kError.size()));
  }
  return fail(EIO, "the daemon of {} ended before it answered", directory);
}

}  // namespace acetate::fs
