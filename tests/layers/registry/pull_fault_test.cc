// A pull is cut short at every system call it makes: by one call that fails, and by one after which nothing is changed any more, as
// when it is killed there or the power goes. The store has what it had, all in it is what it is called, and the next pull finishes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/image/image_collect.h"
#include "layers/registry/pull.h"
#include "layers/registry/push.h"
#include "tests/layers/registry/misbehaving.h"
#include "tests/layers/registry/stored_sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using test::open_store;
using test::platform;
using test::reference;

struct Trouble {
  const char* name;
  int code;
  bool is_last;  // every call after it fails, too
};

class FailFrom final : public sys::Hook {
 public:
  FailFrom(std::uint64_t nth, const Trouble& trouble) : nth_(nth), trouble_(trouble), before_(sys::install(this)) {}
  ~FailFrom() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    const auto number = seen_.fetch_add(1) + 1;
    if (number < nth_ || (number > nth_ && !trouble_.is_last)) return 0;
    if (number == nth_) failed_ = call;
    return trouble_.code;
  }
  bool fired() const { return failed_ != sys::Call::count_; }
  std::string_view what() const { return sys::name_of(failed_); }

 private:
  const std::uint64_t nth_;
  const Trouble trouble_;
  std::atomic<std::uint64_t> seen_{0};
  std::atomic<sys::Call> failed_ = sys::Call::count_;
  Hook* const before_;
};

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  const auto fd = sys::open(dir, O_RDONLY | O_DIRECTORY);
  if (!fd) return names;
  EXPECT_TRUE(sys::read_dir(fd->ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  return names;
}

class EveryCallOfAPull : public testing::TestWithParam<Trouble> {
 protected:
  // One layer that an interrupted pull would leave a part of, one that it would not, and one that is there already.
  const std::vector<std::string> layers_{test::sample_bytes((1 << 20) + 5, 7), "small", "there already"};
  const image::Reference kept_ = reference("localhost/kept:1"), wanted_ = reference("localhost/wanted:1");
  test::MisbehavingRegistry registry_;
  Repository repository_{registry_.client(), "team/app"};

  void SetUp() override {
    const test::TempDir dir;
    const auto from = open_store(dir / "from");
    const auto sample = test::put_sample(*from, layers_);
    ASSERT_TRUE(from->set_reference(wanted_, sample.manifest));
    const auto stored = from->find(wanted_.str());
    ASSERT_TRUE(stored);
    const auto pushed = push_image(*from, *stored, repository_, "localhost", "1", {.platform = platform("amd64")});
    ASSERT_TRUE(pushed) << pushed.error().message();
  }

  Result<void> pull_into(const std::string& dir) {
    const auto store = TRY(image::ImageStore::open({.dir = dir}));
    const auto pulled = TRY(pull_image(repository_, "1", *store, {.platform = platform("amd64"), .at_once = 1}));
    return store->set_reference(wanted_, pulled.target);
  }

  void expect_whole(const test::TempDir& dir, const image::Reference& name) {
    const auto image = open_store(dir / "into")->find_image(name.str(), platform("amd64"));
    ASSERT_TRUE(image) << image.error().message();
    for (const auto& layer : image->layers) EXPECT_TRUE(sys::stat_following(layer.spec.path)) << layer.spec.path;
  }
  void expect_every_blob_right(const test::TempDir& dir) {
    for (const auto& name : names_in(dir / "into/blobs/sha256"))
      EXPECT_EQ(Digest::of(dir.read("into/blobs/sha256/" + name)).hex(), name);
  }
};

TEST_P(EveryCallOfAPull, MayBeTheOneThatFailsAndTheNextPullFinishes) {
  bool fired = true;
  for (std::uint64_t nth = 1; fired && !HasFailure(); ++nth) {
    const test::TempDir dir;
    {
      const auto store = open_store(dir / "into");
      ASSERT_TRUE(store->set_reference(kept_, test::put_sample(*store, {layers_.back()}).manifest));
    }
    std::string which;
    bool went_well = false;
    {
      const FailFrom failing(nth, GetParam());
      went_well = pull_into(dir / "into").has_value();
      fired = failing.fired();
      if (fired) which = failing.what();
    }
    SCOPED_TRACE(fmt::format("call {} ({}) failed, the pull {}", nth, which, went_well ? "went well" : "did not"));
    expect_whole(dir, kept_);
    expect_every_blob_right(dir);
    if (went_well || open_store(dir / "into")->find(wanted_.str())) expect_whole(dir, wanted_);

    const auto next = pull_into(dir / "into");
    ASSERT_TRUE(next) << next.error().message();
    expect_whole(dir, wanted_);
    expect_every_blob_right(dir);
    ASSERT_TRUE(image::collect({.dir = dir / "into"}, {}));
    expect_whole(dir, wanted_);
    for (const auto& name : names_in(dir / "into"))
      EXPECT_FALSE(name.starts_with(".acetate-blob-") || name.starts_with(".acetate-part-")) << name << " is left";
  }
}

INSTANTIATE_TEST_SUITE_P(Troubles, EveryCallOfAPull,
                         testing::Values(Trouble{"AFullDisk", ENOSPC, false}, Trouble{"TheEnd", EIO, true}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace acetate::registry
