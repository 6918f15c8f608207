// RequestLoop: the threads that take requests from the kernel and have them answered.
//
// libfuse has such a loop (fuse_session_loop_mt()). At its end that one cancels its threads, for which the C library loads libgcc_s first: half a
// millisecond of every unmount, and so of every container. Ours interrupts them, and the thread that calls is one of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "fs/fuse/fuse.h"

namespace acetate::fs {

class RequestLoop {
 public:
  // One more thread is started whenever a request comes while no other waits for the next, up to `most` with the caller's own. None is
  // ended for being idle: making it anew costs more than a request.
  RequestLoop(fuse_session* session, unsigned most) : session_(session), most_(most) {}
  RequestLoop(const RequestLoop&) = delete;
  RequestLoop& operator=(const RequestLoop&) = delete;

  // Until the connection has ended, or after fuse_session_exit(); every request that was taken has been answered then. 0, or why it ended (-errno).
  //
  // A thread that waits for a request notices fuse_session_exit() only when a signal interrupts it (SIGUSR2). Whoever calls that interrupts the one in
  // run(), again and again until it has returned; the others it interrupts itself.
  int run();

 private:
  void work();
  void begin();
  void start_another_locked() REQUIRES(mutex_);
  void interrupt_others();

  fuse_session* const session_;
  const unsigned most_;
  Mutex mutex_;
  std::condition_variable_any ended_;
  std::vector<std::thread> others_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;  // of the others
  std::size_t waiting_ GUARDED_BY(mutex_) = 1;  // for a request
  int error_ GUARDED_BY(mutex_) = 0;
};

}  // namespace acetate::fs
