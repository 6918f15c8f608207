// index=on: the names of a lower hard link stay one file, whatever happens to one of them, and at the next mount too.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <stdio.h>

#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const OverlayOptions kIndex{.durable = false, .redirect_dir = true, .index = true};

MemoryEntry name_of(std::string path, std::string of) {
  MemoryEntry entry = memory_file(std::move(path), "");
  entry.hardlink_to = std::move(of);
  return entry;
}

std::vector<MemoryEntry> three_names() {
  return {memory_file("a/f", "lower", 0444), name_of("b/g", "a/f"), name_of("h", "a/f"), memory_file("single", "s")};
}

std::vector<std::string> in_index(const Mounted& m) {
  std::vector<std::string> names;
  const Fd dir = *sys::open(m.dir() / "work/acetate.index", O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  return names;
}

class NoLinks final : public sys::Hook {
 public:
  NoLinks() : before_(sys::install(this)) {}
  ~NoLinks() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == sys::Call::linkat ? ENOSPC : 0; }

 private:
  Hook* before_;
};

class Links : public ::testing::Test {
 protected:
  Mounted m{three_names(), kIndex};

  // Every one of them is the same file, with as many links as there are of them.
  void expect_one_file(const std::vector<std::string>& names, const std::string& text) {
    for (int mount = 0; mount < 2; ++mount) {
      for (const std::string& name : names) {
        SCOPED_TRACE(name + (mount == 0 ? "" : ", at the next mount"));
        EXPECT_EQ(*m.read(name), text);
        EXPECT_EQ(m.attr(name).ino, shown_);
        EXPECT_EQ(m.attr(name).nlink, names.size());
        EXPECT_EQ(m.ino(name), m.ino(names.front()));
      }
      m.remount();
    }
  }
  Result<void> write_through(const std::string& name, const std::string& text) {
    const Handle handle = TRY(m.open(name, O_RDWR | O_TRUNC));
    auto written = m.write_at(handle, 0, text);
    m.overlay().release(handle);
    return written;
  }

  const std::uint64_t shown_ = m.attr("a/f").ino;
};

TEST_F(Links, AreOneFileFromTheFirstLookOn) { expect_one_file({"a/f", "b/g", "h"}, "lower"); }

TEST_F(Links, ShowWhatWasWrittenThroughOneOfThem) {
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  expect_one_file({"a/f", "b/g", "h"}, "new");
  EXPECT_EQ(m.attr("single").nlink, 1U);
}

TEST_F(Links, AreInTheUpperByTheNamesThatAreKnown) {
  m.ino("h");
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  // For whoever reads the upper alone; a name that nobody asked for is the lower's there.
  EXPECT_EQ(m.upper(), (Tree{{"a", "/"}, {"a/f", "new"}, {"h", "new"}}));
  ASSERT_EQ(code(m.chmod("b/g", 0600)), 0);
  EXPECT_EQ(m.upper(), (Tree{{"a", "/"}, {"a/f", "new"}, {"b", "/"}, {"b/g", "new"}, {"h", "new"}}));
  EXPECT_EQ(m.attr("h").mode, S_IFREG | 0600);
  expect_one_file({"a/f", "b/g", "h"}, "new");
}

TEST_F(Links, AreReadThroughANameThatCannotBeLinkedYet) {
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  const NoLinks full;  // a disk without room for a name
  EXPECT_EQ(*m.read("b/g"), "new");
  EXPECT_EQ(m.attr("b/g").ino, shown_);
}

TEST_F(Links, AHandleThatWasOpenBeforeReadsWhatIsWrittenThroughAnotherName) {
  const Handle before = *m.open("b/g", O_RDONLY);
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  EXPECT_EQ(m.read_through(before), "new");
  m.overlay().release(before);
}

TEST_F(Links, LoseANameWithoutBeingCopied) {
  ASSERT_EQ(code(m.unlink("h")), 0);
  EXPECT_EQ(m.overlay().stats().copy_ups, 0U);
  expect_one_file({"a/f", "b/g"}, "lower");
  ASSERT_EQ(code(write_through("b/g", "new")), 0);
  expect_one_file({"a/f", "b/g"}, "new");
}

TEST_F(Links, LoseANameAfterTheyWereCopied) {
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  ASSERT_EQ(code(m.unlink("a/f")), 0);
  expect_one_file({"b/g", "h"}, "new");
  ASSERT_EQ(code(m.unlink("h")), 0);
  expect_one_file({"b/g"}, "new");
}

TEST_F(Links, LeaveNothingBehindWhenTheLastNameGoes) {
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  const Handle open = *m.open("a/f", O_RDONLY);
  for (const char* name : {"a/f", "h", "b/g"}) ASSERT_EQ(code(m.unlink(name)), 0);
  EXPECT_THAT(in_index(m), IsEmpty());
  EXPECT_EQ(m.read_through(open), "new");
  EXPECT_EQ(m.upper(), (Tree{{"a", "/"}, {"a/f", "whiteout"}, {"b", "/"}, {"b/g", "whiteout"}, {"h", "whiteout"}}));
  m.overlay().release(open);
  m.forget_all();
  EXPECT_EQ(m.overlay().stats().inodes, 2U);  // the root, and the index
}

TEST_F(Links, LeaveNothingBehindWhenTheLastNameGoesUncopied) {
  const Handle open = *m.open("a/f", O_RDONLY);
  for (const char* name : {"a/f", "h", "b/g"}) ASSERT_EQ(code(m.unlink(name)), 0);
  EXPECT_THAT(in_index(m), IsEmpty());
  EXPECT_EQ(m.read_through(open), "lower");
  m.overlay().release(open);
}

TEST_F(Links, AnUnlinkedFileIsWrittenToAsEver) {
  const Ino file = m.ino("a/f");
  const Handle open = *m.open("a/f", O_RDONLY);
  for (const char* name : {"a/f", "h", "b/g"}) ASSERT_EQ(code(m.unlink(name)), 0);
  EXPECT_EQ(m.overlay().getattr(file)->nlink, 0U);
  ASSERT_EQ(code(m.overlay().setattr(file, {.size = 2}, {})), 0);
  EXPECT_EQ(m.read_through(open), "lo");
  EXPECT_EQ(m.overlay().getattr(file)->nlink, 0U);
  EXPECT_THAT(in_index(m), IsEmpty());
  m.overlay().release(open);
}

TEST_F(Links, GetMore) {
  ASSERT_EQ(code(m.link("b/g", "a/more")), 0);
  expect_one_file({"a/f", "b/g", "h", "a/more"}, "lower");
  ASSERT_EQ(code(write_through("h", "new")), 0);
  expect_one_file({"a/f", "b/g", "h", "a/more"}, "new");
}

TEST_F(Links, TakeANameAgainThatTheyHad) {
  ASSERT_EQ(code(m.unlink("h")), 0);
  ASSERT_EQ(code(m.link("a/f", "h")), 0);
  expect_one_file({"a/f", "b/g", "h"}, "lower");
}

TEST_F(Links, AreRenamed) {
  ASSERT_EQ(code(m.rename("h", "b/moved")), 0);
  expect_one_file({"a/f", "b/g", "b/moved"}, "lower");
  ASSERT_EQ(code(m.rename("b/moved", "a/f")), 0);  // two names of one file: nothing is to be done
  expect_one_file({"a/f", "b/g", "b/moved"}, "lower");
  ASSERT_EQ(code(m.rename("a/f", "single", RENAME_EXCHANGE)), 0);
  expect_one_file({"single", "b/g", "b/moved"}, "lower");
  EXPECT_EQ(*m.read("a/f"), "s");
}

TEST_F(Links, AreExchangedWhereTheCopyHasNoNameYet) {
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  ASSERT_EQ(code(write_through("single", "other")), 0);
  ASSERT_EQ(code(m.rename("single", "b/g", RENAME_EXCHANGE)), 0);
  expect_one_file({"a/f", "single", "h"}, "new");
  EXPECT_EQ(*m.read("b/g"), "other");
}

TEST_F(Links, LoseANameThatAnotherFileTakes) {
  ASSERT_EQ(code(m.rename("single", "h")), 0);
  expect_one_file({"a/f", "b/g"}, "lower");
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  ASSERT_EQ(code(m.rename("h", "b/g")), 0);
  EXPECT_EQ(*m.read("b/g"), "s");
  expect_one_file({"a/f"}, "new");
  ASSERT_EQ(code(m.rename("b/g", "a/f")), 0);
  EXPECT_THAT(in_index(m), IsEmpty());
  EXPECT_EQ(m.merged(), (Tree{{"a", "/"}, {"a/f", "s"}, {"b", "/"}}));
}

TEST_F(Links, KeepTogetherBelowARenamedDirectory) {
  ASSERT_EQ(code(m.rename("b", "c")), 0);
  ASSERT_EQ(code(write_through("c/g", "new")), 0);
  expect_one_file({"a/f", "c/g", "h"}, "new");
}

TEST_F(Links, AreListedWithTheNumberTheyShow) {
  ASSERT_EQ(code(write_through("a/f", "new")), 0);
  for (const char* dir : {"a", "b", ""}) {
    ASSERT_EQ(code(m.overlay().readdir(m.ino(dir), 0, [&](const ListedEntry& entry) {
      const bool is_one = entry.name == "f" || entry.name == "g" || entry.name == "h";
      EXPECT_TRUE(!is_one || entry.ino == shown_) << entry.name;
      return true;
    })), 0);
  }
}

TEST_F(Links, PartWithoutTheOption) {
  Mounted without(three_names(), {.durable = false});
  ASSERT_EQ(code(without.chmod("a/f", 0600)), 0);
  EXPECT_NE(without.ino("a/f"), without.ino("h"));
  EXPECT_EQ(without.attr("h").mode, S_IFREG | 0444);
}

// --- what is found at a mount

class SecondUnlinkFails final : public sys::Hook {
 public:
  SecondUnlinkFails() : before_(sys::install(this)) {}
  ~SecondUnlinkFails() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == sys::Call::unlinkat && ++seen_ == 2 ? EIO : 0; }

 private:
  int seen_ = 0;
  Hook* before_;
};

class FoundLinks : public Links {
 protected:
  void SetUp() override {
    ASSERT_EQ(code(write_through("a/f", "new")), 0);
    entry_ = m.dir() / "work/acetate.index/" + in_index(m).front();
  }
  std::string refusal() {
    auto mounted = m.try_remount();
    return mounted ? "" : mounted.error().message();
  }
  std::string entry_;
};

TEST_F(FoundLinks, OfAFileThatTheLowerHasNoMoreAreForgotten) {
  auto changed = three_names();
  changed[0].content = "another";
  ASSERT_EQ(code(m.try_remount_over(changed)), 0);
  EXPECT_THAT(in_index(m), IsEmpty());
  // What was written stays where it was written.
  EXPECT_EQ(*m.read("a/f"), "new");
  EXPECT_EQ(*m.read("h"), "another");
  EXPECT_EQ(m.attr("a/f").nlink, 1U);
}

TEST_F(FoundLinks, OfAFileThatIsNoMoreAtItsPathAreForgotten) {
  ASSERT_EQ(code(m.try_remount_over({memory_file("h", "lower", 0444), name_of("g", "h")})), 0);
  EXPECT_THAT(in_index(m), IsEmpty());
}

TEST_F(FoundLinks, OfWhichNoNameIsLeftAreForgotten) {
  ASSERT_EQ(code(m.unlink("h")), 0);
  ASSERT_EQ(code(m.unlink("b/g")), 0);
  {
    // The first takes away what the whiteout was exchanged with, the second the entry.
    const SecondUnlinkFails failing;
    ASSERT_EQ(code(m.unlink("a/f")), 0);
  }
  ASSERT_THAT(in_index(m), Not(IsEmpty()));
  m.remount();
  EXPECT_THAT(in_index(m), IsEmpty());
}

TEST_F(FoundLinks, AreRefusedWhereSomethingElseLiesAmongThem) {
  m.dir().mkdir("work/acetate.index/mine");
  EXPECT_THAT(refusal(), HasSubstr("acetate.index/mine was not made by us"));
}

TEST_F(FoundLinks, AreRefusedWithoutTheirOrigin) {
  const Fd file = *sys::open(entry_, O_PATH);
  const auto attributes = *sys::list_xattrs(file.ref());
  for (const std::string& name : attributes) {
    if (!name.ends_with("acetate.origin")) continue;
    ASSERT_EQ(code(sys::set_xattr(file.ref(), name.c_str(), "")), 0);
  }
  m.remount();
  EXPECT_THAT(in_index(m), IsEmpty());
  const Fd made = *sys::open(entry_, O_WRONLY | O_CREAT, 0600);
  EXPECT_THAT(refusal(), HasSubstr("was not made by us"));
}

TEST_F(FoundLinks, OfAnotherUpperDirectoryAreRefused) {
  const std::string upper = m.dir() / "upper";
  ASSERT_TRUE(sys::rename(FileAt{kWorkingDir, upper.c_str()}, FileAt{kWorkingDir, (m.dir() / "first").c_str()}));
  m.dir().mkdir("upper");
  EXPECT_THAT(refusal(), HasSubstr("belongs to another upper directory"));
}

TEST_F(FoundLinks, OfTheKernelAreRefused) {
  m.dir().mkdir("work/index");
  m.remount();  // an empty one is nobody's
  m.dir().write("work/index/00fb1d", "");
  EXPECT_THAT(refusal(), HasSubstr("the kernel's overlay keeps an index"));
}

TEST_F(FoundLinks, AreLeftAloneWithoutTheOption) {
  ASSERT_EQ(code(m.try_remount_over(three_names(), OverlayOptions{.durable = false})), 0);
  EXPECT_EQ(*m.read("a/f"), "new");
  EXPECT_EQ(*m.read("h"), "lower");
  ASSERT_EQ(code(m.try_remount_over(three_names(), kIndex)), 0);
  expect_one_file({"a/f", "b/g", "h"}, "new");
}

TEST(LinksWithoutAttributes, AreRefused) {
  Mounted m({memory_file("f", "x")}, {.durable = false});
  auto mounted = m.try_remount_over({memory_file("f", "x")}, OverlayOptions{.xattrs = false, .index = true});
  ASSERT_EQ(code(mounted), ENOTSUP);
  EXPECT_THAT(mounted.error().message(), HasSubstr("index=on"));
}

}  // namespace
}  // namespace acetate::fs
