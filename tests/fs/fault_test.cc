// Every system call of every change is made to fail once: the tree is then as before or as after, nothing is
// left in the work directory, no descriptor is left open, and a new mount sees the same. And the process is killed
// before every one of them: a new mount then sees the tree as before or as after.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::AnyOf;
using ::testing::IsEmpty;

class FailNth final : public sys::Hook {
 public:
  FailNth(std::uint64_t nth, int errno_code) : nth_(nth), code_(errno_code), before_(sys::install(this)) {}
  ~FailNth() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (seen_.fetch_add(1) + 1 != nth_) return 0;
    failed_ = call;
    return code_;
  }
  bool fired() const { return failed_ != sys::Call::count_; }
  std::string_view what() const { return sys::name_of(failed_); }

 private:
  std::uint64_t nth_;
  int code_;
  std::atomic<std::uint64_t> seen_{0};
  sys::Call failed_ = sys::Call::count_;
  Hook* before_;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

struct Step {
  const char* name;
  std::function<Result<void>(Mounted&)> prepare;
  std::function<Result<void>(Mounted&)> act;
};

std::vector<MemoryEntry> lower() {
  std::vector<MemoryEntry> entries{memory_file("d/f", "lower f", 0640), memory_file("d/g", "lower g"),
                                   memory_symlink("d/l", "f"),         memory_file("d/sub/x", "x"),
                                   memory_dir("empty"),                memory_file("deep/er/est", "deep"),
                                   memory_file("links/a", "linked"),   memory_file("links/b", ""),
                                   memory_file("more/c", "")};
  entries[0].xattrs = {{"user.tag", "v"}};
  for (auto* name : {&entries[7], &entries[8]}) name->hardlink_to = "links/a";
  return entries;
}

Result<void> nothing(Mounted&) { return {}; }

std::vector<Step> steps() {
  return {
      {"copy up a file", nothing, [](Mounted& m) { return m.chmod("d/f", 0600); }},
      {"copy up below new directories", nothing, [](Mounted& m) { return m.chmod("deep/er/est", 0600); }},
      {"copy up a symlink",
       nothing,
       [](Mounted& m) -> Result<void> {
         TRY(m.overlay().setattr(TRY(m.look("d/l")).ino, {.uid = 7, .gid = 7}, {}));
         return {};
       }},
      {"open to write",
       nothing,
       [](Mounted& m) -> Result<void> {
         m.overlay().release(TRY(m.open("d/f", O_RDWR)));
         return {};
       }},
      {"open to truncate",
       nothing,
       [](Mounted& m) -> Result<void> {
         m.overlay().release(TRY(m.open("d/f", O_WRONLY | O_TRUNC)));
         return {};
       }},
      {"create", nothing, [](Mounted& m) { return m.mknod("d/new", S_IFREG | 0644); }},
      {"create over a whiteout", [](Mounted& m) { return m.unlink("d/f"); },
       [](Mounted& m) { return m.mknod("d/f", S_IFREG | 0644); }},
      {"mkdir over a whiteout",
       [](Mounted& m) -> Result<void> {
         TRY(m.unlink("d/sub/x"));
         return m.rmdir("d/sub");
       },
       [](Mounted& m) { return m.mkdir("d/sub"); }},
      {"symlink over a whiteout", [](Mounted& m) { return m.unlink("d/f"); },
       [](Mounted& m) { return m.symlink("d/f", "g"); }},
      {"link", nothing, [](Mounted& m) { return m.link("d/f", "empty/h"); }},
      {"unlink of the lower's", nothing, [](Mounted& m) { return m.unlink("d/f"); }},
      {"unlink of a copy", [](Mounted& m) { return m.chmod("d/f", 0600); }, [](Mounted& m) { return m.unlink("d/f"); }},
      {"unlink of the upper's", [](Mounted& m) { return m.write("d/new", "new"); },
       [](Mounted& m) { return m.unlink("d/new"); }},
      {"rmdir of the lower's", nothing, [](Mounted& m) { return m.rmdir("empty"); }},
      {"rmdir with a whiteout inside", [](Mounted& m) { return m.unlink("d/sub/x"); },
       [](Mounted& m) { return m.rmdir("d/sub"); }},
      {"rename of the lower's", nothing, [](Mounted& m) { return m.rename("d/f", "d/new"); }},
      {"rename over the lower's", nothing, [](Mounted& m) { return m.rename("d/f", "d/g"); }},
      {"rename between directories", [](Mounted& m) { return m.chmod("d/f", 0600); },
       [](Mounted& m) { return m.rename("d/f", "empty/f"); }},
      {"rename over a whiteout", [](Mounted& m) { return m.unlink("d/g"); },
       [](Mounted& m) { return m.rename("d/f", "d/g"); }},
      {"exchange", nothing, [](Mounted& m) { return m.rename("d/f", "d/g", RENAME_EXCHANGE); }},
      {"rename of a directory over a whiteout",
       [](Mounted& m) -> Result<void> {
         TRY(m.rmdir("empty"));
         return m.mkdir("made");
       },
       [](Mounted& m) { return m.rename("made", "empty"); }},
      {"rename of a directory over an emptied one",
       [](Mounted& m) -> Result<void> {
         TRY(m.unlink("d/sub/x"));
         TRY(m.mkdir("made"));
         return m.write("made/f", "made");
       },
       [](Mounted& m) { return m.rename("made", "d/sub"); }},
      {"rename of a directory that hides the lower's over an emptied one",
       [](Mounted& m) -> Result<void> {
         TRY(m.unlink("d/sub/x"));
         TRY(m.rmdir("empty"));
         TRY(m.mkdir("empty"));
         return m.write("empty/f", "made");
       },
       [](Mounted& m) { return m.rename("empty", "d/sub"); }},
      {"rename of an opaque directory away",
       [](Mounted& m) -> Result<void> {
         TRY(m.rmdir("empty"));
         return m.mkdir("empty");
       },
       [](Mounted& m) { return m.rename("empty", "elsewhere"); }},
      {"rename of a directory of the lower", nothing, [](Mounted& m) { return m.rename("d", "elsewhere"); }},
      {"exchange of two directories of the lower", nothing,
       [](Mounted& m) { return m.rename("d/sub", "deep", RENAME_EXCHANGE); }},
      {"truncate", nothing, [](Mounted& m) { return m.truncate("d/f", 3); }},
      {"setxattr", nothing,
       [](Mounted& m) -> Result<void> {
         return m.overlay().setxattr(TRY(m.look("d/f")).ino, "user.more", "x", 0, false);
       }},
  };
}

// With an index, of what happens to the names of a lower hard link.
std::vector<Step> steps_of_links() {
  const auto copied = [](Mounted& m) { return m.chmod("links/a", 0600); };
  const auto known = [](Mounted& m) -> Result<void> {
    TRY(m.look("links/b"));
    TRY(m.look("more/c"));
    return {};
  };
  return {
      {"write to one name", nothing, [](Mounted& m) { return m.truncate("links/a", 3); }},
      {"write to one of the known names", known, [](Mounted& m) { return m.truncate("links/a", 3); }},
      {"unlink of one name", nothing, [](Mounted& m) { return m.unlink("more/c"); }},
      {"write after one name went", [](Mounted& m) { return m.unlink("more/c"); },
       [](Mounted& m) { return m.truncate("links/a", 3); }},
      {"unlink of the copy's name", copied, [](Mounted& m) { return m.unlink("links/a"); }},
      {"unlink of a name that only the lower has of a copy", copied, [](Mounted& m) { return m.unlink("more/c"); }},
      {"unlink of the last name",
       [=](Mounted& m) -> Result<void> {
         TRY(copied(m));
         TRY(m.unlink("links/a"));
         return m.unlink("links/b");
       },
       [](Mounted& m) { return m.unlink("more/c"); }},
      {"one more link", copied, [](Mounted& m) { return m.link("links/a", "empty/d"); }},
      {"rename of one name", nothing, [](Mounted& m) { return m.rename("more/c", "links/d"); }},
      {"rename over one name", nothing, [](Mounted& m) { return m.rename("d/f", "more/c"); }},
      {"rename over the copy's name", copied, [](Mounted& m) { return m.rename("d/f", "links/a"); }},
      {"rename over a name that only the lower has of a copy", copied, [](Mounted& m) { return m.rename("d/f", "more/c"); }},
  };
}

bool has_copy_in_index(const Mounted& m) {
  const auto dir = sys::open(m.dir() / "work/acetate.index", O_RDONLY | O_DIRECTORY);
  bool has = false;
  EXPECT_TRUE(dir && sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    has = has || !entry.name.ends_with(".lost");
    return true;
  }));
  return has;
}

// As many links as there are names. One too many where a name of a file without a copy went, and that was not written down any more.
void expect_right_links(Mounted& m, const Tree& tree) {
  std::map<Ino, std::uint32_t> names;
  for (const auto& [path, what] : tree)
    if (what != "/") ++names[m.ino(path)];
  const std::uint32_t more = has_copy_in_index(m) ? 0 : 1;
  for (const auto& [ino, count] : names) {
    const auto attr = m.overlay().getattr(ino);
    ASSERT_TRUE(attr);
    EXPECT_GE(attr->nlink, count);
    EXPECT_LE(attr->nlink, count + more);
  }
}

struct Variant {
  bool file_whiteouts;
  int code;
  bool index = false;

  std::vector<Step> steps() const { return index ? steps_of_links() : acetate::fs::steps(); }
};

class EveryCallFailsOnce : public ::testing::TestWithParam<Variant> {};

TEST_P(EveryCallFailsOnce, AndTheTreeIsAsBeforeOrAsAfter) {
  const OverlayOptions options{
      .redirect_dir = true, .index = GetParam().index, .force_file_whiteouts = GetParam().file_whiteouts};
  const auto start = [&](const Step& step) {
    auto m = std::make_unique<Mounted>(lower(), options);
    EXPECT_EQ(code(step.prepare(*m)), 0) << step.name;
    return m;
  };
  for (const Step& step : GetParam().steps()) {
    auto calm = start(step);
    const Tree before = calm->merged();
    calm = start(step);
    ASSERT_EQ(code(step.act(*calm)), 0) << step.name;
    const Tree after = calm->merged();
    calm.reset();

    bool fired = true;
    for (std::uint64_t nth = 1; fired; ++nth) {
      const std::size_t open = open_descriptors();
      auto m = start(step);
      int result = 0;
      std::string which;
      {
        const FailNth failing(nth, GetParam().code);
        result = code(step.act(*m));
        fired = failing.fired();
        if (fired) which = failing.what();
      }
      SCOPED_TRACE(fmt::format("{}: call {} ({}) failed, answer {}", step.name, nth, which, result));
      if (result == 0)
        EXPECT_EQ(m->merged(), after);
      else
        EXPECT_THAT(m->merged(), AnyOf(before, after));
      EXPECT_THAT(m->work(), IsEmpty());
      const Tree seen = m->merged();
      m->remount();
      EXPECT_EQ(m->merged(), seen);
      if (options.index) expect_right_links(*m, seen);
      m.reset();
      EXPECT_EQ(open_descriptors(), open);
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dialects, EveryCallFailsOnce,
                         ::testing::Values(Variant{false, EIO}, Variant{false, ENOSPC}, Variant{false, EMFILE},
                                           Variant{false, EINVAL}, Variant{true, EIO}, Variant{true, EINVAL},
                                           Variant{false, EIO, true}, Variant{true, EINVAL, true}));

class KillBeforeNth final : public sys::Hook {
 public:
  explicit KillBeforeNth(std::uint64_t nth) : nth_(nth) { sys::install(this); }
  int before(sys::Call call) noexcept override {
    // What only asks changes nothing: the moment before the next change is the same.
    if (call == sys::Call::statx || call == sys::Call::getxattr || call == sys::Call::openat2) return 0;
    if (++seen_ == nth_) ::kill(::getpid(), SIGKILL);
    return 0;
  }

 private:
  std::uint64_t nth_;
  std::uint64_t seen_ = 0;
};

class EveryCallIsTheLast : public ::testing::TestWithParam<Variant> {};

TEST_P(EveryCallIsTheLast, AndANewMountSeesTheTreeAsBeforeOrAsAfter) {
  const OverlayOptions options{.durable = false,
                               .redirect_dir = true,
                               .index = GetParam().index,
                               .force_file_whiteouts = GetParam().file_whiteouts};
  for (const Step& step : GetParam().steps()) {
    const auto start = [&] {
      auto m = std::make_unique<Mounted>(lower(), options);
      EXPECT_EQ(code(step.prepare(*m)), 0) << step.name;
      return m;
    };
    auto calm = start();
    const Tree before = calm->merged();
    ASSERT_EQ(code(step.act(*calm)), 0) << step.name;
    const Tree after = calm->merged();
    calm.reset();

    bool killed = true;
    for (std::uint64_t nth = 1; killed; ++nth) {
      auto m = start();
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const KillBeforeNth killing(nth);
        ::_exit(code(step.act(*m)));
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      killed = WIFSIGNALED(status);
      SCOPED_TRACE(fmt::format("{}: killed before change {}", step.name, nth));
      m->remount();
      EXPECT_THAT(m->merged(), AnyOf(before, after));
      if (!killed) {
        EXPECT_EQ(WEXITSTATUS(status), 0);
        EXPECT_EQ(m->merged(), after);
      }
      EXPECT_THAT(m->work(), IsEmpty());
      // What came out of it can be worked on as ever.
      const Tree seen = m->merged();
      if (options.index) expect_right_links(*m, seen);
      for (const auto& [path, what] : seen) {
        const bool is_file = what != "/" && !what.starts_with("->");
        EXPECT_EQ(is_file ? code(m->chmod(path, 0600)) : 0, 0) << path;
      }
      EXPECT_EQ(m->merged(), seen);
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dialects, EveryCallIsTheLast,
                         ::testing::Values(Variant{false, 0}, Variant{true, 0}, Variant{false, 0, true},
                                           Variant{true, 0, true}));

// The renames of the given numbers answer as a file system without their flags does, from `gone` on as one that broke.
class RenamesFail final : public sys::Hook {
 public:
  RenamesFail(std::vector<int> flagless, int gone) : flagless_(std::move(flagless)), gone_(gone), before_(sys::install(this)) {}
  ~RenamesFail() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (call != sys::Call::renameat2) return 0;
    const int number = seen_.fetch_add(1) + 1;
    if (number >= gone_) return EIO;
    return std::find(flagless_.begin(), flagless_.end(), number) == flagless_.end() ? 0 : EINVAL;
  }

 private:
  std::vector<int> flagless_;
  int gone_;
  std::atomic<int> seen_{0};
  Hook* before_;
};
constexpr int kNever = 1000;

TEST(WithoutRenameFlags, AFileOfTheLowerIsRenamedAllTheSame) {
  Mounted m(lower(), {.durable = false});
  ASSERT_EQ(code(m.chmod("d/f", 0600)), 0);
  {
    const RenamesFail failing({1, 3}, kNever);  // RENAME_WHITEOUT, then RENAME_EXCHANGE
    ASSERT_EQ(code(m.rename("d/f", "d/new")), 0);
  }
  EXPECT_EQ(m.upper(), (Tree{{"d", "/"}, {"d/f", "whiteout"}, {"d/new", "lower f"}}));
  EXPECT_THAT(m.work(), IsEmpty());
}

TEST(WithoutRenameFlags, NothingOfTheLowerComesBackWhenAWhiteoutCannotBeReplacedHalfway) {
  Mounted m(lower(), {.durable = false});
  ASSERT_EQ(code(m.unlink("d/sub/x")), 0);
  ASSERT_EQ(code(m.rmdir("d/sub")), 0);
  {
    // The exchange is not known, the whiteout goes, and then nothing can be renamed any more.
    const RenamesFail failing({1}, 3);
    ASSERT_EQ(code(m.mkdir("d/sub")), EIO);
  }
  m.remount();
  EXPECT_EQ(code(m.look("d/sub")), ENOENT);
}

TEST(WithoutRenameFlags, NothingOfTheLowerComesBackWhenADirectoryCannotBeMovedHalfway) {
  Mounted m(lower(), {.durable = false});
  ASSERT_EQ(code(m.rmdir("empty")), 0);
  ASSERT_EQ(code(m.mkdir("made")), 0);
  {
    const RenamesFail failing({1}, 2);
    ASSERT_EQ(code(m.rename("made", "empty")), EIO);
  }
  m.remount();
  EXPECT_EQ(code(m.look("empty")), ENOENT);
  EXPECT_EQ(m.merged().at("made"), "/");
}

}  // namespace
}  // namespace acetate::fs
