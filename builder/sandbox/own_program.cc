#include "builder/sandbox/own_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>

#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/same_file.h"
#include "builder/sandbox/exec_format.h"
#include "builder/sandbox/in_root.h"

namespace acetate::sandbox {

namespace {

// Says nothing of what was looked at.
bool is_want(const Error& error) { return error.is(EMFILE) || error.is(ENFILE) || error.is(ENOMEM); }

std::string current_dir() {
  char path[PATH_MAX];
  return ::getcwd(path, sizeof path) != nullptr ? path : "/";
}

Result<bool> is_where_it_shows(FdRef root, const std::string& path, FdRef file) {
  const auto found = resolve_in_root(root, path.starts_with('/') ? path : current_dir() + "/" + path);
  if (!found && is_want(found.error())) return found.error().clone();
  if (!found || found->missing > 0) return false;
  const auto shown = stat_in_root(root, found->path);
  if (!shown && is_want(shown.error())) return shown.error().clone();
  const auto real = sys::stat(file);
  return shown && real && sys::is_same_file(*shown, *real);
}

}  // namespace

Result<bool> leads_to_us(std::string path) {
  constexpr int kMostInterpreters = 8;  // the kernel goes on to the fifth
  const Fd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  for (int n = 0; n < kMostInterpreters; ++n) {
    const auto file = sys::open(path, O_PATH);
    if (!file) {
      if (is_want(file.error())) return file.error().clone();
      return false;
    }
    if (!TRY(is_where_it_shows(root.ref(), path, file->ref()))) return true;
    const auto readable = sys::reopen(file->ref(), O_RDONLY | O_NONBLOCK);
    if (!readable) {
      if (is_want(readable.error())) return readable.error().clone();
      return false;
    }
    const auto format = read_exec_format(readable->ref());
    if (!format || format->interpreter.empty()) return false;
    path = format->interpreter;
  }
  return true;
}

}  // namespace acetate::sandbox
