// Refresh: a lower changed behind our back, and a layer more under what runs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Not;

class RefreshTest : public ::testing::Test {
 protected:
  LayerPtr tree(const std::vector<std::string>& names) const {
    std::vector<LayerPtr> layers;
    for (const std::string& name : names) layers.push_back(*open_dir_layer(*sys::open(lowers_ / name, O_PATH | O_DIRECTORY)));
    return *make_stack(std::move(layers));
  }
  void mount() { m_.emplace(tree({"low"}), OverlayOptions{.durable = false}); }
  Stale refresh(const std::vector<std::string>& names = {"low"}, std::string_view within = "") {
    return m_->overlay().refresh(tree(names), within, false);
  }
  Mounted& m() { return *m_; }

  test::TempDir lowers_;
  std::optional<Mounted> m_;
};

auto entry(Ino parent, const std::string& name) {
  return testing::AllOf(Field(&StaleEntry::parent, parent), Field(&StaleEntry::name, name));
}

TEST_F(RefreshTest, ShowsWhatWasChangedAddedAndRemovedBehindOurBack) {
  lowers_.write("low/d/kept", "before");
  lowers_.write("low/d/gone", "x");
  mount();
  const Ino dir = m().ino("d");
  const Ino kept = m().ino("d/kept");
  ASSERT_EQ(*m().read("d/gone"), "x");
  ASSERT_EQ(code(m().look("d/new")), ENOENT);

  lowers_.write("low/d/kept", "after, and longer");
  ASSERT_EQ(::unlink((lowers_ / "low/d/gone").c_str()), 0);
  lowers_.write("low/d/new", "y");
  const Stale stale = refresh();

  EXPECT_EQ(*m().read("d/kept"), "after, and longer");
  EXPECT_EQ(m().ino("d/kept"), kept);
  EXPECT_EQ(m().ino("d"), dir);
  EXPECT_EQ(code(m().look("d/gone")), ENOENT);
  EXPECT_EQ(*m().read("d/new"), "y");
  EXPECT_THAT(*m().names("d"), ElementsAre("kept", "new"));
  EXPECT_THAT(stale.entries, Contains(entry(dir, "gone")));
  EXPECT_THAT(stale.entries, Contains(entry(dir, "new")));
  EXPECT_THAT(stale.inodes, Contains(kept));
  EXPECT_THAT(stale.inodes, Contains(dir));
}

TEST_F(RefreshTest, AReplacedFileIsAnotherOneAndItsOldHandleKeepsWhatItHad) {
  lowers_.write("low/f", "old");
  mount();
  const Ino before = m().ino("f");
  const Handle handle = *m().open("f", O_RDONLY);

  lowers_.write("low/f.new", "new");
  ASSERT_EQ(::rename((lowers_ / "low/f.new").c_str(), (lowers_ / "low/f").c_str()), 0);
  const Stale stale = refresh();

  EXPECT_THAT(stale.entries, Contains(entry(Ino::root, "f")));
  EXPECT_NE(m().ino("f"), before);
  EXPECT_EQ(*m().read("f"), "new");
  EXPECT_EQ(m().read_through(handle), "old");
  EXPECT_EQ(code(m().overlay().getattr(before)), ESTALE);
  m().overlay().release(handle);
}

// Each keeps the whole tree it came from open, and there may be one refresh after another.
TEST_F(RefreshTest, AReplacedFileThatNobodyHasOpenKeepsNoLayerOpen) {
  lowers_.write("low/f", "old");
  lowers_.write("added/f", "new");
  LayerPtr first = tree({"low"});
  const std::weak_ptr<const Layer> old = first;
  const auto overlay = *Overlay::open(std::exchange(first, nullptr), std::nullopt, std::nullopt, {});
  const Ino before = overlay->lookup(Ino::root, "f")->ino;

  overlay->refresh(tree({"added", "low"}), "", false);

  EXPECT_TRUE(old.expired());
  EXPECT_NE(overlay->lookup(Ino::root, "f")->ino, before);
}

TEST_F(RefreshTest, AnOpenHandleSeesWhatAFileHasGrownTo) {
  lowers_.write("low/log", "one\n");
  mount();
  const Handle handle = *m().open("log", O_RDONLY);
  ASSERT_EQ(m().read_through(handle), "one\n");

  const Fd file = *sys::open(lowers_ / "low/log", O_WRONLY | O_APPEND);
  ASSERT_TRUE(sys::write_full(file.ref(), "two\n"));
  refresh();

  EXPECT_EQ(m().read_through(handle), "one\ntwo\n");
  m().overlay().release(handle);
}

TEST_F(RefreshTest, WhatWasWrittenStaysOnTop) {
  lowers_.write("low/d/f", "lower");
  lowers_.write("low/d/deleted", "lower");
  mount();
  ASSERT_TRUE(m().write("d/f", "upper"));
  ASSERT_TRUE(m().unlink("d/deleted"));

  lowers_.write("low/d/f", "changed");
  lowers_.write("low/d/more", "more");
  refresh();

  EXPECT_EQ(*m().read("d/f"), "upper");
  EXPECT_EQ(code(m().look("d/deleted")), ENOENT);
  EXPECT_EQ(*m().read("d/more"), "more");
  ASSERT_TRUE(m().write("d/more", "copied up"));
  EXPECT_EQ(*m().read("d/more"), "copied up");
}

TEST_F(RefreshTest, AddsALayerUnderWhatRuns) {
  lowers_.write("low/d/f", "bottom");
  lowers_.write("low/d/hidden", "bottom");
  lowers_.write("added/d/f", "top");
  lowers_.write("added/d/.wh.hidden", "");
  lowers_.write("added/e/g", "only there");
  mount();
  const Ino dir = m().ino("d");
  ASSERT_TRUE(m().mkdir("e"));  // in the upper alone until now

  refresh({"added", "low"});

  EXPECT_EQ(m().ino("d"), dir);
  EXPECT_EQ(*m().read("d/f"), "top");
  EXPECT_EQ(code(m().look("d/hidden")), ENOENT);
  EXPECT_EQ(*m().read("e/g"), "only there");
  ASSERT_TRUE(m().unlink("e/g"));
  EXPECT_EQ(m().upper().at("e/g"), "whiteout");
}

TEST_F(RefreshTest, AnOpaqueDirectoryOfTheUpperStaysSo) {
  lowers_.write("low/d/f", "x");
  mount();
  ASSERT_TRUE(m().unlink("d/f"));
  ASSERT_TRUE(m().rmdir("d"));
  ASSERT_TRUE(m().mkdir("d"));

  lowers_.write("low/d/new", "y");
  refresh();

  EXPECT_EQ(code(m().look("d/new")), ENOENT);
}

TEST_F(RefreshTest, ATreeThatWentAwayIsLeftWithoutHarm) {
  lowers_.write("low/a/b/c", "deep");
  mount();
  const Ino deep = m().ino("a/b/c");
  const Ino middle = m().ino("a/b");

  ASSERT_TRUE(sys::remove_tree(FileAt{kWorkingDir, (lowers_ / "low/a").c_str()}));
  refresh();

  EXPECT_EQ(code(m().look("a")), ENOENT);
  EXPECT_EQ(code(m().overlay().getattr(deep)), ESTALE);
  EXPECT_EQ(code(m().overlay().lookup(middle, "c")), ESTALE);
  lowers_.write("low/a/b/c", "again");
  refresh();
  EXPECT_EQ(*m().read("a/b/c"), "again");
}

TEST_F(RefreshTest, OfOnePathTellsOfThatAlone) {
  lowers_.write("low/a/f", "x");
  lowers_.write("low/b/g", "x");
  mount();
  const Ino a = m().ino("a");
  const Ino b = m().ino("b");
  const Ino f = m().ino("a/f");
  const Ino g = m().ino("b/g");

  const Stale stale = refresh({"low"}, "a");

  EXPECT_THAT(stale.inodes, Contains(a));
  EXPECT_THAT(stale.inodes, Contains(f));
  EXPECT_THAT(stale.inodes, Not(Contains(b)));
  EXPECT_THAT(stale.inodes, Not(Contains(g)));
}

TEST_F(RefreshTest, CanBeDoneAgainAndAgainWithoutKeepingAnything) {
  lowers_.write("low/d/f", "x");
  mount();
  ASSERT_EQ(*m().read("d/f"), "x");
  refresh();
  const std::uint64_t inodes = m().overlay().stats().inodes;

  for (int i = 0; i < 100; ++i) {
    refresh();
    ASSERT_EQ(*m().read("d/f"), "x");
  }

  EXPECT_EQ(m().overlay().stats().inodes, inodes);
  m().forget_all();
  EXPECT_EQ(m().overlay().stats().inodes, 1U);
}

TEST_F(RefreshTest, FindsWhatAMovedDirectoryIsMergedWith) {
  lowers_.write("low/a/f", "x");
  m_.emplace(tree({"low"}), OverlayOptions{.durable = false, .redirect_dir = true});
  const auto moved = m().rename("a", "moved");
  if (code(moved) == EXDEV) GTEST_SKIP() << "the file system of the temporary directory has no extended attributes";
  ASSERT_TRUE(moved);

  lowers_.write("low/a/new", "y");
  refresh();

  EXPECT_THAT(*m().names("moved"), ElementsAre("f", "new"));
  EXPECT_EQ(*m().read("moved/new"), "y");
}

}  // namespace
}  // namespace acetate::fs
