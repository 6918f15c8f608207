#include "cli/detached_mount.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "base/sys/process.h"

namespace acetate::cli {

namespace {

constexpr std::size_t kMostWords = 64 << 10;

// One element of an option's value: ':' ends an element, ',' an option.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::vector<std::string> command_line(const std::string& program, const fs::MountRequest& request) {
  std::string options = "lowerdir=";
  for (std::size_t i = 0; i < request.lowers.size(); ++i)
    options += (i == 0 ? "" : ":") + escaped(request.lowers[i]);
  if (request.upper) options += ",upperdir=" + escaped(*request.upper);
  if (request.work) options += ",workdir=" + escaped(*request.work);
  for (const auto& option : request.options) options += "," + option;
  return {program, "-o", std::move(options), request.target};
}

std::string without_final_newlines(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<void> mount_detached(const fs::MountRequest& request) {
  const std::string program = request.program.empty() ? TRY(fs::find_daemon()) : request.program;
  // A file and not a pipe: the daemon may keep its stderr, and nobody should wait for the end of that.
  const Fd words = TRY_WITHIN(sys::memory_file("daemon-stderr"), "making a file in memory");
  const Fd null = TRY(sys::open("/dev/null", O_RDWR));
  auto daemon = TRY(sys::spawn({.argv = command_line(program, request),
                                .fds = {{null.ref(), 0}, {null.ref(), 1}, {words.ref(), 2}},
                                .new_session = true}));
  const auto exit = TRY_WITHIN(daemon.wait(), "waiting for {}", program);
  const auto said =
      without_final_newlines(TRY(sys::read_file(sys::ProcFdPath(words.ref()).c_str(), kMostWords)));
  if (exit.ok()) return {};
  if (!said.empty()) return fail(EIO, "{}", said);
  return fail(EIO, "{} {} without a word", program, exit.describe());
}

}  // namespace acetate::cli
