#include "builder/copy_source.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>

#include "base/bytes.h"
#include "builder/dockerfile/ignore.h"
#include "builder/hash_file.h"
#include "builder/tree_view.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

// Passes reads through and hashes them; the last one tells whether the bytes are those expected.
class CheckedFile : public FileView {
 public:
  CheckedFile(std::unique_ptr<FileView> view, const Digest& expected, std::uint64_t size)
      : view_(std::move(view)), expected_(expected), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    const std::size_t got = TRY(view_->pread(into, offset));
    // Only a reader that goes through once, in order, is checked.
    if (offset != hashed_ || offset >= size_) return got;
    hash_.update(into.first(got));
    hashed_ += got;
    const bool short_read = got < into.size() && hashed_ < size_;
    if (short_read || hashed_ > size_ || (hashed_ == size_ && hash_.finish() != expected_))
      return fail(EBUSY, "the file was changed while the build was reading it; build again");
    return got;
  }

 private:
  std::unique_ptr<FileView> view_;
  Digest expected_;
  std::uint64_t size_;
  mutable Sha256 hash_;
  mutable std::uint64_t hashed_ = 0;
};

class Collector {
 public:
  Collector(const CopyStep& step, LayerPtr tree, const TarOpener& open_tar)
      : step_(step), tree_(std::move(tree)), view_(*tree_), open_tar_(open_tar) {}

  Result<std::vector<Source>> run() {
    std::string excludes;
    for (const std::string& exclude : step_.excludes) excludes += exclude + "\n";
    excludes_ = TRY(dockerfile::IgnoreRules::parse(excludes));
    for (const std::string& pattern : step_.sources) TRY(match(pattern));
    return std::move(sources_);
  }

 private:
  // "/a/./b" with --parents keeps only what follows the pivot.
  Result<void> match(const std::string& pattern) {
    std::string before, after = pattern;
    if (step_.parents) {
      if (const std::size_t pivot = pattern.find("/./"); pivot != std::string::npos) {
        before = pattern.substr(0, pivot);
        after = pattern.substr(pivot + 3);
      }
    }
    const RelPath pivot = TRY(RelPath::parse_clamped(before));
    const RelPath clean = TRY(RelPath::parse_clamped(before + "/" + after));
    bool wildcards = false;
    for (const std::string_view part : clean.components())
      wildcards = wildcards || TRY(dockerfile::PathPattern::parse(part)).has_wildcards();
    if (wildcards) {
      const std::size_t all = clean.components().size(), kept = pivot.is_root() ? 0 : pivot.components().size();
      after_pivot_ = all - std::min(all, kept);
      return match_below(RelPath(), clean.components(), std::nullopt);
    }

    std::string unescaped;  // "\*" is a star also where no pattern is
    for (std::size_t at = 0; at < clean.str().size(); ++at) {
      if (clean.str()[at] == '\\' && at + 1 < clean.str().size()) ++at;
      unescaped += clean.str()[at];
    }
    const RelPath path = TRY(RelPath::parse_clamped(unescaped));
    auto found = TRY(resolve(view_, path.str(), LastLink::follow));
    return found.seen ? add(path, found, pivot) : dangling(path, pivot);
  }

  // A name behind which nothing is: a symlink to nowhere, where a whole path is copied as it is; else a mistake.
  Result<void> dangling(const RelPath& path, const RelPath& pivot) {
    const auto link = step_.parents ? TRY(resolve(view_, path.str(), LastLink::keep)) : Resolved{};
    if (link.seen) return add(path, link, pivot);
    return not_found(step_.from ? (step_.from->kind == Origin::Kind::stage ? fmt::format("stage-{}", step_.from->stage) : step_.from->image) : "context", "/" + path.str());
  }

  // Matches the components left against the names of `dir`; "**" (with --parents) stands for any directories. `pivot`: where it was
  // passed.
  Result<void> match_below(const RelPath& dir, std::span<const std::string_view> parts, std::optional<RelPath> pivot) {
    if (!pivot && parts.size() == after_pivot_) pivot = dir;
    const auto found = TRY(resolve(view_, dir.str(), LastLink::follow));
    if (parts.empty()) return found.seen ? add(dir, found, *pivot) : dangling(dir, *pivot);
    if (!found.seen || !found.seen->attr.is_dir()) return {};
    const bool any_depth = parts.front() == "**";
    const auto pattern = TRY(dockerfile::PathPattern::parse(any_depth ? "*" : parts.front()));
    if (any_depth) TRY(match_below(dir, parts.subspan(1), pivot));
    std::vector<std::string> names;
    {
      const Entry entry = TRY(walk(*tree_, found.path));
      const HeldNode held(*tree_, entry.node);
      TRY(tree_->list(entry.node, [&](const DirEntry& child) {
        if (pattern.matches(child.name) && (!any_depth || child.type == DT_DIR)) names.emplace_back(child.name);
        return true;
      }));
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) TRY(match_below(dir.child(name), any_depth ? parts : parts.subspan(1), pivot));
    return {};
  }

  Result<void> add(const RelPath& path, const Resolved& found, const RelPath& pivot) {
    Source source{.written = path.str()};
    if (!pivot.is_root() && pivot.contains(path)) {
      source.relative = TRY(RelPath::parse(path.str().substr(pivot.str().size())));
    } else {
      source.relative = path;
    }
    if (step_.parents) TRY(add_parents(source, path));
    if (step_.unpack && found.seen->attr.is_regular()) {
      if (const auto tar = TRY(open_tar_(found.path))) {
        source.unpacked = true;
        TRY(add_tree(source, *tar, RelPath(), RelPath(), nullptr));
        sources_.push_back(std::move(source));
        return {};
      }
    }
    // What --exclude names is below the source, never the source itself; with --parents below the root, or the pivot.
    const RelPath below = step_.parents ? source.relative : RelPath();
    TRY(add_tree(source, tree_, found.path, RelPath(), &below));
    if (!source.entries.empty()) sources_.push_back(std::move(source));
    return {};
  }

  // The directories that --parents makes on the way, as they are in the source.
  Result<void> add_parents(Source& source, const RelPath& path) {
    RelPath dir = path;
    for (std::size_t depth = source.relative.components().size(); depth > 1; --depth) {
      dir = dir.parent();
      const auto found = TRY(resolve(view_, dir.str(), LastLink::follow));
      source.parents.insert(source.parents.begin(), TRY(entry_at(tree_, found.path, RelPath())));
    }
    return {};
  }

  static Result<SourceEntry> entry_at(const LayerPtr& layer, const RelPath& real, const RelPath& inside) {
    const Entry found = TRY(walk(*layer, real));
    const HeldNode held(*layer, found.node);
    return entry_of(layer, found, real, inside);
  }

  // `found` is held.
  static Result<SourceEntry> entry_of(const LayerPtr& layer, const Entry& found, const RelPath& real, const RelPath& inside) {
    SourceEntry entry{.inside = inside, .attr = found.attr, .layer = layer, .real = real};
    entry.xattrs = TRY_WITHIN(layer->xattrs(found.node), "reading /{}", real.str());
    // A socket is nothing without who listens; as BuildKit has it, an empty file tells where it was.
    if (S_ISSOCK(found.attr.mode)) {
      entry.attr.mode = S_IFREG | (found.attr.mode & 07777);
      entry.attr.size = 0;
      entry.attr.nlink = 1;
      entry.content = Digest::of("");
      entry.layer = TRY(make_memory_layer({memory_file("socket", "")}));
      entry.real = TRY(RelPath::parse("socket"));
      return entry;
    }
    if (found.attr.is_symlink()) entry.target = TRY(layer->readlink(found.node));
    if (found.attr.is_regular()) {
      entry.content = TRY_WITHIN(layer->content_id(found.node), "reading /{}", real.str());
      if (!entry.content) {
        const auto view = TRY_WITHIN(layer->open(found.node), "reading /{}", real.str());
        entry.attr.size = view->size();
        entry.content = TRY_WITHIN(hash_file(*view), "reading /{}", real.str());
      }
    }
    return entry;
  }

  // `excluded_below`: where the source lies for the patterns of --exclude; none: they do not count. A directory that is left out is there
  // all the same when something in it is excepted.
  Result<void> add_tree(Source& source, const LayerPtr& layer, const RelPath& real, const RelPath& inside, const RelPath* excluded_below) {
    const Entry top = TRY(walk(*layer, real));
    const HeldNode held(*layer, top.node);
    return add_entry(source, layer, top, real, inside, excluded_below);
  }

  // `found` is held. However deep it goes, a path is no longer than what can be opened by it: that bounds how often this calls itself.
  Result<void> add_entry(Source& source, const LayerPtr& layer, const Entry& found, const RelPath& real, const RelPath& inside, const RelPath* excluded_below) {
    const bool excluded = excluded_below != nullptr && is_excluded(*excluded_below, inside);
    if (excluded && (!excludes_.has_exceptions() || !found.attr.is_dir())) return {};
    if (inside.str().size() >= PATH_MAX)
      return fail(ENAMETOOLONG, "/{}… cannot be copied: its path has {} bytes, and no path has more than {}", inside.str().substr(0, 100), inside.str().size(), PATH_MAX - 1);
    const std::size_t at = source.entries.size();
    source.entries.push_back(TRY(entry_of(layer, found, real, inside)));
    if (!source.entries.back().attr.is_dir()) return {};
    std::vector<std::string> names;
    auto listed = layer->list(found.node, [&](const DirEntry& child) {
      names.emplace_back(child.name);
      return true;
    });
    TRY_WITHIN(listed, "reading /{}", real.str());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const Entry child = TRY_WITHIN(layer->lookup(found.node, name), "reading /{}", real.str());
      const HeldNode held(*layer, child.node);
      TRY(add_entry(source, layer, child, real.child(name), inside.child(name), excluded_below));
    }
    if (excluded && source.entries.size() == at + 1) source.entries.pop_back();
    return {};
  }

  bool is_excluded(const RelPath& below, const RelPath& inside) const {
    if (below.is_root()) return !inside.is_root() && excludes_.ignores(inside.str());
    return excludes_.ignores(inside.is_root() ? below.str() : below.str() + "/" + inside.str());
  }

  const CopyStep& step_;
  LayerPtr tree_;
  LayerView view_;
  const TarOpener& open_tar_;
  dockerfile::IgnoreRules excludes_;
  std::size_t after_pivot_ = 0;  // components of the pattern at hand
  std::vector<Source> sources_;
};

}  // namespace

Result<std::vector<Source>> collect_sources(const CopyStep& step, const LayerPtr& tree, const TarOpener& open_tar) {
  return Collector(step, tree, open_tar).run();
}

Result<Source> tarball_source(const Source& file, const LayerPtr& tar) {
  const CopyStep whole{.sources = {"/"}, .dest = "/"};
  auto sources = TRY(collect_sources(whole, tar, {}));
  Source source = std::move(sources.front());
  source.written = file.written;
  source.relative = file.relative;
  source.unpacked = true;
  return source;
}

Error not_found(std::string_view where, std::string_view path) {
  return fail(ENOENT, "failed to compute cache key: failed to calculate checksum of ref {}: \"{}\": not found{}", where, path,
              where == "context" ? "; does .dockerignore leave it out?" : "");
}

Result<std::unique_ptr<FileView>> open_entry(const SourceEntry& entry) {
  const Entry found = TRY(walk(*entry.layer, entry.real));
  const HeldNode held(*entry.layer, found.node);
  auto view = TRY(entry.layer->open(found.node));
  if (view->size() != entry.attr.size)
    return fail(EBUSY, "/{} was changed while the build was reading it; build again", entry.real.str());
  return std::unique_ptr<FileView>(std::make_unique<CheckedFile>(std::move(view), *entry.content, entry.attr.size));
}

Result<Source> inline_source(const CopyStep::InlineFile& file) {
  const RelPath name = TRY(RelPath::parse(file.name));
  Source source{.written = file.name, .relative = name};
  const LayerPtr layer = TRY(make_memory_layer({memory_file(name.str(), file.content)}));
  Attr attr{.mode = S_IFREG | 0644, .size = file.content.size()};
  source.entries.push_back(
      {.inside = {}, .attr = attr, .content = Digest::of(file.content), .layer = layer, .real = name});
  return source;
}

}  // namespace acetate::build
