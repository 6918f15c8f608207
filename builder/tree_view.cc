#include "builder/tree_view.h"

#include <sys/stat.h>

#include <deque>

#include "layers/stack.h"

namespace acetate::build {

namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    at = slash + 1;
  }
  return parts;
}

}  // namespace

Result<std::optional<Seen>> LayerView::at(const RelPath& path) const {
  auto entry = walk(layer_, path);
  if (!entry) {
    if (entry.error().is(ENOENT) || entry.error().is(ENOTDIR)) return std::optional<Seen>();
    return std::move(entry).error().within("/" + path.str());
  }
  const HeldNode held(layer_, entry->node);
  Seen seen{entry->attr};
  if (seen.attr.is_symlink()) seen.target = TRY(layer_.readlink(entry->node));
  return std::optional<Seen>(std::move(seen));
}

Result<std::vector<Xattr>> LayerView::xattrs(const RelPath& path) const {
  const Entry entry = TRY(walk(layer_, path));
  const HeldNode held(layer_, entry.node);
  return layer_.xattrs(entry.node);
}

Result<std::optional<Seen>> DirectoriesOnly::at(const RelPath& path) const {
  auto seen = TRY(below_.at(path));
  if (seen && !seen->attr.is_dir()) seen.reset();
  return seen;
}

Result<Resolved> resolve(const TreeView& view, std::string_view path, LastLink last) {
  constexpr int kMostLinks = 40;  // as the kernel's MAXSYMLINKS
  if (path.find('\0') != std::string_view::npos) return fail(EINVAL, "a path holds a NUL byte");
  std::deque<std::string> todo;
  for (std::string& part : split(path)) todo.push_back(std::move(part));
  const std::optional<Seen> top = TRY(view.at(RelPath()));
  Resolved at{RelPath(), top};
  int links = 0;
  while (!todo.empty()) {
    const std::string part = std::move(todo.front());
    todo.pop_front();
    if (part == "..") {
      at.path = at.path.parent();
      at.seen = TRY(view.at(at.path));
      continue;
    }
    if (at.seen && !at.seen->attr.is_dir()) return fail(ENOTDIR, "/{} is no directory", at.path.str());
    const RelPath next = at.path.child(part);
    std::optional<Seen> seen = at.seen ? TRY(view.at(next)) : std::optional<Seen>();
    if (seen && seen->attr.is_symlink() && (!todo.empty() || last == LastLink::follow)) {
      if (++links > kMostLinks) return fail(ELOOP, "/{}: too many levels of symbolic links", next.str());
      const std::vector<std::string> target = split(seen->target);
      todo.insert(todo.begin(), target.begin(), target.end());
      if (seen->target.starts_with('/')) at = {RelPath(), top};
      continue;
    }
    at = {next, std::move(seen)};
  }
  return at;
}

Result<std::optional<std::string>> read_file_in(const Layer& layer, std::string_view path, std::size_t limit) {
  const Resolved found = TRY(resolve(LayerView(layer), path, LastLink::follow));
  if (!found.seen || !found.seen->attr.is_regular()) return std::optional<std::string>();
  const Entry entry = TRY(walk(layer, found.path));
  const HeldNode held(layer, entry.node);
  const auto view = TRY(layer.open(entry.node));
  std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(view->size(), limit)), '\0');
  const std::size_t got = TRY(view->pread(std::as_writable_bytes(std::span(text)), 0));
  text.resize(got);
  return std::optional<std::string>(std::move(text));
}

}  // namespace acetate::build
