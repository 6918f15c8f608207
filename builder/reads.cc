#include "builder/reads.h"

#include <sys/stat.h>

#include "builder/hash_file.h"
#include "layers/first_names.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

class Looker {
 public:
  Looker(const Layer& tree, KnownContents& known) : tree_(tree), known_(known) {}

  Result<std::string> look(const std::string& path, unsigned how) {
    const RelPath at = TRY(RelPath::parse_clamped(path));
    const auto found = walk(tree_, at);
    if (!found) {
      if (found.error().is(ENOENT) || found.error().is(ENOTDIR)) return std::string("nothing");
      return found.error().clone().within("/" + path);
    }
    const HeldNode held(tree_, found->node);
    return TRY_WITHIN(describe(path, found->node, found->attr, how), "/{}", path);
  }

 private:
  Result<std::string> describe(const std::string& path, Node node, const Attr& attr, unsigned how) {
    std::string text = fmt::format("{:o} {}:{}", attr.mode, attr.uid, attr.gid);
    if (attr.is_dir()) {
      if ((how & kListed) != 0) text += TRY(names(node));
    } else {
      text += fmt::format(" of {}.{:09}", attr.mtime.tv_sec, attr.mtime.tv_nsec);
      if (attr.nlink > 1) text += fmt::format(" {} links, one is /{}", attr.nlink, first_names_.of(node, path));
    }
    if (attr.is_symlink()) text += " to " + TRY(tree_.readlink(node));
    if (S_ISCHR(attr.mode) || S_ISBLK(attr.mode)) text += fmt::format(" device {}", attr.rdev);
    if (attr.is_regular()) {
      text += fmt::format(" {} bytes", attr.size);
      if ((how & kOpened) != 0) text += " " + TRY(content(path, node)).hex();
    }
    if ((how & kXattrs) != 0)
      for (const Xattr& xattr : TRY(tree_.xattrs(node))) text += fmt::format(" {}={}", xattr.name, Digest::of(xattr.value).hex());
    return text;
  }

  // In their order: a program may depend on it.
  Result<std::string> names(Node dir) const {
    Sha256 hash;
    std::size_t count = 0;
    TRY(tree_.list(dir, [&](const DirEntry& entry) {
      hash.update(entry.name);
      hash.update(std::string_view("\0", 1));
      hash.update(std::string_view(reinterpret_cast<const char*>(&entry.type), 1));
      ++count;
      return true;
    }));
    return fmt::format(" {} names {}", count, hash.finish().hex());
  }

  Result<Digest> content(const std::string& path, Node node) {
    if (const auto known = known_.find(path); known != known_.end()) return known->second;
    const auto told = TRY(tree_.content_id(node));
    const Digest digest = told ? *told : TRY(hash_file(*TRY(tree_.open(node))));
    return known_.emplace(path, digest).first->second;
  }

  const Layer& tree_;
  KnownContents& known_;
  FirstNames first_names_{tree_};  // of files with several
};

}  // namespace

Result<KeyInputs> look_at(const AccessedPaths& paths, const Layer& tree, KnownContents& known) {
  KeyInputs seen;
  Looker looker(tree, known);
  for (const auto& [path, how] : paths) seen.add("/" + path, TRY(looker.look(path, how)));
  return seen;
}

}  // namespace acetate::build
