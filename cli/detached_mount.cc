#include "cli/detached_mount.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "base/sys/process.h"

namespace acetate::cli {

namespace {

constexpr std::size_t kMostWords = 64 << 10;

std::string without_final_newlines(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<void> mount_detached(const fs::MountRequest& request, FdRef record) {
  const std::string program = request.program.empty() ? TRY(fs::find_daemon()) : request.program;
  // A file and not a pipe: the daemon may keep its stderr, and nobody should wait for the end of that.
  const Fd words = TRY_WITHIN(sys::memory_file("daemon-stderr"), "making a file in memory");
  const Fd null = TRY(sys::open("/dev/null", O_RDWR));
  auto daemon = TRY(sys::spawn({.argv = {program, "-o", fs::option_line(request), request.target},
                                .fds = {{null.ref(), 0}, {null.ref(), 1}, {words.ref(), 2}, {record, 3}},
                                .new_session = true}));
  const auto exit = TRY_WITHIN(daemon.wait(), "waiting for {}", program);
  const auto said =
      without_final_newlines(TRY(sys::read_file(sys::ProcFdPath(words.ref()).c_str(), kMostWords)));
  if (exit.ok()) return {};
  if (!said.empty()) return fail(EIO, "{}", said);
  return fail(EIO, "{} {} without a word", program, exit.describe());
}

}  // namespace acetate::cli
