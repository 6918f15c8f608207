// Many threads do random things to a few names: no answer but the expected ones, no deadlock, and in the end a
// new mount sees what the old one saw. Meant for ThreadSanitizer too.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <stdio.h>

#include <random>
#include <set>
#include <thread>

#include "tests/fs/overlay_fixture.h"

// ThreadSanitizer's graph of lock orders knows no tree: two directories that are parent and child today were
// strangers, ordered by number, before a rename. The order itself is argued in fs/overlay.h; races are what the
// sanitizer is here for.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }

namespace acetate::fs {
namespace {

const std::set<int> kOrdinary{0, ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EXDEV, EINVAL, ESTALE, EPERM, ELOOP};

// One "process": speaks numbers, remembers and forgets like a kernel.
class Actor {
 public:
  Actor(Overlay& overlay, unsigned seed) : overlay_(overlay), random_(seed) {}

  void run(int rounds) {
    for (int i = 0; i < rounds; ++i) step();
    for (const auto& [ino, count] : known_) overlay_.forget(ino, count);
  }
  const std::set<int>& surprises() const { return surprises_; }

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  std::string name() { return std::string(1, static_cast<char>('a' + pick(4))); }
  template <class T>
  bool ok(const Result<T>& result) {
    if (!kOrdinary.contains(code(result))) surprises_.insert(code(result));
    return result.has_value();
  }
  Ino note(const Found& found) {
    ++known_[found.ino];
    return found.ino;
  }
  Ino somewhere() {
    Ino at = Ino::root;
    for (unsigned depth = pick(3); depth > 0; --depth) {
      auto found = overlay_.lookup(at, name());
      if (!ok(found)) break;
      note(*found);
      if (!found->attr.is_dir()) break;
      at = found->ino;
    }
    return at;
  }
  void use_file(Ino dir) {
    auto found = overlay_.lookup(dir, name());
    if (!ok(found)) return;
    const Ino ino = note(*found);
    if (!found->attr.is_regular()) return;
    auto reader = overlay_.open(ino, O_RDONLY);
    ok(reader);
    auto writer = overlay_.open(ino, pick(2) != 0 ? O_RDWR : O_RDWR | O_TRUNC);
    if (ok(writer)) {
      const std::string text(1 + pick(5000), static_cast<char>('A' + pick(26)));
      ok(overlay_.write(writer->handle, std::as_bytes(std::span(text)), pick(100), false));
      overlay_.release(writer->handle);
    }
    if (reader) {
      std::byte buffer[256];
      ok(overlay_.read(reader->handle, buffer, 0));
      overlay_.release(reader->handle);
    }
  }
  void list(Ino ino) {
    std::set<std::string> names;
    ok(overlay_.readdir(ino, 0, [&](const ListedEntry& entry) {
      if (!names.emplace(entry.name).second) surprises_.insert(-1);  // the same name twice
      return true;
    }));
  }
  // With what may have been found out before, and with finding out what comes next.
  void list_plus(Ino ino) {
    ok(overlay_.readdirplus(ino, 0, [](const ListedEntry&) { return true; }, [&](const ListedEntry&, const Found* found) {
      if (found != nullptr) note(*found);
    }));
    overlay_.look_ahead(ino);
  }
  void step() {
    const Ino dir = somewhere();
    switch (pick(13)) {
      case 0: {
        auto made = overlay_.create(dir, name(), 0644, O_RDWR, {});
        if (ok(made)) {
          note(made->found);
          overlay_.release(made->opened.handle);
        }
        break;
      }
      case 1:
        if (auto made = overlay_.mkdir(dir, name(), 0755, {}); ok(made)) note(*made);
        break;
      case 2: ok(overlay_.unlink(dir, name())); break;
      case 3: ok(overlay_.rmdir(dir, name())); break;
      case 4:
      case 5: ok(overlay_.rename(dir, name(), somewhere(), name(), pick(4) == 0 ? RENAME_EXCHANGE : 0)); break;
      case 6:
        if (auto made = overlay_.symlink(dir, name(), "target", {}); ok(made)) note(*made);
        break;
      case 7: {
        auto found = overlay_.lookup(dir, name());
        if (ok(found)) {
          note(*found);
          if (auto linked = overlay_.link(found->ino, somewhere(), name()); ok(linked)) note(*linked);
        }
        break;
      }
      case 8: {
        auto found = overlay_.lookup(dir, name());
        if (ok(found) && !found->attr.is_symlink()) ok(overlay_.setattr(note(*found), {.mode = 0700 + pick(64)}, {}));
        else if (found) note(*found);
        break;
      }
      case 9: list(dir); break;
      case 10: list_plus(dir); break;
      case 11:
        ok(overlay_.getattr(dir));
        if (!known_.empty() && pick(4) == 0) {
          const auto [ino, count] = *known_.begin();
          overlay_.forget(ino, count);
          known_.erase(known_.begin());
        }
        break;
      default: use_file(dir); break;
    }
  }

  Overlay& overlay_;
  std::mt19937 random_;
  std::map<Ino, std::uint64_t> known_;
  std::set<int> surprises_;
};

class Stress : public ::testing::TestWithParam<bool> {};

TEST_P(Stress, FourThreadsOfRandomChangesLeaveATreeThatANewMountSeesTheSame) {
  std::vector<MemoryEntry> lower{memory_file("a/a", "aa"), memory_file("a/b/a", "aba"), memory_file("a/b/b", "abb"),
                                 memory_file("b/c", std::string(100000, 'x')), memory_file("c", "c"),
                                 memory_dir("d/a"), memory_symlink("d/b", "../c")};
  Mounted m(std::move(lower), {.durable = false, .force_file_whiteouts = GetParam()});
  const auto seed = static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed());
  RecordProperty("seed", std::to_string(seed));
  const auto start = m.overlay().stats();

  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) actors.push_back(std::make_unique<Actor>(m.overlay(), seed + i));
  for (auto& actor : actors) threads.emplace_back([&actor] { actor->run(1500); });
  for (auto& thread : threads) thread.join();

  for (auto& actor : actors) EXPECT_THAT(actor->surprises(), ::testing::IsEmpty()) << "seed " << seed;
  EXPECT_EQ(m.overlay().stats().handles, 0U);
  EXPECT_EQ(m.overlay().stats().inodes, start.inodes);
  const Tree seen = m.merged();
  EXPECT_THAT(m.work(), ::testing::IsEmpty());
  m.remount();
  EXPECT_EQ(m.merged(), seen) << "seed " << seed;
}

INSTANTIATE_TEST_SUITE_P(Dialects, Stress, ::testing::Bool(),
                         [](const auto& dialect) { return dialect.param ? "FileWhiteouts" : "DeviceWhiteouts"; });

}  // namespace
}  // namespace acetate::fs
