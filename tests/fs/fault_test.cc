// Every system call of every change is made to fail once, with each of the errnos of a disk, a process or a machine that is full or broken. What
// comes out is that errno, and the tree is as it was, to the last attribute; or the change succeeds all the same, by another way or because
// what failed was no part of it (kMayBeMissed), and the tree is as after it. Nothing is left in the work directory, no descriptor is
// left open, and a new mount sees the same. EINVAL, which is also what a kernel or a file system says that does not know a flag, leads to the ways round,
// and what comes out in the end may be another's errno.
#include <dirent.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <set>

#include "base/sys/call.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/fault_steps.h"

namespace acetate::fs {
namespace {

using ::testing::AnyOf;
using ::testing::IsEmpty;

class FailNth final : public sys::Hook {
 public:
  // Of the calls of one kind, or of all.
  FailNth(std::uint64_t nth, int errno_code, std::optional<sys::Call> kind)
      : nth_(nth), code_(errno_code), kind_(kind), before_(sys::install(this)) {}
  ~FailNth() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if ((kind_ && call != *kind_) || seen_.fetch_add(1) + 1 != nth_) return 0;
    failed_ = call;
    return code_;
  }
  bool fired() const { return failed_ != sys::Call::count_; }
  sys::Call what() const { return failed_; }

 private:
  std::uint64_t nth_;
  int code_;
  std::optional<sys::Call> kind_;
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

enum class Below { memory, dir };
enum class Whiteouts { device, file };

struct Variant {
  int code = 0;
  Below below = Below::dir;
  Whiteouts whiteouts = Whiteouts::device;
  bool index = false;

  std::vector<Step> steps() const { return index ? steps_of_links() : acetate::fs::steps(); }
};

// Whether a change may go on when this fails, because it is not what the change is about.
bool may_be_missed(const Step& step, sys::Call call, int code) {
  const std::string_view name = step.name;
  const bool takes_a_name = name.starts_with("unlink") || name.starts_with("rmdir") || name.starts_with("rename");
  switch (call) {
    case sys::Call::lseek: return true;      // where holes are: else it is all data
    case sys::Call::utimensat: return true;  // a directory's own, below which something was copied up
    case sys::Call::getdents:
    case sys::Call::unlinkat: return true;  // of what is gone already, once more; or a ".wh." file that hides nothing
    case sys::Call::openat:
    case sys::Call::statx: return takes_a_name || code == EMFILE;  // so that the next whiteout is a link of this one
    // The index notes for the next mount that a name is gone.
    case sys::Call::symlinkat:
    case sys::Call::renameat2: return takes_a_name || code == EMFILE;
    // Idle descriptors are closed, and it is done again.
    default: return code == EMFILE;
  }
}

std::set<std::string> paths_of(const Tree& tree) {
  std::set<std::string> paths;
  for (const auto& [path, what] : tree) paths.insert(path);
  return paths;
}

class EveryCallFailsOnce : public ::testing::TestWithParam<Variant> {
 protected:
  std::unique_ptr<Mounted> start(const Step& step, bool durable) {
    const OverlayOptions options{.durable = durable,
                                 .redirect_dir = true,
                                 .index = GetParam().index,
                                 .force_file_whiteouts = GetParam().whiteouts == Whiteouts::file};
    LayerPtr below = GetParam().below == Below::memory ? lower_in_memory() : *make_stack({*open_dir_layer(dir_.open())});
    auto m = std::make_unique<Mounted>(std::move(below), options);
    EXPECT_EQ(code(step.prepare(*m)), 0) << step.name;
    return m;
  }

  // Makes each call of the step fail, or each of one kind.
  void fail_each(const Step& step, const Tree& before, const Tree& after, bool durable, std::optional<sys::Call> kind);

  const test::TempDir dir_;
  const LayerPtr made_ = lower_in(dir_);
};

void EveryCallFailsOnce::fail_each(const Step& step, const Tree& before, const Tree& after, bool durable, std::optional<sys::Call> kind) {
  const int injected = GetParam().code;
  bool fired = true;
  for (std::uint64_t nth = 1; fired; ++nth) {
    const std::size_t open = open_descriptors();
    auto m = start(step, durable);
    int result = 0;
    sys::Call which{};
    {
      const FailNth failing(nth, injected, kind);
      result = code(step.act(*m));
      fired = failing.fired();
      if (fired) which = failing.what();
    }
    SCOPED_TRACE(fmt::format("{}: call {} ({}) failed, answer {}", step.name, nth, fired ? sys::name_of(which) : "none", result));
    if (result == 0) {
      EXPECT_EQ(with_attributes(*m), after);
      EXPECT_TRUE(!fired || injected == EINVAL || may_be_missed(step, which, injected));
    } else {
      // A redirect that does not fit is no failure of a disk to whoever renames: mv(1) copies then.
      const bool too_long = injected == ENOSPC && which == sys::Call::setxattr && result == EXDEV;
      EXPECT_TRUE(result == injected || injected == EINVAL || too_long);
      // Of names nothing has happened, unless it was done and could not be asked about. Of one file what came first may stay.
      if (paths_of(before) != paths_of(after) && which != sys::Call::statx && injected != EINVAL)
        EXPECT_EQ(with_attributes(*m), before);
      else
        EXPECT_THAT(with_attributes(*m), AnyOf(before, after));
    }
    EXPECT_THAT(m->work(), IsEmpty());
    const Tree seen = with_attributes(*m);
    m->remount();
    EXPECT_EQ(with_attributes(*m), seen);
    if (GetParam().index) expect_right_links(*m, m->merged());
    m.reset();
    EXPECT_EQ(open_descriptors(), open);
    if (HasFailure()) return;
  }
}

TEST_P(EveryCallFailsOnce, AndItsErrnoComesOutOfATreeThatIsAsBefore) {
  for (const Step& step : GetParam().steps()) {
    auto calm = start(step, false);
    const Tree before = with_attributes(*calm);
    calm = start(step, false);
    ASSERT_EQ(code(step.act(*calm)), 0) << step.name;
    const Tree after = with_attributes(*calm);
    calm.reset();

    // With syncs, which take their time, only these need fail.
    fail_each(step, before, after, false, std::nullopt);
    fail_each(step, before, after, true, sys::Call::fsync);
    if (HasFailure()) return;
  }
}

constexpr std::array kErrnos{ENOSPC, EIO, EMFILE, ENOMEM, EDQUOT};

std::vector<Variant> for_each_errno(Variant variant) {
  std::vector<Variant> variants;
  for (const int errno_code : kErrnos) {
    variant.code = errno_code;
    variants.push_back(variant);
  }
  return variants;
}

INSTANTIATE_TEST_SUITE_P(OverADirectory, EveryCallFailsOnce, ::testing::ValuesIn(for_each_errno({})));
INSTANTIATE_TEST_SUITE_P(WithFileWhiteouts, EveryCallFailsOnce, ::testing::ValuesIn(for_each_errno({.whiteouts = Whiteouts::file})));
INSTANTIATE_TEST_SUITE_P(WithAnIndex, EveryCallFailsOnce, ::testing::ValuesIn(for_each_errno({.index = true})));
INSTANTIATE_TEST_SUITE_P(WithAnIndexAndFileWhiteouts, EveryCallFailsOnce, ::testing::Values(Variant{.code = EIO, .whiteouts = Whiteouts::file, .index = true}));
INSTANTIATE_TEST_SUITE_P(OverMemory, EveryCallFailsOnce,
                         ::testing::Values(Variant{.code = EIO, .below = Below::memory}, Variant{.code = EINVAL, .below = Below::memory},
                                           Variant{.code = EINVAL, .below = Below::memory, .whiteouts = Whiteouts::file},
                                           Variant{.code = EINVAL, .below = Below::memory, .whiteouts = Whiteouts::file, .index = true}));

constexpr int kNever = 1000;

// The renames of the given numbers answer as a file system without their flags does, from `gone` on as one that broke; so does
// mknod from the nth device on.
class RenamesFail final : public sys::Hook {
 public:
  RenamesFail(std::vector<int> flagless, int gone, int no_device = kNever)
      : flagless_(std::move(flagless)), gone_(gone), no_device_(no_device), before_(sys::install(this)) {}
  ~RenamesFail() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (call == sys::Call::mknodat) return devices_.fetch_add(1) + 1 >= no_device_ ? EIO : 0;
    if (call != sys::Call::renameat2) return 0;
    const int number = seen_.fetch_add(1) + 1;
    if (number >= gone_) return EIO;
    return std::find(flagless_.begin(), flagless_.end(), number) == flagless_.end() ? 0 : EINVAL;
  }

 private:
  std::vector<int> flagless_;
  int gone_;
  int no_device_;
  std::atomic<int> seen_{0};
  std::atomic<int> devices_{0};
  Hook* before_;
};

TEST(WithoutRenameFlags, AFileOfTheLowerIsRenamedAllTheSame) {
  Mounted m(lower_in_memory(), {.durable = false});
  ASSERT_EQ(code(m.chmod("d/f", 0600)), 0);
  {
    const RenamesFail failing({1, 3}, kNever);  // RENAME_WHITEOUT, then RENAME_EXCHANGE
    ASSERT_EQ(code(m.rename("d/f", "d/new")), 0);
  }
  EXPECT_EQ(m.upper(), (Tree{{"d", "/"}, {"d/f", "whiteout"}, {"d/new", "lower f"}}));
  EXPECT_THAT(m.work(), IsEmpty());
}

TEST(WithoutRenameFlags, NothingOfTheLowerComesBackWhenAWhiteoutCannotBeReplacedHalfway) {
  Mounted m(lower_in_memory(), {.durable = false});
  ASSERT_EQ(code(m.unlink("d/sub/x")), 0);
  ASSERT_EQ(code(m.rmdir("d/sub")), 0);
  {
    // The exchange is not known, the whiteout goes, and then nothing can be renamed any more.
    const RenamesFail failing({1}, 3);
    ASSERT_EQ(code(m.mkdir("d/sub")), EIO);
  }
  EXPECT_EQ(code(m.look("d/sub")), ENOENT);
  m.remount();
  EXPECT_EQ(code(m.look("d/sub")), ENOENT);
}

TEST(WithoutRenameFlags, NothingOfTheLowerComesBackWhenADirectoryCannotBeMovedHalfway) {
  Mounted m(lower_in_memory(), {.durable = false});
  ASSERT_EQ(code(m.rmdir("empty")), 0);
  ASSERT_EQ(code(m.mkdir("made")), 0);
  {
    const RenamesFail failing({1}, 2);
    ASSERT_EQ(code(m.rename("made", "empty")), EIO);
  }
  EXPECT_EQ(code(m.look("empty")), ENOENT);
  m.remount();
  EXPECT_EQ(code(m.look("empty")), ENOENT);
  EXPECT_EQ(m.merged().at("made"), "/");
}

TEST(WithoutRenameFlags, NothingOfTheLowerComesBackWhenADirectoryCannotBeRemovedHalfway) {
  Mounted m(lower_in_memory(), {.durable = false});
  ASSERT_EQ(code(m.unlink("d/sub/x")), 0);
  {
    // No exchange, no device onto a directory; that goes, and then nothing can be renamed any more.
    const RenamesFail failing({1}, 4);
    ASSERT_EQ(code(m.rmdir("d/sub")), EIO);
  }
  EXPECT_EQ(code(m.look("d/sub")), ENOENT);
  m.remount();
  EXPECT_EQ(code(m.look("d/sub")), ENOENT);
}

TEST(WithoutRenameFlags, NothingOfTheLowerComesBackWhenNoDeviceCanBeLeftBehind) {
  Mounted m(lower_in_memory(), {.durable = false});
  ASSERT_EQ(code(m.chmod("d/f", 0600)), 0);
  {
    // RENAME_WHITEOUT, then RENAME_EXCHANGE; the device that was made for that is none for the old name.
    const RenamesFail failing({1, 3}, kNever, 2);
    ASSERT_EQ(code(m.rename("d/f", "d/new")), EIO);
  }
  EXPECT_EQ(code(m.look("d/f")), ENOENT);
  m.remount();
  EXPECT_EQ(code(m.look("d/f")), ENOENT);
  EXPECT_EQ(*m.read("d/new"), "lower f");
}

}  // namespace
}  // namespace acetate::fs
