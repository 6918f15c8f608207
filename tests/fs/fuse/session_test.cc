// fs/fuse/session.cc and the negotiation: how a connection begins and ends.
#include <fcntl.h>

#include <csignal>

#include "base/sys/process.h"
#include "fs/fuse/fuse.h"
#include "fs/fuse/signals.h"
#include "layers/stack.h"
#include "tests/fs/fuse/served.h"

namespace acetate::fs {
namespace {

using test::bytes_of;
using test::name_bytes;

TEST(Session, AsksForWhatMakesAMountFast) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  ServedOverlay served(mounted.overlay(), one_thread());

  const fuse_init_out init = served.kernel.init();

  for (const std::uint32_t wanted :
       {FUSE_DO_READDIRPLUS, FUSE_READDIRPLUS_AUTO, FUSE_DONT_MASK, FUSE_POSIX_ACL, FUSE_CACHE_SYMLINKS,
        FUSE_EXPLICIT_INVAL_DATA, FUSE_ATOMIC_O_TRUNC, FUSE_BIG_WRITES, FUSE_MAX_PAGES})
    EXPECT_NE(init.flags & wanted, 0U) << wanted;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)  // 3.14 takes the wish and does not pass it on
  EXPECT_NE(init.flags & FUSE_PARALLEL_DIROPS, 0U);
#endif
  for (const std::uint32_t not_wanted :
       {FUSE_AUTO_INVAL_DATA, FUSE_WRITEBACK_CACHE, FUSE_HANDLE_KILLPRIV, FUSE_ASYNC_DIO})
    EXPECT_EQ(init.flags & not_wanted, 0U) << not_wanted;
  EXPECT_EQ(init.max_write, 1U << 20);
}

TEST(Session, AsksForNothingTheKernelDoesNotOffer) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  ServedOverlay served(mounted.overlay(), one_thread());

  EXPECT_EQ(served.kernel.init(FUSE_ASYNC_READ).flags & ~static_cast<std::uint32_t>(FUSE_ASYNC_READ | FUSE_BIG_WRITES), 0U);
}

TEST(Session, FollowsItsOptions) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false, .xattrs = false});
  SessionOptions options = one_thread();
  options.writeback = true;
  options.xattrs = false;
  options.timeout = 0;
  ServedOverlay served(mounted.overlay(), options);

  const fuse_init_out init = served.kernel.init();

  EXPECT_NE(init.flags & FUSE_WRITEBACK_CACHE, 0U);
  EXPECT_NE(init.flags & FUSE_AUTO_INVAL_DATA, 0U);
  EXPECT_EQ(init.flags & FUSE_POSIX_ACL, 0U);
  EXPECT_EQ(init.flags & FUSE_CACHE_SYMLINKS, 0U);
}

TEST(Session, EndsWhenTheKernelHangsUp) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  ServedOverlay served(mounted.overlay(), one_thread());
  served.kernel.init();

  const auto ended = served.end();

  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(*ended, 0);
}

// The connection is closed, and its number may be another file's, into which the kernel would be told.
TEST(Session, TellsTheKernelOfNothingOnceItHasEnded) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  test::FakeFuse kernel;
  Session session = *Session::on(mounted.overlay(), kernel.take_daemon_end(), one_thread());
  std::thread serving([&] { EXPECT_TRUE(session.serve()); });
  kernel.init();
  kernel.hang_up();
  serving.join();

  session.refresh(*make_stack({*make_memory_layer({memory_file("new", "x")})}), "");

  EXPECT_EQ(code(mounted.look("new")), ENOENT);
}

// Nothing is printed about reading: a line of libfuse's there could be cut off with the lock of stderr held (fs/fuse/session.cc).
TEST(Session, EndsWhenTheKernelDiesInTheMiddleOfRequests) {
  ::testing::internal::CaptureStderr();
  for (int round = 0; round < 20; ++round) {
    Mounted mounted({memory_file("f", std::string(100000, 'x'))}, {.durable = false});
    SessionOptions options;
    options.threads = 4;
    ServedOverlay served(mounted.overlay(), options);
    served.kernel.init();
    const auto f = served.kernel.lookup(FUSE_ROOT_ID, "f").as<fuse_entry_out>().nodeid;
    const auto handle = served.kernel.open(f, O_RDONLY).as<fuse_open_out>().fh;
    fuse_read_in in{};
    in.fh = handle;
    in.size = 65536;
    for (int i = 0; i < 8; ++i) served.kernel.send(FUSE_READ, f, bytes_of(in));

    (void)served.end();  // returns: that is the test

    EXPECT_TRUE(mounted.overlay().getattr(Ino::root));
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("reading device"), std::string::npos) << said;
}

TEST(Session, ServesManyRequestsAtOnce) {
  Mounted mounted({memory_file("f", "text")}, {.durable = false});
  SessionOptions options;
  options.threads = 4;
  ServedOverlay served(mounted.overlay(), options);
  served.kernel.init();
  std::vector<std::uint64_t> requests;
  for (int i = 0; i < 64; ++i) requests.push_back(served.kernel.send(FUSE_LOOKUP, FUSE_ROOT_ID, name_bytes("f")));

  for (const std::uint64_t request : requests)
    EXPECT_EQ(served.kernel.wait(request).as<fuse_entry_out>().attr.size, 4U);
}

TEST(Session, SurvivesInterruptsAndUnknownRequests) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  ServedOverlay served(mounted.overlay(), one_thread());
  served.kernel.init();

  served.kernel.send(FUSE_INTERRUPT, 0, bytes_of(fuse_interrupt_in{4711}));
  EXPECT_EQ(served.kernel.ask(9999, FUSE_ROOT_ID, "garbage").error, ENOSYS);
  EXPECT_EQ(served.kernel.ask(FUSE_BMAP, FUSE_ROOT_ID, bytes_of(fuse_bmap_in{})).error, ENOSYS);
  EXPECT_EQ(served.kernel.ask(FUSE_IOCTL, FUSE_ROOT_ID, bytes_of(fuse_ioctl_in{})).error, ENOTTY);
  EXPECT_EQ(served.kernel.ask(FUSE_STATFS, FUSE_ROOT_ID).error, 0);
}

TEST(Session, ARequestThatIsNoneEndsItWithoutHarm) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  ServedOverlay served(mounted.overlay(), one_thread());
  served.kernel.init();

  served.kernel.send_raw("short");
  (void)served.wait();

  EXPECT_TRUE(mounted.overlay().getattr(Ino::root));
}

// The watch, with a pipe for the lifeline and signals sent to ourselves.
class Signals : public ::testing::Test {
 protected:
  Signals() { block_signals(); }
};

TEST_F(Signals, EndTheSessionAlsoWhenNothingElseHappens) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  SessionOptions options = one_thread();
  options.signals = true;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    test::FakeFuse kernel;
    auto session = Session::on(mounted.overlay(), kernel.take_daemon_end(), options);
    ASSERT_TRUE(session);
    ::kill(::getpid(), signal);  // waits, being blocked, until serve() watches

    const auto ended = session->serve();

    ASSERT_TRUE(ended) << ended.error().message();
    EXPECT_EQ(*ended, signal);
  }
}

TEST_F(Signals, TheEndOfTheLifelineEndsTheSession) {
  Mounted mounted(std::vector<MemoryEntry>(), {.durable = false});
  sys::Pipe pipe = *sys::make_pipe();
  SessionOptions options = one_thread();
  options.signals = true;
  options.lifeline = pipe.read.ref();
  test::FakeFuse kernel;
  auto session = Session::on(mounted.overlay(), kernel.take_daemon_end(), options);
  ASSERT_TRUE(session);
  pipe.write.reset();

  const auto ended = session->serve();

  ASSERT_TRUE(ended);
  EXPECT_EQ(*ended, SIGHUP);
}

}  // namespace
}  // namespace acetate::fs
