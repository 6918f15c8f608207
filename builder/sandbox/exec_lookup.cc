#include "builder/sandbox/exec_lookup.h"

#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/read_ahead.h"
#include "builder/sandbox/exec_format.h"
#include "builder/sandbox/in_root.h"

namespace acetate::sandbox {

namespace {

// Whether something is mounted at or above a path of the container, or in /dev, /proc, /sys.
bool is_mounted_over(const RelPath& path, const Spec& spec) {
  auto covers = [&](std::string_view target) {
    const auto point = RelPath::parse_clamped(target);
    return point && point->contains(path);
  };
  for (const char* fixed : {"dev", "proc", "sys"})
    if (covers(fixed)) return true;
  for (const MountPoint& mount : spec.mounts)
    if (covers(mount.target)) return true;
  return false;
}

// Programs are mapped, and read in the order their pages are touched: a score of small requests, each of which the first process
// waits for. Asked for now they come in a few large ones while the container is made.
void read_ahead(FdRef file) {
  constexpr std::uint64_t kMost = 8 << 20;  // of a larger program that much is touched when it starts, if not more
  if (const auto st = sys::stat(file)) sys::read_ahead(file, std::min(static_cast<std::uint64_t>(st->st_size), kMost));
}

// glibc lies beside its loader, and whoever has the one wants the other.
void read_ahead_loader(FdRef root, const RelPath& path) {
  constexpr int kWithoutWaiting = O_RDONLY | O_NONBLOCK;  // it may be a fifo
  if (const auto file = sys::open_beneath(root, path, kWithoutWaiting)) read_ahead(file->ref());
  if (!path.name().starts_with("ld-linux")) return;
  const auto libc = resolve_in_root(root, path.parent().child("libc.so.6").str());
  if (!libc || libc->missing > 0) return;
  if (const auto file = sys::open_beneath(root, libc->path, kWithoutWaiting)) read_ahead(file->ref());
}

// What the kernel will make of the file's beginning. Anything that cannot be read is left to it.
Executable look_inside(FdRef root, const RelPath& path, const Spec& spec) {
  const auto file = sys::open_beneath(root, path, O_RDONLY);
  if (!file) return Executable::yes;
  const auto format = read_exec_format(file->ref());
  if (!format) return Executable::yes;
  if (!format->known) return Executable::odd_format;
  read_ahead(file->ref());
  if (format->interpreter.empty()) return Executable::yes;
  const std::string& name = format->interpreter;
  const auto found = resolve_in_root(root, name.starts_with('/') ? name : spec.cwd + "/" + name);
  if (!found) return Executable::no_interpreter;
  if (is_mounted_over(found->path, spec)) return Executable::unknown;
  if (found->missing > 0) return Executable::no_interpreter;
  read_ahead_loader(root, found->path);
  return Executable::yes;
}

Executable look_at(FdRef root, const std::string& path, const Spec& spec) {
  const auto found = resolve_in_root(root, path);
  if (!found) return found.error().is(EACCES) ? Executable::no_permission : Executable::not_found;
  if (is_mounted_over(found->path, spec)) return Executable::unknown;
  if (found->missing > 0) return Executable::not_found;
  const auto st = stat_in_root(root, found->path);
  if (!st) return Executable::not_found;
  // Who may execute depends on user and group; that nobody may does not.
  if (!S_ISREG(st->st_mode) || (st->st_mode & 0111) == 0) return Executable::no_permission;
  return look_inside(root, found->path, spec);
}

std::string path_of(const Spec& spec) {
  for (const std::string& entry : spec.env)
    if (entry.starts_with("PATH=")) return entry.substr(5);
  return kDefaultPath;
}

}  // namespace

std::vector<std::string> command_candidates(const Spec& spec) {
  const std::string& name = spec.argv.at(0);
  if (name.find('/') != std::string::npos) return {name};
  const std::string path = path_of(spec);
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t colon = std::min(path.find(':', at), path.size());
    all.push_back((colon == at ? "." : path.substr(at, colon - at)) + "/" + name);
    at = colon + 1;
  }
  return all;
}

Executable look_up_executable(FdRef root, const Spec& spec) {
  if (spec.argv.at(0).empty()) return Executable::not_found;
  Executable best = Executable::not_found;
  for (const std::string& path : command_candidates(spec)) {
    const Executable here = look_at(root, path.starts_with('/') ? path : spec.cwd + "/" + path, spec);
    if (here == Executable::yes || here == Executable::no_interpreter || here == Executable::odd_format) return here;
    // Below a mount it may be; elsewhere a file that is in the way is remembered, as execvp(3) remembers EACCES.
    if (here == Executable::unknown || best == Executable::not_found) best = here;
  }
  return best;
}

}  // namespace acetate::sandbox
