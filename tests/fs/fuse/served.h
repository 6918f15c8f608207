// An overlay behind a real libfuse session whose kernel is the test.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "fs/fuse/session.h"
#include "tests/fs/overlay_fixture.h"
#include "tests/support/fake_fuse.h"

namespace acetate::fs {

// Requests are served one after another (one thread) unless told otherwise, so that what a FORGET did can be counted
// by the next request.
inline SessionOptions one_thread() {
  SessionOptions options;
  options.threads = 1;
  return options;
}

class ServedOverlay {
 public:
  ServedOverlay(Overlay& overlay, const SessionOptions& options) : overlay_(overlay) {
    auto made = Session::on(overlay, kernel.take_daemon_end(), options);
    if (!made) {
      ADD_FAILURE() << made.error().message();
      std::abort();
    }
    session_.emplace(*std::move(made));
    thread_ = std::thread([this] { ended_.emplace(session_->serve()); });
  }
  ~ServedOverlay() { (void)end(); }

  // Hangs up and waits for the session's end: what serve() said.
  Result<int> end() {
    kernel.hang_up();
    return wait();
  }
  Result<int> wait() {
    if (thread_.joinable()) thread_.join();
    session_.reset();
    if (!ended_) return 0;
    Result<int> said = std::move(*ended_);
    ended_.reset();
    return said;
  }

  Overlay& overlay() { return overlay_; }

  test::FakeFuse kernel;

 private:
  Overlay& overlay_;
  std::optional<Session> session_;
  std::optional<Result<int>> ended_;
  std::thread thread_;
};

// The usual case: a literal lower, an empty upper, INIT done.
class FuseTest : public ::testing::Test {
 protected:
  void serve(std::vector<MemoryEntry> lower, SessionOptions options = one_thread(),
             OverlayOptions how = {.durable = false}, std::uint32_t kernel_flags = 0xffffffffU) {
    mounted_.emplace(std::move(lower), how);
    served_.emplace(mounted_->overlay(), options);
    kernel().init(kernel_flags);
  }
  test::FakeFuse& kernel() { return served_->kernel; }
  Mounted& mounted() { return *mounted_; }
  Overlay& overlay() { return mounted_->overlay(); }
  Result<int> end() { return served_->end(); }

  fuse_entry_out found(std::uint64_t parent, std::string_view name) {
    const test::FuseReply reply = kernel().lookup(parent, name);
    EXPECT_EQ(reply.error, 0) << name;
    return reply.as<fuse_entry_out>();
  }
  std::uint64_t node(std::string_view name) { return found(FUSE_ROOT_ID, name).nodeid; }
  std::uint64_t handle(std::uint64_t of, std::uint32_t flags, std::uint32_t opcode = FUSE_OPEN) {
    const test::FuseReply reply = kernel().open(of, flags, opcode);
    EXPECT_EQ(reply.error, 0);
    return reply.as<fuse_open_out>().fh;
  }

  std::optional<Mounted> mounted_;
  std::optional<ServedOverlay> served_;
};

}  // namespace acetate::fs
