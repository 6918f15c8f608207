// An overlay over one directory of N files in memory, writable in a temporary directory: what the inner loops are timed on.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/sys/file.h"
#include "fs/overlay.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"

namespace acetate::bench {

using fs::Ino;
using fs::Handle;
using fs::ListedEntry;
using fs::Overlay;

class Sample {
 public:
  explicit Sample(std::int64_t files, std::size_t bytes = 1) : place_(make_place()), count_(files) {
    std::vector<MemoryEntry> entries;
    for (std::int64_t i = 0; i < files; ++i) {
      names_.push_back(fmt::format("file-{}", i));
      entries.push_back(memory_file("dir/" + names_.back(), std::string(bytes, 'x')));
    }
    LayerPtr lower = *make_stack({*make_memory_layer(std::move(entries))});
    for (const char* part : {"/upper", "/work"}) require(sys::make_dirs(place_ + part, 0755));
    overlay_ = *Overlay::open(std::move(lower), *sys::open(place_ + "/upper", O_PATH | O_DIRECTORY),
                              *sys::open(place_ + "/work", O_PATH | O_DIRECTORY), {.durable = false});
    directory_ = overlay_->lookup(Ino::root, "dir")->ino;
  }
  Sample(const Sample&) = delete;
  Sample& operator=(const Sample&) = delete;
  ~Sample() {
    overlay_.reset();
    require(sys::remove_tree(FileAt{kWorkingDir, place_.c_str()}));
  }

  Overlay& overlay() const { return *overlay_; }
  Ino directory() const { return directory_; }
  const std::string& name(std::int64_t i) const { return names_[static_cast<std::size_t>(i % count_)]; }
  fs::Caller caller() const { return {.uid = ::geteuid(), .gid = ::getegid()}; }

 private:
  static void require(const Result<void>& done) {
    if (!done) std::abort();
  }
  static std::string make_place() {
    const char* where = std::getenv("TMPDIR");
    std::string path = std::string(where != nullptr ? where : "/tmp") + "/acetate-bench.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    return path;
  }

  std::string place_;
  std::int64_t count_;
  std::vector<std::string> names_;
  std::unique_ptr<Overlay> overlay_;
  Ino directory_{};
};

}  // namespace acetate::bench
