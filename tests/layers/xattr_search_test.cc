#include "layers/xattr_search.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::TempDir;
using Answer = XattrSearch::Answer;

TreeOnDisk tree_of(const TempDir& dir) {
  const struct stat st = *sys::stat(dir.open().ref());
  return {.path = dir.path(), .device = st.st_dev, .ino = st.st_ino};
}

Answer searched(XattrSearch& search) {
  auto answer = Answer::not_yet;
  for (int pieces = 0; answer == Answer::not_yet && pieces < 1000; ++pieces) answer = search.go_on(2);
  EXPECT_EQ(search.go_on(2), answer);
  return answer;
}
Answer searched(const TempDir& dir) { return searched(*search_xattrs(tree_of(dir))); }
Answer searched(const TempDir& a, const TempDir& b) {
  std::vector<std::unique_ptr<XattrSearch>> both;
  for (const TempDir* dir : {&a, &b}) both.push_back(search_xattrs(tree_of(*dir)));
  return searched(*search_in_turn(std::move(both)));
}

bool set_xattr(const TempDir& dir, std::string_view name, const char* xattr) {
  return sys::set_xattr(sys::open(dir / name, O_PATH)->ref(), xattr, "y").has_value();
}

class Failing final : public sys::Hook {
 public:
  explicit Failing(sys::Call call) : call_(call), before_(sys::install(this)) {}
  ~Failing() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == call_ ? EIO : 0; }

 private:
  const sys::Call call_;
  sys::Hook* const before_;
};

TEST(XattrSearches, LookAtEverything) {
  TempDir dir, other;
  for (const char* name : {"a/b/c/f", "a/b/g", "a/h", "z/f"}) dir.write(name, "");
  ASSERT_EQ(::symlink("nowhere", (dir / "a/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir / "z/fifo").c_str(), 0644), 0);
  other.write("f", "");
  if (!set_xattr(dir, "a/b", "user.overlay.opaque")) GTEST_SKIP() << "this attribute may not be set here";
  EXPECT_EQ(searched(dir), Answer::none);
  EXPECT_EQ(searched(other, dir), Answer::none);

  for (const char* name : {"", "a/b", "a/b/c/f", "z/f"}) {
    ASSERT_TRUE(set_xattr(dir, name, "user.tag"));
    EXPECT_EQ(searched(dir), Answer::some) << name;
    EXPECT_EQ(searched(other, dir), Answer::some) << name;
    EXPECT_EQ(searched(dir, other), Answer::some) << name;
    ASSERT_TRUE(sys::remove_xattr(sys::open(dir / name, O_PATH)->ref(), "user.tag"));
  }
  ASSERT_TRUE(set_xattr(dir, "z/f", "user.overlay.overlay.opaque"));  // of an overlay inside
  EXPECT_EQ(searched(dir), Answer::some);
}

TEST(XattrSearches, OfNothingFindNothing) { EXPECT_EQ(search_in_turn({})->go_on(1), Answer::none); }

TEST(XattrSearches, ConcludeNothingFromWhatCannotBeLookedAt) {
  TempDir dir;
  dir.write("a/b/f", "");
  const TreeOnDisk tree = tree_of(dir);
  EXPECT_EQ(searched(dir), Answer::none);
  for (const sys::Call call : {sys::Call::openat, sys::Call::listxattr, sys::Call::getdents}) {
    const Failing failing(call);
    EXPECT_EQ(searched(*search_xattrs(tree)), Answer::some);
  }
  const TempDir another;
  EXPECT_EQ(searched(*search_xattrs({.path = another.path(), .device = tree.device, .ino = tree.ino})), Answer::some);
  std::string deep = "deep";
  for (int i = 0; i < 70; ++i) deep += "/d";
  dir.mkdir(deep);
  EXPECT_EQ(searched(dir), Answer::some);
}

}  // namespace
}  // namespace acetate
