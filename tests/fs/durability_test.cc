// What reaches the disk, and when: a copy is on it before anybody can see it, and `volatile` waits for nothing.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <vector>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using sys::Call;

// Writes down every call, in order; fails those of the given numbers (from 0).
class Recorder final : public sys::Hook {
 public:
  explicit Recorder(std::set<std::size_t> failing = {}, int code = 0) : failing_(std::move(failing)), code_(code), before_(sys::install(this)) {}
  ~Recorder() override { stop(); }
  void stop() {
    if (installed_) sys::install(before_);
    installed_ = false;
  }
  int before(Call call) noexcept override {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
    return failing_.contains(calls_.size() - 1) ? code_ : 0;
  }

  std::vector<std::size_t> where(std::initializer_list<Call> kinds) const {
    std::vector<std::size_t> at;
    for (std::size_t i = 0; i < calls_.size(); ++i)
      if (std::find(kinds.begin(), kinds.end(), calls_[i]) != kinds.end()) at.push_back(i);
    return at;
  }
  std::vector<std::size_t> syncs() const { return where({Call::fsync, Call::fdatasync, Call::syncfs}); }

 private:
  std::set<std::size_t> failing_;
  int code_;
  std::mutex mutex_;
  std::vector<Call> calls_;
  Hook* before_;
  bool installed_ = true;
};

class Durability : public ::testing::Test {
 protected:
  Durability() { dir_.write("f", "text", 0640); }
  std::unique_ptr<Mounted> mount(OverlayOptions options = {}) {
    return std::make_unique<Mounted>(*make_stack({*open_dir_layer(dir_.open())}), options);
  }

  // Which call of a copy-up opens the file that is copied into: the last one before the bytes come. 0, and a failure, where it does not work.
  std::size_t opening_of_the_copy() {
    const auto calm = mount();
    const Ino f = calm->ino("f");
    Recorder record;
    const bool opened = calm->overlay().open(f, O_RDWR).has_value();
    record.stop();
    const auto data = record.where({Call::copy_file_range, Call::pwrite});
    EXPECT_TRUE(opened && !data.empty());
    std::size_t last = 0;
    for (const std::size_t at : record.where({Call::openat}))
      if (!data.empty() && at < data.front()) last = at;
    return last;
  }

  // One sync, after all that makes the copy what it is, before the one call that shows it.
  static void expect_synced_before_shown(const Recorder& record, Call shows) {
    const auto synced = record.where({Call::fsync});
    ASSERT_THAT(synced, SizeIs(1));
    const auto shown = record.where({shows});
    ASSERT_FALSE(shown.empty());
    EXPECT_LT(synced[0], shown[0]);
    for (const Call makes : {Call::copy_file_range, Call::pwrite, Call::fchownat, Call::fchmodat, Call::ficlone})
      for (const std::size_t at : record.where({makes})) EXPECT_LT(at, synced[0]) << sys::name_of(makes);
    // The copy's own times before, those of the directory after.
    const auto times = record.where({Call::utimensat});
    ASSERT_THAT(times, SizeIs(2));
    EXPECT_LT(times[0], synced[0]);
    EXPECT_GT(times[1], shown[0]);
  }

  test::TempDir dir_;
};

TEST_F(Durability, ACopyIsOnTheDiskBeforeItIsShown) {
  const auto m = mount();
  const Ino f = m->ino("f");
  Recorder record;
  ASSERT_TRUE(m->overlay().open(f, O_RDWR));
  record.stop();
  expect_synced_before_shown(record, Call::linkat);
  EXPECT_EQ(m->upper(), (Tree{{"f", "text"}}));
}

// Each answer that a file system, or an old kernel, has to O_TMPFILE.
TEST_F(Durability, SoIsOneThatHadToBeMadeByAName) {
  for (const int unknown : {EOPNOTSUPP, EISDIR, EINVAL, ENOENT}) {
    const std::size_t nameless = opening_of_the_copy();
    dir_.write("g", "more");
    const auto m = mount();
    const Ino f = m->ino("f");
    Recorder record({nameless}, unknown);
    ASSERT_EQ(code(m->overlay().open(f, O_RDWR)), 0) << unknown;
    record.stop();
    expect_synced_before_shown(record, Call::renameat2);
    EXPECT_THAT(record.where({Call::linkat}), IsEmpty());
    EXPECT_EQ(m->upper(), (Tree{{"f", "text"}}));
    EXPECT_EQ(m->attr("f").mode & 07777, 0640U);
    EXPECT_THAT(m->work(), IsEmpty());

    // It is not asked for again.
    const Ino g = m->ino("g");
    Recorder next;
    ASSERT_EQ(code(m->overlay().open(g, O_RDWR)), 0);
    next.stop();
    expect_synced_before_shown(next, Call::renameat2);
  }
}

TEST_F(Durability, AnotherAnswerToANamelessFileIsAnErrorAndNothingIsTriedByAName) {
  const std::size_t nameless = opening_of_the_copy();
  for (const int broken : {ENOSPC, EIO, EDQUOT, EROFS}) {
    const auto m = mount();
    const Ino f = m->ino("f");
    Recorder record({nameless}, broken);
    EXPECT_EQ(code(m->overlay().open(f, O_RDWR)), broken);
    record.stop();
    EXPECT_THAT(record.where({Call::linkat, Call::renameat2}), IsEmpty());
    EXPECT_THAT(m->upper(), IsEmpty());
    EXPECT_EQ(*m->read("f"), "text");
  }
}

TEST_F(Durability, ACopyInTheIndexIsOnTheDiskBeforeItIsShown) {
  ASSERT_TRUE(sys::link(FileAt{kWorkingDir, (dir_ / "f").c_str()}, FileAt{kWorkingDir, (dir_ / "g").c_str()}));
  const auto m = mount({.index = true});
  const Ino f = m->ino("f");
  Recorder record;
  ASSERT_TRUE(m->overlay().open(f, O_RDWR));
  record.stop();
  const auto synced = record.where({Call::fsync});
  ASSERT_THAT(synced, SizeIs(1));
  EXPECT_LT(record.where({Call::copy_file_range, Call::pwrite}).back(), synced[0]);
  EXPECT_GT(record.where({Call::linkat}).front(), synced[0]);
}

TEST_F(Durability, BytesOfAMetacopyAreOnTheDiskBeforeItIsNoneAnyMore) {
  const auto m = mount();
  ASSERT_EQ(code(m->chmod("f", 0600)), 0);
  {
    const Fd file = *sys::open(m->dir() / "upper/f", O_RDWR);
    ASSERT_TRUE(sys::truncate(file.ref(), 0));
    ASSERT_TRUE(sys::truncate(file.ref(), 4));
    if (!sys::set_xattr(file.ref(), "trusted.overlay.metacopy", "")) {
      ASSERT_TRUE(sys::set_xattr(file.ref(), "user.overlay.metacopy", ""));
    }
  }
  m->remount();
  const Ino f = m->ino("f");
  Recorder record;
  ASSERT_TRUE(m->overlay().open(f, O_RDONLY));
  record.stop();
  const auto synced = record.where({Call::fsync});
  ASSERT_THAT(synced, SizeIs(1));
  for (const std::size_t at : record.where({Call::copy_file_range, Call::pwrite, Call::fchmodat, Call::utimensat, Call::setxattr})) EXPECT_LT(at, synced[0]);
  ASSERT_THAT(record.where({Call::removexattr}), SizeIs(1));
  EXPECT_GT(record.where({Call::removexattr})[0], synced[0]);
}

TEST_F(Durability, WhatIsAcknowledgedBySyncsIsAskedOfTheDisk) {
  const auto m = mount();
  const Handle file = *m->open("f", O_RDWR);
  ASSERT_EQ(code(m->mkdir("d")), 0);
  const Ino dir = m->ino("d");
  Recorder record;
  ASSERT_EQ(code(m->overlay().fsync(file, false)), 0);
  ASSERT_EQ(code(m->overlay().fsync(file, true)), 0);
  ASSERT_EQ(code(m->overlay().fsyncdir(dir)), 0);
  ASSERT_EQ(code(m->overlay().sync()), 0);
  record.stop();
  EXPECT_THAT(record.where({Call::fsync}), SizeIs(2));
  EXPECT_THAT(record.where({Call::fdatasync}), SizeIs(1));
  EXPECT_THAT(record.where({Call::syncfs}), SizeIs(1));
  m->overlay().release(file);
}

TEST_F(Durability, VolatileSyncsNothingAtAll) {
  const auto m = mount({.durable = false});
  ASSERT_EQ(code(m->mkdir("d")), 0);
  const Ino dir = m->ino("d");
  Recorder record;
  const Handle file = *m->open("f", O_RDWR | O_SYNC);
  ASSERT_EQ(code(m->write_at(file, 0, "more")), 0);
  ASSERT_EQ(code(m->overlay().fsync(file, false)), 0);
  ASSERT_EQ(code(m->overlay().fsyncdir(dir)), 0);
  ASSERT_EQ(code(m->overlay().sync()), 0);
  record.stop();
  EXPECT_THAT(record.syncs(), IsEmpty());
  m->overlay().release(file);
}

}  // namespace
}  // namespace acetate::fs
