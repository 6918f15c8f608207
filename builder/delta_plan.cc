#include "builder/delta_plan.h"

#include <sys/stat.h>

#include <climits>

namespace acetate::build {

namespace {

using Kind = DeltaOp::Kind;

// What every reader of layers would take for something else, or could not open: whatever is to stand there.
Result<void> check_name(const RelPath& path) {
  if (path.name().starts_with(".wh."))
    return fail(EINVAL, "/{} cannot be in an image: names that begin with .wh. stand for deleted files", path.str());
  if (path.name().size() > NAME_MAX)
    return fail(ENAMETOOLONG, "/{} cannot be in an image: its last name has {} bytes, and no name has more than {}", path.str(), path.name().size(), NAME_MAX);
  return {};
}

}  // namespace

Result<std::optional<Seen>> DeltaPlan::at(const RelPath& path) const {
  if (const auto planned = ops_.find(path); planned != ops_.end()) {
    const DeltaOp* op = &planned->second.op;
    if (op->kind == Kind::hardlink) op = &ops_.at(op->link_to).op;
    return std::optional<Seen>(Seen{op->attr, op->target});
  }
  // Below something that is being replaced, nothing of the tree shows any more. The nearest that is planned says it: what is above one
  // that shows, shows.
  for (RelPath up = path; !up.is_root();) {
    up = up.parent();
    const auto planned = ops_.find(up);
    if (planned == ops_.end()) continue;
    const Kind kind = planned->second.op.kind;
    if (kind != Kind::set_metadata && kind != Kind::implicit_dir) return std::optional<Seen>();
    break;
  }
  return below_.at(path);
}

Result<std::vector<Xattr>> DeltaPlan::xattrs(const RelPath& path) const {
  if (const auto planned = ops_.find(path); planned != ops_.end()) return planned->second.op.xattrs;
  return below_.xattrs(path);
}

// Directories on the way are told too, as they are: every reader of layers then agrees on what they look like. Those above one that
// is told are.
Result<void> DeltaPlan::show_parents(const RelPath& path) {
  for (RelPath up = path.parent(); !up.is_root() && !ops_.contains(up); up = up.parent()) {
    const auto seen = TRY(at(up));
    if (!seen || !seen->attr.is_dir()) return fail(ENOTDIR, "/{} is no directory", up.str());
    auto kept = TRY(xattrs(up));
    ops_.emplace(up, PlannedOp{.op = {.kind = Kind::implicit_dir, .path = up, .attr = seen->attr, .xattrs = std::move(kept)}});
  }
  return {};
}

// Other names of the file at `path` must not follow what takes its place: the first of them becomes the file.
void DeltaPlan::rehome_links(const RelPath& path) {
  const auto file = ops_.find(path);
  if (hardlinks_ == 0 || file == ops_.end() || !file->second.content) return;
  std::optional<RelPath> heir;
  for (auto& [name, planned] : ops_) {
    if (planned.op.kind != Kind::hardlink || planned.op.link_to != path) continue;
    if (heir) {
      planned.op.link_to = *heir;
      continue;
    }
    heir = name;
    const RelPath link = planned.op.path;
    planned = file->second;
    planned.op.path = link;
  }
}

void DeltaPlan::forget_below(const RelPath& path) {
  rehome_links(path);
  for (auto at = ops_.upper_bound(path); at != ops_.end();) {
    if (!at->first.str().starts_with(path.str())) break;
    if (!path.contains(at->first)) {
      ++at;
      continue;
    }
    rehome_links(at->first);
    at = ops_.erase(at);
  }
}

Result<void> DeltaPlan::make_dirs(const RelPath& path, const Attr& made) {
  // From the first that is there, downwards.
  std::vector<RelPath> missing;
  for (RelPath up = path; !up.is_root(); up = up.parent()) {
    const auto seen = TRY(at(up));
    if (seen && seen->attr.is_dir()) break;
    if (seen) return fail(ENOTDIR, "/{} is there already and is no directory", up.str());
    missing.push_back(up);
  }
  for (auto dir = missing.rbegin(); dir != missing.rend(); ++dir) {
    TRY(check_name(*dir));
    TRY(show_parents(*dir));
    ops_.insert_or_assign(*dir, PlannedOp{.op = {.kind = Kind::mkdir, .path = *dir, .attr = made}});
  }
  return {};
}

Result<void> DeltaPlan::put_dir(const RelPath& path, const Attr& attr, const std::vector<Xattr>& xattrs) {
  TRY(check_name(path));
  const auto seen = TRY(at(path));
  Kind kind = Kind::mkdir;
  if (seen && seen->attr.is_dir()) {
    const auto planned = ops_.find(path);
    if (planned == ops_.end() || planned->second.op.kind != Kind::mkdir) kind = Kind::set_metadata;
  } else if (seen) {
    forget_below(path);
  }
  if (!path.is_root()) TRY(show_parents(path));
  ops_.insert_or_assign(path, PlannedOp{.op = {.kind = kind, .path = path, .attr = attr, .xattrs = xattrs}});
  return {};
}

Result<void> DeltaPlan::put(const RelPath& path, const Attr& attr, const SourceEntry& entry) {
  TRY(check_name(path));
  TRY(show_parents(path));
  forget_below(path);
  PlannedOp planned{.op = {.kind = Kind::replace, .path = path, .attr = attr, .target = entry.target, .xattrs = entry.xattrs}};
  planned.op.attr.nlink = 1;
  if (attr.is_regular()) planned.content = entry;
  ops_.insert_or_assign(path, std::move(planned));
  return {};
}

bool DeltaPlan::is_file_of(const RelPath& path, const SourceEntry& entry) const {
  const auto planned = ops_.find(path);
  if (planned == ops_.end() || !planned->second.content) return false;
  const SourceEntry& there = *planned->second.content;
  return there.layer == entry.layer && there.attr.ino == entry.attr.ino;
}

Result<void> DeltaPlan::put_hardlink(const RelPath& path, const RelPath& to) {
  TRY(check_name(path));
  TRY(show_parents(path));
  forget_below(path);
  ++hardlinks_;
  ops_.insert_or_assign(
      path, PlannedOp{.op = {.kind = Kind::hardlink, .path = path, .attr = ops_.at(to).op.attr, .link_to = to}});
  return {};
}

}  // namespace acetate::build
