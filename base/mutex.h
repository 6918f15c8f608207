// Mutexes the compiler can read: under clang with -Wthread-safety a guarded member touched without its mutex
// is a warning; under g++ the annotations vanish.
#pragma once

#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define ACETATE_TSA(x) __attribute__((x))
#else
#define ACETATE_TSA(x)
#endif
#define CAPABILITY(x) ACETATE_TSA(capability(x))
#define SCOPED_CAPABILITY ACETATE_TSA(scoped_lockable)
#define GUARDED_BY(x) ACETATE_TSA(guarded_by(x))
#define REQUIRES(...) ACETATE_TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) ACETATE_TSA(requires_shared_capability(__VA_ARGS__))
#define ACQUIRE(...) ACETATE_TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) ACETATE_TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) ACETATE_TSA(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) ACETATE_TSA(release_shared_capability(__VA_ARGS__))
#define RELEASE_GENERIC(...) ACETATE_TSA(release_generic_capability(__VA_ARGS__))
#define EXCLUDES(...) ACETATE_TSA(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS ACETATE_TSA(no_thread_safety_analysis)

namespace acetate {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class CAPABILITY("mutex") SharedMutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  void lock_shared() ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

template <class M>
class SCOPED_CAPABILITY Lock {
 public:
  explicit Lock(M& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() RELEASE() { mutex_.unlock(); }

 private:
  M& mutex_;
};

class SCOPED_CAPABILITY SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) ACQUIRE_SHARED(mutex) : mutex_(mutex) { mutex_.lock_shared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;
  ~SharedLock() RELEASE_GENERIC() { mutex_.unlock_shared(); }

 private:
  SharedMutex& mutex_;
};

}  // namespace acetate
