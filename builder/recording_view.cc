#include "builder/recording_view.h"

#include <sys/stat.h>

#include "base/digest.h"

namespace acetate::build {

namespace {

std::string describe(const std::optional<Seen>& seen) {
  if (!seen) return "nothing";
  if (seen->attr.is_dir()) return fmt::format("a directory, {:o} {}:{}", seen->attr.mode & 07777, seen->attr.uid, seen->attr.gid);
  if (seen->attr.is_symlink()) return "a symlink to " + seen->target;
  return fmt::format("type {:o}", seen->attr.mode & S_IFMT);
}

}  // namespace

Result<std::optional<Seen>> RecordingView::at(const RelPath& path) const {
  auto seen = TRY(view_.at(path));
  seen_[path.str()] = describe(seen);
  return seen;
}

Result<std::vector<Xattr>> RecordingView::xattrs(const RelPath& path) const {
  auto xattrs = TRY(view_.xattrs(path));
  std::string text;
  for (const Xattr& xattr : xattrs) text += fmt::format(" {}={}", xattr.name, Digest::of(xattr.value).hex());
  xattrs_[path.str()] = std::move(text);
  return xattrs;
}

void RecordingView::add_to(KeyInputs& inputs) const {
  for (const auto& [path, text] : seen_) {
    const auto xattrs = xattrs_.find(path);
    inputs.add(fmt::format("below: /{}", path), text + (xattrs == xattrs_.end() ? "" : xattrs->second));
  }
}

}  // namespace acetate::build
