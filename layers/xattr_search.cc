#include "layers/xattr_search.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <string>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/override_stat.h"
#include "layers/whiteout.h"

namespace acetate {

namespace {

class DirSearch final : public XattrSearch {
 public:
  explicit DirSearch(TreeOnDisk tree) : tree_(std::move(tree)) {}

  Answer go_on(std::size_t entries) override {
    if (answer_ != Answer::not_yet) return answer_;
    const auto looked = look_at(entries);
    answer_ = looked ? *looked : Answer::some;
    if (answer_ != Answer::not_yet) open_.clear();
    return answer_;
  }

 private:
  struct Name {
    std::string text;
    unsigned char type;
  };
  struct Open {
    Fd dir;
    std::vector<Name> names;
    std::size_t next = 0;
  };
  // Trees are not that deep, and each is a descriptor.
  static constexpr std::size_t kDeepest = 64;
  static constexpr std::size_t kOfADirectory = 4;  // as dear as so many files

  Result<Answer> look_at(std::size_t entries) {
    if (!has_begun_) {
      has_begun_ = true;
      Fd root = TRY(sys::open(tree_.path, O_RDONLY | O_DIRECTORY));
      const struct stat st = TRY(sys::stat(root.ref()));
      if (st.st_dev != tree_.device || st.st_ino != tree_.ino) return Answer::some;
      const std::vector<std::string> of_root = TRY(sys::list_xattrs(root.ref()));
      mode_ = override_mode_of(of_root);
      if (shows_any(of_root)) return Answer::some;
      TRY(enter(std::move(root)));
    }
    for (std::size_t looked = 0; !open_.empty();) {
      if (looked >= entries) return Answer::not_yet;
      Open& here = open_.back();
      if (here.next == here.names.size()) {
        open_.pop_back();
        continue;
      }
      const Name& name = here.names[here.next++];
      const FileAt at{here.dir.ref(), name.text.c_str()};
      ++looked;
      if (shows_any(TRY(sys::list_xattrs(at)))) return Answer::some;
      // Of some file systems only stat(2) says which are directories; of those nobody needs to be asked here.
      if (name.type == DT_UNKNOWN) return Answer::some;
      if (name.type != DT_DIR) continue;
      looked += kOfADirectory;
      if (open_.size() == kDeepest) return Answer::some;
      Fd dir = TRY(sys::open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      if (TRY(sys::stat(dir.ref())).st_dev != tree_.device) return Answer::some;
      TRY(enter(std::move(dir)));
    }
    return Answer::none;
  }

  Result<void> enter(Fd dir) {
    Open fresh{.dir = std::move(dir), .names = {}};
    TRY(sys::read_fresh_dir(fresh.dir.ref(), [&](const sys::DirEntry& entry) {
      fresh.names.push_back({std::string(entry.name), entry.type});
      return true;
    }));
    open_.push_back(std::move(fresh));
    return {};
  }

  bool shows_any(const std::vector<std::string>& stored) const {
    return std::ranges::any_of(stored, [&](const std::string& name) { return overridden_xattr(mode_, name) || visible_xattr(name); });
  }

  const TreeOnDisk tree_;
  OverrideMode mode_ = OverrideMode::none;
  Answer answer_ = Answer::not_yet;
  bool has_begun_ = false;
  std::vector<Open> open_;
};

class Searches final : public XattrSearch {
 public:
  explicit Searches(std::vector<std::unique_ptr<XattrSearch>> left) : left_(std::move(left)) {}

  Answer go_on(std::size_t entries) override {
    if (left_.empty()) return Answer::none;
    const Answer answer = left_.back()->go_on(entries);
    if (answer != Answer::none) return answer;
    left_.pop_back();
    return left_.empty() ? Answer::none : Answer::not_yet;
  }

 private:
  std::vector<std::unique_ptr<XattrSearch>> left_;
};

}  // namespace

std::unique_ptr<XattrSearch> search_xattrs(TreeOnDisk tree) { return std::make_unique<DirSearch>(std::move(tree)); }

std::unique_ptr<XattrSearch> search_in_turn(std::vector<std::unique_ptr<XattrSearch>> each) { return std::make_unique<Searches>(std::move(each)); }

}  // namespace acetate
