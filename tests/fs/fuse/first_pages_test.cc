// fs/fuse/first_pages.h: what the kernel is given before it asks.
#include "fs/fuse/first_pages.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <latch>

#include "base/sys/call.h"
#include "tests/fs/fuse/served.h"
#include "tests/support/page_cache.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using test::bytes_of;
using test::name_bytes;

constexpr std::size_t kPiece = 128 << 10;

struct Given {
  std::uint64_t node, offset;
  std::string bytes;
  bool operator==(const Given&) const = default;
};

class FirstPagesTest : public FuseTest {
 protected:
  // As on a kernel that takes all, whatever this machine's is.
  static SessionOptions all_given() {
    SessionOptions options = one_thread();
    options.gives_ends = true;
    return options;
  }
  void serve(std::vector<MemoryEntry> lower) { serve(std::move(lower), all_given()); }
  void serve(std::vector<MemoryEntry> lower, SessionOptions options) { FuseTest::serve(std::move(lower), std::move(options)); }
  // Since this was last asked, before the last answer.
  std::vector<Given> given() {
    std::vector<Given> all;
    for (const test::FuseReply& told : kernel().notifications()) {
      if (told.error != FUSE_NOTIFY_STORE) continue;
      const auto head = told.as<fuse_notify_store_out>();
      all.push_back({head.nodeid, head.offset, told.body.substr(sizeof head)});
      EXPECT_EQ(head.size, all.back().bytes.size());
    }
    return all;
  }
  void open(std::uint64_t of, std::uint32_t flags) { EXPECT_EQ(kernel().open(of, flags).error, 0); }
};

TEST_F(FirstPagesTest, AreGivenBeforeTheFirstOpenIsAnsweredAndNeverAgain) {
  serve({memory_file("f", "hello")});
  const std::uint64_t f = node("f");
  EXPECT_THAT(given(), IsEmpty());

  open(f, O_RDONLY);
  EXPECT_THAT(given(), ElementsAre(Given{f, 0, "hello"}));
  open(f, O_RDONLY);
  EXPECT_THAT(given(), IsEmpty());
}

TEST_F(FirstPagesTest, AreThoseOfTheUpperToo) {
  serve({});
  NEED_READS_WITHOUT_WAITING(mounted().dir());
  mounted().dir().write("upper/f", "above");
  const std::uint64_t f = node("f");

  open(f, O_RDONLY);

  EXPECT_THAT(given(), ElementsAre(Given{f, 0, "above"}));
}

TEST_F(FirstPagesTest, AreNotGivenToWhoWritesNorAfterHim) {
  serve({memory_file("f", "hello"), memory_file("g", "hello"), memory_file("h", "hello")});
  const std::uint64_t f = node("f"), g = node("g"), h = node("h");

  open(f, O_RDWR);
  open(f, O_RDONLY);
  open(g, O_RDONLY | O_TRUNC);
  open(g, O_RDONLY);
  fuse_setattr_in change{};
  change.valid = FATTR_SIZE;
  change.size = 3;
  EXPECT_EQ(kernel().ask(FUSE_SETATTR, h, bytes_of(change)).error, 0);
  open(h, O_RDONLY);

  EXPECT_THAT(given(), IsEmpty());
}

TEST_F(FirstPagesTest, AreNotGivenOfAFileThatSomebodyHasJustMade) {
  serve({});
  fuse_create_in in{};
  in.flags = O_RDWR | O_CREAT;
  in.mode = S_IFREG | 0644;
  const auto made = kernel().ask(FUSE_CREATE, FUSE_ROOT_ID, bytes_of(in) + name_bytes("f"));
  ASSERT_EQ(made.error, 0);
  fuse_write_in write{};
  write.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  write.size = 3;
  const std::uint64_t f = made.as<fuse_entry_out>().nodeid;
  ASSERT_EQ(kernel().ask(FUSE_WRITE, f, bytes_of(write) + "abc").error, 0);

  open(f, O_RDONLY);

  EXPECT_THAT(given(), IsEmpty());
}

TEST_F(FirstPagesTest, AreNotGivenAfterWhoReadsPastTheCache) {
  serve({memory_file("f", "hello")});
  const std::uint64_t f = node("f");

  open(f, O_RDONLY | O_DIRECT);
  open(f, O_RDONLY);

  EXPECT_THAT(given(), IsEmpty());  // he has it open, and may be reading it
}

TEST_F(FirstPagesTest, AreNotGivenWhereTheCacheIsNotKept) {
  SessionOptions options = all_given();
  options.timeout = 0;
  serve({memory_file("f", "hello")}, options);

  open(node("f"), O_RDONLY);

  EXPECT_THAT(given(), IsEmpty());
}

TEST_F(FirstPagesTest, AreNotGivenWhereEveryLookIsNoted) {
  SessionOptions options = all_given();
  options.exact = true;
  serve({memory_file("f", "hello")}, options);

  open(node("f"), O_RDONLY);

  EXPECT_THAT(given(), IsEmpty());
}

TEST_F(FirstPagesTest, AreTheBeginningOfALargeFileAndAllOfAProgram) {
  const std::string large = std::string(3 * kPiece + 5, 'x');
  const std::string program = "\x7f" "ELF" + std::string(2 * kPiece, 'y');
  const std::string run = "#!" + std::string(kPiece, 'z');
  serve({memory_file("large", large), memory_file("program", program), memory_file("run", run)});
  const std::uint64_t l = node("large"), p = node("program"), r = node("run");
  constexpr std::uint32_t kExec = 0x20;  // FMODE_EXEC, as execve(2) opens

  open(l, O_RDONLY);
  EXPECT_THAT(given(), ElementsAre(Given{l, 0, large.substr(0, kPiece)}));
  open(p, O_RDONLY);
  EXPECT_THAT(given(), ElementsAre(Given{p, 0, program.substr(0, kPiece)}, Given{p, kPiece, program.substr(kPiece, kPiece)},
                                   Given{p, 2 * kPiece, program.substr(2 * kPiece)}));
  open(r, O_RDONLY | kExec);
  EXPECT_THAT(given(), ElementsAre(Given{r, 0, run.substr(0, kPiece)}, Given{r, kPiece, run.substr(kPiece)}));
}

TEST_F(FirstPagesTest, AreEightMebibytesOfAProgramAtMost) {
  serve({memory_file("program", "\x7f" "ELF" + std::string(std::size_t{9} << 20, 'y'))});

  open(node("program"), O_RDONLY);

  std::size_t bytes = 0;
  for (const Given& one : given()) bytes += one.bytes.size();
  EXPECT_EQ(bytes, std::size_t{8} << 20);
}

// Stops whoever reads what is at hand first, until he is let go.
class StopsTheFirstReader final : public sys::Hook {
 public:
  StopsTheFirstReader() : before_(sys::install(this)) {}
  ~StopsTheFirstReader() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    if (call == sys::Call::preadv2 && !came_.exchange(true)) {
      reads_.count_down();
      goes_on_.wait();
    }
    return before_ != nullptr ? before_->before(call) : 0;
  }
  void wait_until_he_reads() { reads_.wait(); }
  void let_go() { goes_on_.count_down(); }

 private:
  std::atomic<bool> came_{false};
  std::latch reads_{1}, goes_on_{1};
  sys::Hook* before_;
};

class WhileAReaderOpens : public FirstPagesTest {
 protected:
  void SetUp() override { NEED_READS_WITHOUT_WAITING(test::TempDir()); }
  // What was given of a file after `what` was done, by whoever had begun to open it before that.
  std::vector<Given> given_after(const std::function<void(std::uint64_t)>& what) {
    SessionOptions options = all_given();
    options.threads = 4;
    serve({}, options);
    mounted().dir().write("upper/f", "before");
    const std::uint64_t f = node("f");
    StopsTheFirstReader stops;
    const std::uint64_t reader = kernel().send(FUSE_OPEN, f, bytes_of(fuse_open_in{}));
    stops.wait_until_he_reads();
    what(f);
    EXPECT_THAT(given(), IsEmpty());
    stops.let_go();
    EXPECT_EQ(kernel().wait(reader).error, 0);
    return given();
  }
};

TEST_F(WhileAReaderOpens, NothingIsGivenOnceSomebodyHasItOpenToWrite) {
  EXPECT_THAT(given_after([&](std::uint64_t f) { open(f, O_RDWR); }), IsEmpty());
}

TEST_F(WhileAReaderOpens, NothingIsGivenOnceSomebodyHasCutItOff) {
  EXPECT_THAT(given_after([&](std::uint64_t f) {
                fuse_setattr_in change{};
                change.valid = FATTR_SIZE;
                change.size = 3;
                EXPECT_EQ(kernel().ask(FUSE_SETATTR, f, bytes_of(change)).error, 0);
              }),
              IsEmpty());
}

TEST_F(WhileAReaderOpens, AnotherReaderGetsItAndNobodyTwice) {
  EXPECT_THAT(given_after([&](std::uint64_t f) {
                open(f, O_RDONLY);
                EXPECT_THAT(given(), ElementsAre(Given{f, 0, "before"}));
              }),
              IsEmpty());
}

TEST_F(FirstPagesTest, AreWholeOnesWhereTheKernelWouldShowWhatLiesBehindTheEnd) {
  SessionOptions options = all_given();
  options.gives_ends = false;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::string two = std::string(2 * page, '2') + "and more", program = "\x7f" "ELF" + std::string(kPiece, 'y');
  serve({memory_file("small", "hello"), memory_file("two", two), memory_file("program", program)}, options);
  const std::uint64_t s = node("small"), t = node("two"), p = node("program");

  open(s, O_RDONLY);
  EXPECT_THAT(given(), IsEmpty());
  open(t, O_RDONLY);
  EXPECT_THAT(given(), ElementsAre(Given{t, 0, two.substr(0, 2 * page)}));
  open(p, O_RDONLY);
  EXPECT_THAT(given(), ElementsAre(Given{p, 0, program.substr(0, kPiece)}));
}

TEST_F(FirstPagesTest, AreNoneOfAnEmptyFile) {
  serve({memory_file("f", "")});

  open(node("f"), O_RDONLY);

  EXPECT_THAT(given(), IsEmpty());
}

}  // namespace
}  // namespace acetate::fs
