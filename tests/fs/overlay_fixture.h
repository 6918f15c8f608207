// An overlay over a literal tree, spoken to by paths as a shell would: what tests of the rules stand on.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/overlay.h"
#include "layers/memory_layer.h"
#include "tests/support/temp_dir.h"

namespace acetate::fs {

// A tree told in words: "text" for a file, "/" for a directory ("/opaque"), "-> x" for a symlink, "whiteout",
// "fifo", "socket", "device".
using Tree = std::map<std::string, std::string>;

class Mounted {
 public:
  explicit Mounted(std::vector<MemoryEntry> lower = {}, OverlayOptions options = {});
  Mounted(LayerPtr lower, OverlayOptions options);
  ~Mounted();

  Overlay& overlay() { return *overlay_; }
  void remount();  // forgets everything, as a new process would
  Result<void> try_remount();
  Result<void> try_remount_over(std::vector<MemoryEntry> lower, std::optional<OverlayOptions> options = {});

  // --- by path; "" is the root. What is looked up on the way stays known to "the kernel" until forget_all().
  Result<Found> look(const std::string& path);
  Ino ino(const std::string& path);  // fails the test when it is not there
  Attr attr(const std::string& path);
  void forget_all();

  Result<Handle> open(const std::string& path, int flags);
  Result<std::string> read(const std::string& path);
  std::string read_through(Handle handle);
  Result<void> write(const std::string& path, const std::string& text);  // makes or truncates it
  Result<void> write_at(Handle handle, std::uint64_t offset, const std::string& text);
  Result<void> mkdir(const std::string& path, mode_t mode = 0755);
  Result<void> symlink(const std::string& path, const std::string& target);
  Result<void> mknod(const std::string& path, mode_t mode, dev_t rdev = 0);
  Result<void> link(const std::string& from, const std::string& to);
  Result<void> unlink(const std::string& path);
  Result<void> rmdir(const std::string& path);
  Result<void> rename(const std::string& from, const std::string& to, unsigned flags = 0);
  Result<void> chmod(const std::string& path, mode_t mode);
  Result<void> truncate(const std::string& path, std::uint64_t size);
  Result<std::vector<std::string>> names(const std::string& path);  // sorted, without "." and ".."

  // --- what is on disk
  Tree upper() const;               // the whole upper directory
  std::vector<std::string> work() const;  // what is left in work/
  const test::TempDir& dir() const { return dir_; }  // "upper" and "work" are in it
  // What a user sees, by walking.
  Tree merged();

  Caller caller;

 private:
  struct Split {
    Ino parent;
    std::string name;
  };
  Result<Split> split(const std::string& path);
  void note(const Found& found) { ++known_[found.ino]; }

  test::TempDir dir_;
  LayerPtr lower_;
  OverlayOptions options_;
  std::unique_ptr<Overlay> overlay_;
  std::map<Ino, std::uint64_t> known_;
};

// EXPECT_EQ(code(x), ENOENT): 0 for success.
template <class T>
int code(const Result<T>& result) {
  return result ? 0 : result.error().code();
}

}  // namespace acetate::fs
