#include "builder/context_file.h"

#include <fcntl.h>

#include "base/sys/file.h"

namespace acetate::build {

Result<Fd> open_context_file(const std::string& dir, const RelPath& path, sys::Symlinks symlinks) {
  const Fd root = TRY_WITHIN(sys::open(dir, O_PATH | O_DIRECTORY), "opening the build context {}", dir);
  // What it is is seen before it is opened: asked of the same object, not of its name.
  const Fd found = TRY(sys::open_beneath(root.ref(), path, O_PATH | (symlinks == sys::Symlinks::refuse ? O_NOFOLLOW : 0), 0, symlinks));
  const auto stat = TRY(sys::stat(found.ref()));
  if (S_ISLNK(stat.st_mode)) return Error(ELOOP);
  if (!S_ISREG(stat.st_mode)) return fail(EINVAL, "/{} of the build context is no regular file", path.str());
  return sys::reopen(found.ref(), O_RDONLY);
}

Result<std::optional<std::string>> read_context_file(const std::string& dir, const RelPath& path, std::size_t limit) {
  using Answer = std::optional<std::string>;
  auto file = open_context_file(dir, path, sys::Symlinks::in_root);
  if (!file && (file.error().is(ENOENT) || file.error().is(ENOTDIR))) return Answer();
  if (!file) return std::move(file).error().within(fmt::format("reading {}/{}", dir, path.str()));
  return Answer(TRY_WITHIN(sys::read_all(file->ref(), limit), "reading {}/{}", dir, path.str()));
}

}  // namespace acetate::build
