// The process is killed before every system call that changes something: a new mount then sees the tree as before or as after, to the last
// attribute, finds nothing in the work directory, and can be worked on as ever.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys/call.h"
#include "tests/fs/fault_steps.h"

namespace acetate::fs {
namespace {

using ::testing::AnyOf;
using ::testing::IsEmpty;

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

struct Variant {
  bool file_whiteouts = false;
  bool index = false;
  bool durable = false;

  std::vector<Step> steps() const { return index ? steps_of_links() : acetate::fs::steps(); }
};

class EveryCallIsTheLast : public ::testing::TestWithParam<Variant> {};

TEST_P(EveryCallIsTheLast, AndANewMountSeesTheTreeAsBeforeOrAsAfter) {
  const OverlayOptions options{.durable = GetParam().durable,
                               .redirect_dir = true,
                               .index = GetParam().index,
                               .force_file_whiteouts = GetParam().file_whiteouts};
  for (const Step& step : GetParam().steps()) {
    const auto start = [&] {
      auto m = std::make_unique<Mounted>(lower_in_memory(), options);
      EXPECT_EQ(code(step.prepare(*m)), 0) << step.name;
      return m;
    };
    auto calm = start();
    const Tree before = with_attributes(*calm);
    ASSERT_EQ(code(step.act(*calm)), 0) << step.name;
    const Tree after = with_attributes(*calm);
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
      EXPECT_THAT(with_attributes(*m), AnyOf(before, after));
      if (!killed) {
        EXPECT_EQ(WEXITSTATUS(status), 0);
        EXPECT_EQ(with_attributes(*m), after);
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
                         ::testing::Values(Variant{}, Variant{.file_whiteouts = true}, Variant{.index = true},
                                           Variant{.file_whiteouts = true, .index = true}, Variant{.durable = true}));

}  // namespace
}  // namespace acetate::fs
