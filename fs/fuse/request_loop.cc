#include "fs/fuse/request_loop.h"

#include <linux/fuse.h>
#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <new>
#include <system_error>
#include <utility>

#include "fs/fuse/signals.h"

namespace acetate::fs {

namespace {

// What libfuse reads a request into, and makes as large as it likes.
struct Request {
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { std::free(buffer.mem); }
  // Answered at once, so that nobody has to be there for the next one meanwhile.
  bool is_forget() const {
    const auto* header = static_cast<const fuse_in_header*>(buffer.mem);
    return header->opcode == FUSE_FORGET || header->opcode == FUSE_BATCH_FORGET;
  }
  fuse_buf buffer{};
};

}  // namespace

int RequestLoop::run() {
  let_threads_be_interrupted();
  work();
  interrupt_others();
  Lock lock(mutex_);
  if (error_ != 0) return error_;
  // Over as it is, libfuse's own loop does nothing but tell whether the kernel and it did not understand each other; some forget then that it is over.
  const int why = fuse_session_loop(session_);
  fuse_session_exit(session_);
  return why;
}

// Those that wait for a request: mostly the end of the connection has told them already. One that is only about to wait would miss a single signal.
void RequestLoop::interrupt_others() {
  std::vector<std::thread> others;
  {
    constexpr auto kMoment = std::chrono::milliseconds(1);
    Lock lock(mutex_);
    while (running_ > 0) {
      if (ended_.wait_for(mutex_, kMoment) == std::cv_status::no_timeout) continue;
      for (std::thread& other : others_) ::pthread_kill(other.native_handle(), SIGUSR2);
    }
    others.swap(others_);
  }
  for (std::thread& other : others) other.join();
}

void RequestLoop::work() {
  Request request;
  while (fuse_session_exited(session_) == 0) {
    const int got = fuse_session_receive_buf(session_, &request.buffer);
    if (got == -EINTR) continue;
    if (got <= 0) {
      Lock lock(mutex_);
      if (got < 0 && error_ == 0) error_ = got;
      fuse_session_exit(session_);
      return;
    }
    const bool is_forget = request.is_forget();
    if (!is_forget) begin();
    fuse_session_process_buf(session_, &request.buffer);
    if (is_forget) continue;
    Lock lock(mutex_);
    ++waiting_;
  }
}

void RequestLoop::begin() {
  Lock lock(mutex_);
  if (--waiting_ == 0 && others_.size() + 1 < most_ && fuse_session_exited(session_) == 0) start_another_locked();
}

// Where none is to be had, those that are there do.
void RequestLoop::start_another_locked() {
  try {
    others_.reserve(others_.size() + 1);
    others_.emplace_back([this] {
      ::pthread_setname_np(::pthread_self(), "fuse_worker");
      work();
      Lock lock(mutex_);
      --running_;
      ended_.notify_all();
    });
  } catch (const std::system_error&) {
    return;
  } catch (const std::bad_alloc&) {
    return;
  }
  ++running_;
  ++waiting_;
}

}  // namespace acetate::fs
