#include "layers/dir_layer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/stack.h"
#include "tests/layers/tree.h"
#include "tests/support/plain_user.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using test::TempDir;
using test::text_of;
using test::Tree;
using test::tree_of;

LayerPtr layer_of(const TempDir& dir) {
  auto layer = open_dir_layer(dir.open());
  EXPECT_TRUE(layer) << layer.error().message();
  return *layer;
}
LayerPtr stack_of(std::vector<LayerPtr> layers) { return *make_stack(std::move(layers)); }
Result<Entry> at(const Layer& layer, std::string_view path) { return walk(layer, *RelPath::parse(path)); }

bool set_xattr(const TempDir& dir, std::string_view name, const char* xattr, std::string_view value) {
  const Fd fd = *sys::open(dir / name, O_PATH | O_NOFOLLOW);
  return sys::set_xattr(fd.ref(), xattr, value).has_value();
}
#define SET_XATTR_OR_SKIP(...) \
  if (!set_xattr(__VA_ARGS__)) GTEST_SKIP() << "this attribute may not be set here"

// Counts the calls of each kind, and lets some fail.
class Counter final : public sys::Hook {
 public:
  Counter() : before_(sys::install(this)) {}
  ~Counter() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    ++count_[static_cast<std::size_t>(call)];
    ++total_;
    return call == failing_.load() ? code_.load() : 0;
  }
  int total() const { return total_; }
  int of(sys::Call call) const { return count_[static_cast<std::size_t>(call)]; }
  void fail(sys::Call call, int code) { failing_ = call, code_ = code; }

 private:
  std::array<std::atomic<int>, static_cast<std::size_t>(sys::Call::count_)> count_{};
  std::atomic<int> total_ = 0;
  std::atomic<sys::Call> failing_ = sys::Call::count_;
  std::atomic<int> code_ = 0;
  sys::Hook* before_;
};

TEST(DirLayer, ShowsTheTreeAsItIs) {
  TempDir dir;
  dir.write("a/f", "text", 0640);
  dir.write("a/b/deep", "er");
  ASSERT_EQ(::symlink("a/f", (dir / "l").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir / "p").c_str(), 0600), 0);
  ASSERT_EQ(::link((dir / "a/f").c_str(), (dir / "h").c_str()), 0);
  auto layer = layer_of(dir);

  EXPECT_EQ(tree_of(*layer), (Tree{{"a", "dir"},
                                   {"a/f", "file text"},
                                   {"a/b", "dir"},
                                   {"a/b/deep", "file er"},
                                   {"l", "link a/f"},
                                   {"p", "fifo"},
                                   {"h", "file text"}}));
  const Attr attr = at(*layer, "h")->attr;
  EXPECT_EQ(attr.nlink, 2U);
  EXPECT_EQ(attr.ino, at(*layer, "a/f")->attr.ino);
  EXPECT_EQ(attr.mode, mode_t{S_IFREG | 0640});
  EXPECT_EQ(at(*layer, "a")->attr.nlink, 1U);
  EXPECT_NE(attr.mtime.tv_sec, 0);
}

TEST(DirLayer, RefusesARootThatIsNoDirectory) {
  TempDir dir;
  dir.write("f", "");
  EXPECT_TRUE(open_dir_layer(*sys::open(dir / "f", O_PATH)).error().is(ENOTDIR));
}

TEST(DirLayer, ReadsFileWhiteoutsAndHidesTheirSpellings) {
  TempDir top, bottom;
  for (const char* file : {"gone", "new", "d/old", "kept"}) bottom.write(file, "bottom");
  top.write(".wh.gone", "");
  top.write(".wh.new", "");
  top.write("new", "top");
  top.write("d/.wh..wh..opq", "");
  top.write("d/fresh", "");
  top.write(".wh..wh.plnk", "");
  auto layer = layer_of(top);

  EXPECT_EQ(tree_of(*layer),
            (Tree{{"gone", "whiteout"}, {"new", "file top"}, {"d", "dir"}, {"d/fresh", "file "}}));
  EXPECT_TRUE(layer->lookup(layer->root(), ".wh.gone").error().is(ENOENT));
  EXPECT_EQ(tree_of(*stack_of({layer, layer_of(bottom)})),
            (Tree{{"new", "file top"}, {"d", "dir"}, {"d/fresh", "file "}, {"kept", "file bottom"}}));
}

TEST(DirLayer, TreatsADirectoryBesideItsWhiteoutAsOpaque) {
  TempDir top, bottom;
  bottom.write("d/old", "");
  top.write(".wh.d", "");
  top.write("d/new", "");

  EXPECT_EQ(tree_of(*layer_of(top)), (Tree{{"d", "dir opaque"}, {"d/new", "file "}}));
  EXPECT_EQ(tree_of(*stack_of({layer_of(top), layer_of(bottom)})), (Tree{{"d", "dir"}, {"d/new", "file "}}));
}

TEST(DirLayer, ReadsDeviceWhiteouts) {
  TempDir top, bottom;
  bottom.write("gone", "");
  bottom.write("d/gone", "");
  top.mkdir("d");
  for (const char* name : {"gone", "d/gone"})
    if (::mknod((top / name).c_str(), S_IFCHR, makedev(0, 0)) != 0)
      GTEST_SKIP() << "no device whiteouts here";

  EXPECT_EQ(tree_of(*stack_of({layer_of(top), layer_of(bottom)})), (Tree{{"d", "dir"}}));
}

TEST(DirLayer, ReadsOpaqueAttributesOfAllThreeKinds) {
  for (const char* xattr : {"trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"}) {
    TempDir top, bottom;
    bottom.write("d/old", "");
    bottom.write("e/old", "");
    top.write("d/new", "");
    top.mkdir("e");
    SET_XATTR_OR_SKIP(top, "d", xattr, "y");

    EXPECT_EQ(tree_of(*stack_of({layer_of(top), layer_of(bottom)})),
              (Tree{{"d", "dir"}, {"d/new", "file "}, {"e", "dir"}, {"e/old", "file "}}))
        << xattr;
  }
}

TEST(DirLayer, ReadsAttributeWhiteoutsWhereTheDirectorySaysSo) {
  TempDir top, bottom;
  for (const char* name : {"d/gone", "d/empty", "d/kept", "e/f"}) bottom.write(name, "bottom");
  top.write("d/gone", "");
  top.write("d/empty", "");
  top.write("e/f", "");
  SET_XATTR_OR_SKIP(top, "d", "user.overlay.opaque", "x");
  SET_XATTR_OR_SKIP(top, "d/gone", "user.overlay.whiteout", "");
  SET_XATTR_OR_SKIP(top, "e/f", "user.overlay.whiteout", "");

  EXPECT_EQ(
      tree_of(*stack_of({layer_of(top), layer_of(bottom)})),
      (Tree{{"d", "dir"}, {"d/empty", "file "}, {"d/kept", "file bottom"}, {"e", "dir"}, {"e/f", "file "}}));
}

TEST(DirLayer, FollowsTheKernelsRedirects) {
  TempDir top, bottom;
  bottom.write("old/f", "moved along");
  bottom.write("x/sub/g", "far");
  bottom.write("new/hidden", "");
  top.write("new/added", "");
  top.mkdir("y/sub2");
  SET_XATTR_OR_SKIP(top, "new", "trusted.overlay.redirect", "old");
  SET_XATTR_OR_SKIP(top, "", "trusted.overlay.impure", "y");
  SET_XATTR_OR_SKIP(top, "y", "trusted.overlay.impure", "y");
  SET_XATTR_OR_SKIP(top, "y/sub2", "trusted.overlay.redirect", "/x/sub");
  top.write(".wh.old", "");
  auto all = stack_of({layer_of(top), layer_of(bottom)});

  EXPECT_EQ(tree_of(*all), (Tree{{"new", "dir"},
                                 {"new/added", "file "},
                                 {"new/f", "file moved along"},
                                 {"x", "dir"},
                                 {"x/sub", "dir"},
                                 {"x/sub/g", "file far"},
                                 {"y", "dir"},
                                 {"y/sub2", "dir"},
                                 {"y/sub2/g", "file far"}}));
}

TEST(DirLayer, ShowsTheBytesBelowAMetacopyFile) {
  TempDir top, middle, bottom;
  bottom.write("was", "the data", 0600);
  middle.mkdir("d");
  for (const auto& [dir, name, redirect] : {std::tuple(&top, "is", ""), std::tuple(&middle, "is", "/was")}) {
    dir->write(name, "", 0755);
    ASSERT_EQ(::truncate((*dir / name).c_str(), 8), 0);
    SET_XATTR_OR_SKIP(*dir, name, "trusted.overlay.metacopy", "");
    if (*redirect != '\0') SET_XATTR_OR_SKIP(*dir, name, "trusted.overlay.redirect", redirect);
  }
  auto all = stack_of({layer_of(top), layer_of(middle), layer_of(bottom)});

  EXPECT_EQ(text_of(*all, "is"), "the data");
  const Attr attr = at(*all, "is")->attr;
  EXPECT_EQ(attr.mode & 07777, 0755U);
  EXPECT_EQ(attr.size, 8U);
  EXPECT_EQ(attr.blocks, at(*all, "was")->attr.blocks);
  EXPECT_EQ(tree_of(*all), (Tree{{"d", "dir"}, {"is", "file the data"}, {"was", "file the data"}}));
}

TEST(DirLayer, RefusesAMetacopyFileWithoutItsData) {
  TempDir dir;
  dir.write("f", "");
  ASSERT_EQ(::truncate((dir / "f").c_str(), 4096), 0);
  SET_XATTR_OR_SKIP(dir, "f", "user.overlay.metacopy", "");

  ::testing::internal::CaptureStderr();
  EXPECT_EQ(text_of(*stack_of({layer_of(dir)}), "f"), "!EIO");
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("metacopy"), std::string::npos);
}

// --- marks that an image may bring along: they lead nowhere unless somebody asked for it

// What is private below, and a layer above that would show it to everybody.
class HostileMarks : public ::testing::Test {
 protected:
  void SetUp() override {
    bottom_.write("private/dir/key", "secret", 0600);
    ASSERT_EQ(::chmod((bottom_ / "private").c_str(), 0700), 0);
    top_.write("open/own", "own");
    top_.write("file", "", 0644);
    ASSERT_EQ(::truncate((top_ / "file").c_str(), 6), 0);
    for (const char* name : {"", "open"})
      if (!set_xattr(top_, name, "user.overlay.impure", "y")) GTEST_SKIP() << "this attribute may not be set here";
    ASSERT_TRUE(set_xattr(top_, "open", "user.overlay.redirect", "/private/dir"));
    ASSERT_TRUE(set_xattr(top_, "file", "user.overlay.metacopy", ""));
    ASSERT_TRUE(set_xattr(top_, "file", "user.overlay.redirect", "/private/dir/key"));
  }
  LayerPtr seen(FollowMarks follow) { return stack_of({*open_dir_layer(top_.open(), follow), layer_of(bottom_)}); }
  static int refusal(const Layer& layer, std::string_view path) {
    auto found = at(layer, path);
    return found ? 0 : found.error().code();
  }

  TempDir top_, bottom_;
};

TEST_F(HostileMarks, ShowNothingOfOtherLayers) {
  for (const FollowMarks follow : {FollowMarks::privileged, FollowMarks::none}) {
    ::testing::internal::CaptureStderr();
    auto all = seen(follow);
    EXPECT_EQ(refusal(*all, "open"), EPERM);
    EXPECT_EQ(refusal(*all, "open"), EPERM);
    EXPECT_EQ(text_of(*all, "file"), "!EIO");
    EXPECT_EQ(text_of(*all, "private/dir/key"), "secret");
    const std::string told = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(told.find("redirect of 'open'"), std::string::npos);
    EXPECT_EQ(told.find("redirect of 'open'"), told.rfind("redirect of 'open'")) << "told more than once";
  }
}

TEST_F(HostileMarks, AreNothingInAnUpperOfRoots) {
  EXPECT_EQ(tree_of(*seen(FollowMarks::privileged_alone)).at("open/own"), "file own");
  EXPECT_EQ(refusal(*seen(FollowMarks::privileged_alone), "open/key"), ENOENT);
}

TEST_F(HostileMarks, OfDirectoriesAreFollowedForWhoAsksForIt) {
  auto all = seen(FollowMarks::all);
  EXPECT_EQ(text_of(*all, "open/key"), "secret");
  EXPECT_EQ(text_of(*all, "open/own"), "own");
  // The kernel has no such thing, and we write none.
  EXPECT_EQ(text_of(*all, "file"), "!EIO");
}

TEST_F(HostileMarks, LeadNowhereOutOfTheLayersBelow) {
  top_.write("away/own", "own");
  for (const char* target : {"/../etc", "..", ".", "", "/", "private/dir", "//"}) {
    ASSERT_TRUE(set_xattr(top_, "open", "user.overlay.redirect", target));
    EXPECT_EQ(refusal(*seen(FollowMarks::all), "open"), EIO) << target;
  }
  // A symlink on the way is not followed, and one that leads to what is above it finds only what is below.
  ASSERT_EQ(::symlink("/private", (bottom_ / "link").c_str()), 0);
  for (const char* target : {"/link/dir", "/not/there", "/file", "/away"}) {
    ASSERT_TRUE(set_xattr(top_, "open", "user.overlay.redirect", target));
    EXPECT_EQ(tree_of(*seen(FollowMarks::all)).at("open/own"), "file own") << target;
    EXPECT_EQ(refusal(*seen(FollowMarks::all), "open/key"), ENOENT) << target;
  }
}

TEST_F(HostileMarks, ThatRootHasSetAreRefusedWhereNoneAreWanted) {
  ASSERT_TRUE(sys::remove_xattr(sys::open(top_ / "open", O_RDONLY)->ref(), "user.overlay.redirect"));
  SET_XATTR_OR_SKIP(top_, "open", "trusted.overlay.redirect", "/private/dir");
  SET_XATTR_OR_SKIP(top_, "file", "trusted.overlay.metacopy", "");
  SET_XATTR_OR_SKIP(top_, "file", "trusted.overlay.redirect", "/private/dir/key");
  auto followed = seen(FollowMarks::privileged);
  EXPECT_EQ(text_of(*followed, "open/key"), "secret");
  EXPECT_EQ(text_of(*followed, "file"), "secret");
  auto refused = seen(FollowMarks::none);
  EXPECT_EQ(refusal(*refused, "open"), EPERM);
  EXPECT_EQ(text_of(*refused, "file"), "!EIO");
}

TEST(DirLayer, HonoursOverrideStat) {
  TempDir dir;
  dir.write("suid", "x");
  dir.write("null", "");
  dir.write("link", "target");
  dir.mkdir("d");
  SET_XATTR_OR_SKIP(dir, "", "user.containers.override_stat", "0:0:755:dir");
  ASSERT_TRUE(set_xattr(dir, "suid", "user.containers.override_stat", "7:8:4755:file"));
  ASSERT_TRUE(set_xattr(dir, "null", "user.containers.override_stat", "0:0:0666:char-1-3"));
  ASSERT_TRUE(set_xattr(dir, "link", "user.containers.override_stat", "0:0:0777:symlink"));
  ASSERT_TRUE(set_xattr(dir, "d", "user.containers.override_stat", "9:9:1777:dir"));
  ASSERT_TRUE(set_xattr(dir, "d", "user.containers.override_security.x", "cap"));
  auto layer = layer_of(dir);

  EXPECT_EQ(tree_of(*layer),
            (Tree{{"d", "dir"}, {"link", "link target"}, {"null", "char 1:3"}, {"suid", "file x"}}));
  EXPECT_EQ(at(*layer, "suid")->attr.mode, mode_t{S_IFREG | 04755});
  EXPECT_EQ(at(*layer, "suid")->attr.uid, 7U);
  EXPECT_EQ(at(*layer, "d")->attr.mode, mode_t{S_IFDIR | 01777});
  EXPECT_EQ(layer->xattrs(at(*layer, "suid")->node)->size(), 0U);
  EXPECT_EQ(*layer->xattr(at(*layer, "d")->node, "security.x"), "cap");
}

TEST(DirLayer, AnswersEioForAnOverrideStatNobodyCanRead) {
  TempDir dir;
  dir.mkdir("d");
  SET_XATTR_OR_SKIP(dir, "", "user.containers.override_stat", "0:0:755:dir");
  ASSERT_TRUE(set_xattr(dir, "d", "user.containers.override_stat", "nonsense"));

  EXPECT_TRUE(at(*layer_of(dir), "d").error().is(EIO));
}

TEST(DirLayer, HidesPrivateAttributesAndUnescapesNestedOnes) {
  TempDir dir;
  dir.write("f", "");
  SET_XATTR_OR_SKIP(dir, "f", "user.mine", "1");
  SET_XATTR_OR_SKIP(dir, "f", "user.overlay.origin", "2");
  SET_XATTR_OR_SKIP(dir, "f", "user.overlay.overlay.opaque", "3");
  auto layer = layer_of(dir);
  const Node f = at(*layer, "f")->node;

  EXPECT_EQ(*layer->xattr(f, "user.mine"), "1");
  EXPECT_EQ(*layer->xattr(f, "user.overlay.opaque"), "3");
  EXPECT_TRUE(layer->xattr(f, "user.overlay.origin").error().is(ENODATA));
  EXPECT_EQ(layer->xattrs(f)->size(), 2U);
}

TEST(DirLayer, HoldsTheBudgetOfSystemCalls) {
  TempDir dir;
  for (int i = 0; i < 50; ++i) dir.write(fmt::format("d/f{}", i), "");
  dir.write("d/sub/f", "");
  auto layer = layer_of(dir);
  const Node d = at(*layer, "d")->node;
  ASSERT_TRUE(layer->lookup(d, "f1"));
  {
    Counter absent;
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(layer->lookup(d, fmt::format("no{}", i)).error().is(ENOENT));
    EXPECT_EQ(absent.total(), 0) << "an absent name in a known directory";
  }
  {
    Counter present;
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(layer->lookup(d, fmt::format("f{}", i)));
    EXPECT_TRUE(layer->lookup(d, "sub"));
    EXPECT_EQ(present.total(), 51) << "one statx each";
    EXPECT_EQ(present.of(sys::Call::statx), 51);
  }
  {
    Counter listing;
    EXPECT_TRUE(layer->list(d, [](const DirEntry&) { return true; }));
    EXPECT_EQ(listing.total(), 0);
  }
  {
    const Node sub = layer->lookup(d, "sub")->node;
    Counter first;
    EXPECT_TRUE(layer->lookup(sub, "none").error().is(ENOENT));
    EXPECT_EQ(first.of(sys::Call::openat), 1);
    EXPECT_LE(first.total(), 5) << "open, seek, two getdents, list attributes: once a directory";
  }
}

TEST(DirLayer, AsksForOpacityOnlyWhereALowerDirectoryIs) {
  TempDir top, bottom;
  for (int i = 0; i < 20; ++i) top.write(fmt::format("d{}/f", i), "");
  bottom.write("d3/g", "");
  auto all = stack_of({layer_of(top), layer_of(bottom)});
  ASSERT_TRUE(all->lookup(all->root(), "none").error().is(ENOENT));
  const auto name = [](int i) { return fmt::format("d{}", i); };
  Counter counter;

  for (int i = 0; i < 20; ++i) {
    if (i != 3) {
      EXPECT_TRUE(all->lookup(all->root(), name(i)));
    }
  }

  EXPECT_EQ(counter.total(), 19);
}

TEST(DirLayer, AnswersAbsenceOnlyWhenItIsProven) {
  for (const auto& [call, code] : {std::pair(sys::Call::openat, EMFILE), std::pair(sys::Call::openat, EACCES),
                                   std::pair(sys::Call::getdents, EIO), std::pair(sys::Call::listxattr, EIO),
                                   std::pair(sys::Call::statx, ENOMEM)}) {
    TempDir dir;
    dir.write("d/f", "");
    auto layer = layer_of(dir);
    const Node d = at(*layer, "d")->node;
    {
      Counter failing;
      failing.fail(call, code);
      EXPECT_TRUE(layer->lookup(d, "f").error().is(code)) << name_of(call);
      if (call != sys::Call::statx) {
        EXPECT_TRUE(layer->lookup(d, "absent").error().is(code)) << name_of(call);
      }
    }
    EXPECT_TRUE(layer->lookup(d, "f")) << "the failure was remembered after " << name_of(call);
  }
}

TEST(DirLayer, GivesDescriptorsBackWhenThereAreNoneLeft) {
  TempDir dir;
  for (int i = 0; i < 40; ++i) dir.write(fmt::format("d{}/s/f", i), "x");
  auto layer = layer_of(dir);
  // Held directories keep their descriptors, as far as the cache reaches.
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(layer->lookup(at(*layer, fmt::format("d{}/s", i))->node, "none").error().is(ENOENT));
  // No more descriptors than are open now.
  std::vector<Fd> taken;
  for (;;) {
    auto more = sys::open("/dev/null", O_RDONLY);
    if (!more) break;
    taken.push_back(*std::move(more));
  }

  for (int i = 0; i < 40; ++i) EXPECT_EQ(text_of(*layer, fmt::format("d{}/s/f", i)), "x") << i;
}

TEST(DirLayer, ReadsATreeDeeperThanItsDescriptorCache) {
  TempDir dir;
  std::string path = "d";
  Fd at_depth = dir.open();
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(sys::mkdir({at_depth.ref(), "d"}, 0755));
    at_depth = *sys::open({at_depth.ref(), "d"}, O_PATH | O_DIRECTORY);
    if (i > 0) path += "/d";
  }
  auto layer = layer_of(dir);

  auto deepest = at(*layer, path);

  ASSERT_TRUE(deepest) << deepest.error().message();
  layer->release(deepest->node);
}

TEST(DirLayer, TellsHolesFromData) {
  TempDir dir;
  const Fd file = *sys::open(dir / "f", O_RDWR | O_CREAT, 0644);
  ASSERT_TRUE(sys::truncate(file.ref(), 4 << 20));
  ASSERT_TRUE(sys::pwrite_full(file.ref(), std::as_bytes(std::span("data", 4)), 2 << 20));
  auto layer = layer_of(dir);
  auto view = *layer->open(at(*layer, "f")->node);

  std::uint64_t holes = 0, offset = 0;
  while (offset < view->size()) {
    const Segment segment = view->segment(offset);
    ASSERT_EQ(segment.offset, offset);
    ASSERT_GT(segment.length, 0U);
    if (segment.hole) holes += segment.length;
    EXPECT_TRUE(offset != (2 << 20) || !segment.hole);
    offset += segment.length;
  }
  EXPECT_EQ(offset, view->size());
  EXPECT_GT(holes, 3U << 20);
  auto extent = view->extent(1);
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->length, view->size() - 1);
  view.reset();
  std::byte some[4];
  EXPECT_EQ(*sys::pread_full(extent->fd, some, 2 << 20), 4U) << "the pin keeps the descriptor";
}

TEST(DirLayer, ServesThreadsThatComeAndGo) {
  TempDir dir;
  for (int i = 0; i < 8; ++i) dir.write(fmt::format("d{}/s/f", i), std::to_string(i));
  auto layer = layer_of(dir);
  std::atomic<int> wrong = 0;

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1500; ++i)
        if (text_of(*layer, fmt::format("d{}/s/f", i % 8)) != std::to_string(i % 8)) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(wrong, 0);
}

// As /home is to everybody where it is root's with mode 0711.
TEST(DirLayer, LooksUpWhatMayBeSearchedAndNotRead) {
  const test::AsAPlainUser plain;
  TempDir top, bottom;
  for (const char* file : {"x/a", "x/gone", "x/device", "x/d/below", "x/kept"}) bottom.write(file, "bottom");
  bottom.write("x/o/below", "bottom");
  top.write("x/a", "text");
  top.write("x/.wh.gone", "");
  ASSERT_TRUE(sys::mknod(FileAt{kWorkingDir, (top / "x/device").c_str()}, S_IFCHR | 0600, makedev(0, 0)));
  top.write("x/d/new", "top");
  top.write("x/.wh.d", "");
  top.write("x/o/.wh..wh..opq", "");
  top.write("x/o/new", "top");
  ASSERT_EQ(::symlink("a", (top / "x/l").c_str()), 0);
  ASSERT_EQ(::chmod((top / "x/o").c_str(), 0111), 0);
  ASSERT_EQ(::chmod((top / "x").c_str(), 0111), 0);
  const auto layer = layer_of(top);
  const auto stack = stack_of({layer, layer_of(bottom)});

  auto found = at(*layer, "x/a");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(text_of(*layer, "x/a"), "text");
  EXPECT_EQ(*layer->readlink(at(*layer, "x/l")->node), "a");
  const Entry x = *at(*layer, "x");
  EXPECT_EQ(layer->lookup(x.node, "gone")->marker, Marker::whiteout);
  EXPECT_EQ(layer->lookup(x.node, "device")->marker, Marker::whiteout);
  EXPECT_EQ(at(*layer, "x/d")->marker, Marker::opaque);
  EXPECT_TRUE(*layer->is_opaque(at(*layer, "x/o")->node));
  for (const char* none : {"x/none", "x/.wh.gone", "x/.wh.d"}) EXPECT_TRUE(at(*layer, none).error().is(ENOENT)) << none;
  for (const char* none : {"", ".", "..", "d/new"}) EXPECT_TRUE(layer->lookup(x.node, none).error().is(ENOENT)) << none;
  EXPECT_TRUE(layer->list(x.node, [](const DirEntry&) { return true; }).error().is(EACCES));

  EXPECT_EQ(text_of(*stack, "x/kept"), "bottom");
  EXPECT_EQ(text_of(*stack, "x/d/new"), "top");
  for (const char* none : {"x/gone", "x/device", "x/d/below", "x/o/below"}) EXPECT_TRUE(at(*stack, none).error().is(ENOENT)) << none;
}

TEST(DirLayer, AMarkThatMayNotBeReadIsNotTakenForNone) {
  const test::AsAPlainUser plain;
  TempDir top;
  top.write("x/f", "");
  SET_XATTR_OR_SKIP(top, "x", "user.overlay.opaque", "x");
  ASSERT_EQ(::chmod((top / "x").c_str(), 0111), 0);
  EXPECT_TRUE(at(*layer_of(top), "x/f").error().is(EACCES));
}

TEST(DirLayer, FindsXattrWhiteoutsWithoutAListing) {
  TempDir top;
  top.write("x/f", "");
  top.write("x/g", "");
  SET_XATTR_OR_SKIP(top, "x", "user.overlay.opaque", "x");
  SET_XATTR_OR_SKIP(top, "x/f", "user.overlay.whiteout", "");
  const auto layer = layer_of(top);
  const Entry x = *at(*layer, "x");
  struct NoListing final : sys::Hook {
    int before(sys::Call call) noexcept override { return call == sys::Call::openat && !std::exchange(refused, true) ? EACCES : 0; }
    bool refused = false;
  } no_listing;
  sys::install(&no_listing);
  const auto f = layer->lookup(x.node, "f");
  const auto g = layer->lookup(x.node, "g");
  sys::install(nullptr);
  EXPECT_EQ(f->marker, Marker::whiteout);
  EXPECT_EQ(g->marker, Marker::none);
}

}  // namespace
}  // namespace acetate
