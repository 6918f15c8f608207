// Tarballs to open, plain and packed, with an index directory of their own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "layers/tar/open_tar.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {

// Counts calls, and makes one kind fail if asked to.
class Watch final : public sys::Hook {
 public:
  Watch() : before_(sys::install(this)) {}
  Watch(sys::Call call, int code) : failing_(call), code_(code), before_(sys::install(this)) {}
  ~Watch() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    ++total_;
    ++seen_[static_cast<std::size_t>(call)];
    return call == failing_ ? code_ : 0;
  }
  int count(sys::Call call) const { return seen_[static_cast<std::size_t>(call)]; }
  int total() const { return total_; }

 private:
  sys::Call failing_ = sys::Call::count_;
  int code_ = 0;
  std::atomic<int> total_ = 0;
  std::array<std::atomic<int>, static_cast<std::size_t>(sys::Call::count_)> seen_{};
  sys::Hook* before_;
};

class OpenTar : public ::testing::Test {
 protected:
  OpenTar() {
    TarMaker tar;
    for (int i = 0; i < 300; ++i)
      tar.file(fmt::format("dir{}/file{}", i % 7, i), std::string(1000, static_cast<char>('a' + i % 26)));
    tar.header({.name = "null", .type = '3', .major = 1, .minor = 3}).symlink("link", "null");
    plain_ = tar.end();
    dir_.write("a.tar", plain_);
    dir_.write("a.tar.gz", as_text(gzip_of(as_bytes(plain_))));
    expected_ = tree_of(*made(plain_));
  }

  Result<OpenedTar> open(const std::string& name, TarFile tar = {}) {
    tar.file = *sys::open(dir_ / name, O_RDONLY);
    return open_tar(std::move(tar), IndexStore(dir_ / "index"),
                    IdentityCache(dir_ / "index", [this] { return timespec{::time(nullptr) + later_, 0}; }));
  }
  Digest digest_of(const std::string& name) { return Digest::of(dir_.read(name)); }
  // Names below the index directory, but for directories.
  std::vector<std::string> kept() {
    std::vector<std::string> names;
    if (!std::filesystem::exists(dir_ / "index")) return names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "index"))
      if (!entry.is_directory()) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  TempDir dir_;
  std::string plain_;
  Tree expected_;
  std::int64_t later_ = 60;  // how far the clock is ahead: files just written are at rest
};

}  // namespace acetate::test
