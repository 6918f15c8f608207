#include "builder/copy_tree.h"

#include <sys/stat.h>

#include <map>

namespace acetate::build {

namespace {

class Copier {
 public:
  Copier(const CopyStep& step, const CopyRules& rules, StepClock& clock, DeltaPlan& plan)
      : step_(step), rules_(rules), clock_(clock), plan_(plan) {}

  // With --parents it is there also where nothing was matched.
  Result<void> make_dest() { return plan_.make_dirs(TRY(resolve(plan_, step_.dest, LastLink::follow)).path, made()); }

  Result<void> copy(const Source& source) {
    source_ = &source;
    links_.clear();
    if (step_.parents) return with_parents();
    const Resolved dest = TRY(resolve(plan_, step_.dest, LastLink::follow));
    if (source.is_dir()) {
      if (dest.seen && !dest.seen->attr.is_dir())
        return fail(ENOTDIR, "cannot copy to non-directory: /{}: {} is a directory", dest.path.str(), source.written);
      TRY(plan_.make_dirs(dest.path, made()));
      return contents(dest.path);
    }
    const bool into = step_.dest.ends_with('/') || (dest.seen && dest.seen->attr.is_dir());
    if (!into) {
      TRY(plan_.make_dirs(dest.path.parent(), made()));
      return object(source.entries.front(), dest.path);
    }
    TRY(plan_.make_dirs(dest.path, made()));
    const RelPath name = TRY(RelPath::parse(source.written));
    return object(source.entries.front(), dest.path.child(name.name()));
  }

 private:
  Result<void> with_parents() {
    const Resolved dest = TRY(resolve(plan_, step_.dest, LastLink::follow));
    TRY(plan_.make_dirs(dest.path, made()));
    std::string path = dest.path.str();
    const auto parts = source_->relative.components();
    for (std::size_t n = 0; n < source_->parents.size(); ++n) {
      path += "/" + std::string(parts[n]);
      TRY(object(source_->parents[n], TRY(RelPath::parse(path))));
    }
    const RelPath top = TRY(RelPath::parse(fmt::format("{}/{}", dest.path.str(), source_->relative.str())));
    if (!source_->is_dir()) return object(source_->entries.front(), top);
    if (!source_->relative.is_root()) TRY(object(source_->entries.front(), top));
    return contents(top);
  }

  // Everything below the source, its root not included.
  Result<void> contents(const RelPath& dest) {
    std::map<RelPath, RelPath> places{{RelPath(), dest}};  // of directories
    for (const SourceEntry& entry : source_->entries) {
      if (entry.inside.is_root()) continue;
      RelPath path = places.at(entry.inside.parent()).child(entry.inside.name());
      // A directory that a tarball has no entry for stays what it is in the image, and a symlink to one is followed.
      if (source_->unpacked && entry.attr.is_implied) {
        Resolved there = TRY(resolve(plan_, path.str(), LastLink::follow));
        if (there.seen && there.seen->attr.is_dir()) {
          places.insert_or_assign(entry.inside, std::move(there.path));
          continue;
        }
      }
      TRY(object(entry, path));
      if (entry.attr.is_dir()) places.insert_or_assign(entry.inside, std::move(path));
    }
    return {};
  }

  Result<void> object(const SourceEntry& entry, const RelPath& path) {
    const Attr attr = transformed(entry.attr);
    const auto seen = TRY(plan_.at(path));
    if (attr.is_dir()) {
      if (seen && !seen->attr.is_dir() && !source_->unpacked)
        return fail(ENOTDIR, "cannot copy to non-directory: /{}: the source is a directory", path.str());
      return plan_.put_dir(path, attr, entry.xattrs);
    }
    if (seen && seen->attr.is_dir() && !source_->unpacked)
      return fail(EISDIR, "cannot replace to directory /{} with file", path.str());
    // Names of one inode stay names of one file; where two directories of the source come to be one, another may have taken the place of the first of them.
    if (attr.is_regular() && entry.attr.nlink > 1) {
      const auto first = links_.find(entry.attr.ino);
      if (first != links_.end() && !path.contains(first->second) && plan_.is_file_of(first->second, entry)) return plan_.put_hardlink(path, first->second);
      links_.insert_or_assign(entry.attr.ino, path);
    }
    return plan_.put(path, attr, entry);
  }

  // What is made without a source. --chmod is not for what comes out of a tarball, nor for what is made for it.
  Attr made() const {
    const bool changed = rules_.mode && !(source_ != nullptr && source_->unpacked);
    Attr attr{.mode = S_IFDIR | (changed ? rules_.mode->whole().value_or(0755) : 0755)};
    if (rules_.owner) {
      attr.uid = rules_.owner->uid;
      attr.gid = rules_.owner->gid;
    }
    attr.mtime = clock_.of_copy(timespec{.tv_sec = clock_.now()});
    return attr;
  }

  Attr transformed(Attr attr) const {
    if (rules_.owner) {
      attr.uid = rules_.owner->uid;
      attr.gid = rules_.owner->gid;
    }
    if (rules_.mode && !attr.is_symlink() && !source_->unpacked) attr.mode = (attr.mode & S_IFMT) | rules_.mode->apply(attr.mode, attr.is_dir());
    const bool content = !rules_.fresh_times || source_->unpacked || source_->dated;
    attr.mtime = content ? clock_.of_content(attr.mtime) : clock_.of_copy(attr.mtime);
    return attr;
  }

  const CopyStep& step_;
  const CopyRules& rules_;
  const StepClock& clock_;
  DeltaPlan& plan_;
  const Source* source_ = nullptr;
  std::map<std::uint64_t, RelPath> links_;  // of this source: the first name of each inode
};

}  // namespace

Result<void> plan_copy(const CopyStep& step, const std::vector<Source>& sources, const CopyRules& rules,
                       StepClock& clock, DeltaPlan& plan) {
  for (const Source& source : sources) {
    if (rules.fresh_times && !source.unpacked && !source.dated) continue;
    for (const SourceEntry& entry : source.parents) clock.learn_content(entry.attr.mtime);
    for (const SourceEntry& entry : source.entries) clock.learn_content(entry.attr.mtime);
  }
  Copier copier(step, rules, clock, plan);
  if (step.parents) TRY(copier.make_dest());
  for (const Source& source : sources) TRY(copier.copy(source));
  return {};
}

}  // namespace acetate::build
