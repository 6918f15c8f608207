#include "layers/stream/fetcher_program.h"

#include <fcntl.h>

#include <cstdlib>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/self.h"

namespace acetate {

namespace {

bool is_program(const std::string& path) {
  const auto st = sys::stat_following(path);
  return st && S_ISREG(st->st_mode) && (st->st_mode & 0111) != 0;
}

}  // namespace

Result<std::string> find_fetcher() {
  if (const char* named = std::getenv("ACETATE_FETCHER"); named != nullptr && *named != '\0') {
    if (!is_program(named)) return fail(ENOENT, "ACETATE_FETCHER={} is not a program", named);
    return std::string(named);
  }
  // In a build tree: from cli/, from fs/fuse/ and from fs/fuse/layer_store/.
  auto found = sys::find_helper("acetate-fetcher", {"/../layers/registry/fetcher/acetate-fetcher", "/../../layers/registry/fetcher/acetate-fetcher",
                                                    "/../../../layers/registry/fetcher/acetate-fetcher"});
  if (!found) return fail(ENOENT, "{} (ACETATE_FETCHER names one)", found.error().message());
  return found;
}

Result<void> start_fetcher(const std::string& dir) {
  const std::string program = TRY(find_fetcher());
  const Fd null = TRY(sys::open("/dev/null", O_RDWR));
  // It goes to the background once it listens, and what is wrong before that it says on a pipe.
  sys::Pipe err = TRY(sys::make_pipe());
  auto child = TRY(sys::spawn({.argv = {program, dir},
                               .cwd = "/",
                               .fds = {{null.ref(), 0}, {null.ref(), 1}, {err.write.ref(), 2}},
                               .new_session = true}));
  err.write.reset();
  auto said = sys::read_all(err.read.ref(), 16 << 10);
  const auto exit = TRY_WITHIN(child.wait(), "starting {}", program);
  if (exit.ok()) return {};
  while (said && said->ends_with('\n')) said->pop_back();
  return fail(EIO, "{}", said && !said->empty() ? *said : fmt::format("{} {}", program, exit.describe()));
}

}  // namespace acetate
