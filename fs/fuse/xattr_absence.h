// XattrAbsence: whether nothing in a mount has extended attributes, found out while it is asked for them in vain.
//
// Of answers to GETXATTR and LISTXATTR the kernel keeps one alone, ENOSYS: that the file system has none at all. Who walks a tree and asks at each file
// (podman's diff, a backup, another overlay above) waits two round trips a file otherwise. Where nothing can be written it can be known, by looking at every file
// of the layers once, at a system call each. Nobody who asks seldom pays for that: behind an answer "none" a few files are looked at, and the more the
// more was asked before.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "layers/xattr_search.h"

namespace acetate::fs {

// Thread-safe.
class XattrAbsence {
 public:
  // Of a tree that does not change, and that nobody writes to.
  explicit XattrAbsence(std::unique_ptr<XattrSearch> search) : state_(State::searching), search_(std::move(search)) {}
  // Of one for which it is known, and where the kernel asks once.
  XattrAbsence() : state_(State::told) {}

  // A question had "none" for an answer, which has been given: looks on for a moment, unless somebody else does.
  void asked_in_vain() noexcept;
  // Nothing has any, and the kernel is told so from now on.
  bool tell() noexcept;
  // The tree changes: nothing is concluded any more. True when the kernel has been told already.
  bool settle() noexcept;

  // How many entries are looked at behind the question of that number, and how many at most.
  static constexpr std::uint64_t kQuestionsForOne = 8, kMostAtOnce = 256;

 private:
  enum class State : std::uint8_t { searching, given_up, none, told };

  std::atomic<State> state_;
  std::atomic<std::uint64_t> questions_{0};
  std::atomic_flag is_looking_;
  std::unique_ptr<XattrSearch> search_;  // of who has set is_looking_
};

}  // namespace acetate::fs
