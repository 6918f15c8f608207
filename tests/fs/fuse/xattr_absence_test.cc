// fs/fuse/xattr_absence.h: the kernel is told that nothing has extended attributes, once that is known.
#include <fcntl.h>

#include <new>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "layers/xattr_search.h"
#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::name_bytes;

constexpr int kFiles = 2000;
constexpr int kMostQuestions = 400;  // by when 2,000 files have been looked at, one more at every eighth question

class AbsentXattrs : public ::testing::Test {
 protected:
  AbsentXattrs() {
    for (int i = 0; i < kFiles; ++i) below_.write(fmt::format("d{}/f{}", i / 100, i), "");
    above_.write("d1/above", "");
    above_.mkdir("d2");
  }
  bool give(const test::TempDir& dir, std::string_view name, const char* xattr) {
    return sys::set_xattr(sys::open(dir / name, O_PATH)->ref(), xattr, "y").has_value();
  }
  std::unique_ptr<XattrSearch> searched() {
    std::vector<std::unique_ptr<XattrSearch>> each;
    for (const test::TempDir* dir : {&above_, &below_}) {
      const struct stat st = *sys::stat(dir->open().ref());
      each.push_back(search_xattrs({.path = dir->path(), .device = st.st_dev, .ino = st.st_ino}));
    }
    return search_in_turn(std::move(each));
  }
  void serve() {
    const LayerPtr tree = *make_stack({*open_dir_layer(above_.open()), *open_dir_layer(below_.open())});
    overlay_ = *Overlay::open(tree, std::nullopt, std::nullopt, {});
    SessionOptions options = one_thread();
    options.xattr_absence = absence_ = std::make_shared<XattrAbsence>(searched());
    served_.emplace(*overlay_, options);
    served_->kernel.init();
    const auto dir = served_->kernel.lookup(FUSE_ROOT_ID, "d1").as<fuse_entry_out>().nodeid;
    file_ = served_->kernel.lookup(dir, "f100").as<fuse_entry_out>().nodeid;
  }
  int getxattr() { return served_->kernel.ask(FUSE_GETXATTR, file_, bytes_of(fuse_getxattr_in{100, 0}) + name_bytes("security.capability")).error; }
  test::FuseReply listxattr() { return served_->kernel.ask(FUSE_LISTXATTR, file_, bytes_of(fuse_getxattr_in{100, 0})); }
  // How many were answered before the kernel was told not to ask.
  int questions() {
    for (int asked = 0; asked < kMostQuestions; ++asked) {
      const int error = getxattr();
      if (error == ENOSYS) return asked;
      EXPECT_EQ(error, ENODATA);
    }
    return kMostQuestions;
  }

  test::TempDir above_, below_;
  std::unique_ptr<Overlay> overlay_;
  std::shared_ptr<XattrAbsence> absence_;
  std::optional<ServedOverlay> served_;
  std::uint64_t file_ = 0;
};

TEST_F(AbsentXattrs, AreToldOnceEverythingWasLookedAt) {
  serve();
  const int asked = questions();
  EXPECT_GT(asked, 100);
  EXPECT_LT(asked, kMostQuestions);
  EXPECT_EQ(listxattr().error, ENOSYS);
  EXPECT_TRUE(absence_->settle());
  EXPECT_EQ(getxattr(), ENOSYS);
}

TEST_F(AbsentXattrs, AreNotToldWhereOneFileHasSome) {
  if (!give(below_, "d7/f777", "user.tag")) GTEST_SKIP() << "this attribute may not be set here";
  serve();
  EXPECT_EQ(questions(), kMostQuestions);
  EXPECT_EQ(listxattr().error, 0);
  EXPECT_FALSE(absence_->settle());
}

TEST_F(AbsentXattrs, AreToldWhereOnlyTheOverlaysOwnAreThere) {
  if (!give(above_, "d2", "user.overlay.opaque")) GTEST_SKIP() << "this attribute may not be set here";
  serve();
  EXPECT_LT(questions(), kMostQuestions);
}

TEST_F(AbsentXattrs, AreNotToldOfLayersThatAreToChange) {
  serve();
  for (int i = 0; i < 16; ++i) EXPECT_EQ(getxattr(), ENODATA);
  EXPECT_FALSE(absence_->settle());
  EXPECT_EQ(questions(), kMostQuestions);
}

// What it is asked for, or does where that is not counted.
class AskedSearch final : public XattrSearch {
 public:
  explicit AskedSearch(std::size_t& entries, bool throws = false) : entries_(entries), throws_(throws) {}
  Answer go_on(std::size_t entries) override {
    if (throws_) throw std::bad_alloc();
    entries_ += entries;
    return Answer::not_yet;
  }

 private:
  std::size_t& entries_;
  const bool throws_;
};

TEST(XattrSearches, CostNothingWhereNobodyAsks) {
  std::size_t looked_at = 0;
  XattrAbsence absence(std::make_unique<AskedSearch>(looked_at));
  for (std::uint64_t i = 0; i < XattrAbsence::kQuestionsForOne; ++i) absence.asked_in_vain();
  EXPECT_EQ(looked_at, 0U);
  for (std::uint64_t i = 0; i < XattrAbsence::kQuestionsForOne; ++i) absence.asked_in_vain();
  EXPECT_EQ(looked_at, XattrAbsence::kQuestionsForOne);
}

TEST(XattrSearches, ThatFindNoMemoryAreGivenUp) {
  std::size_t looked_at = 0;
  XattrAbsence absence(std::make_unique<AskedSearch>(looked_at, true));
  for (std::uint64_t i = 0; i < 3 * XattrAbsence::kQuestionsForOne; ++i) absence.asked_in_vain();
  EXPECT_FALSE(absence.tell());
}

}  // namespace
}  // namespace acetate::fs
