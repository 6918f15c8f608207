#include "layers/image/layout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "base/bytes.h"
#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/image/json.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/image/ustar.h"
#include "tests/layers/image/sample.h"

namespace acetate::image {
namespace {

using test::Sample;
using ::testing::HasSubstr;

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  const auto fd = sys::open(dir, O_RDONLY | O_DIRECTORY);
  if (fd)
    (void)sys::read_dir(fd->ref(),
                        [&](const sys::DirEntry& entry) { return names.emplace_back(entry.name), true; });
  std::ranges::sort(names);
  return names;
}

class LayoutTest : public ::testing::Test {
 protected:
  std::unique_ptr<Layout> open() {
    auto layout = Layout::open(dir);
    EXPECT_TRUE(layout) << layout.error().message();
    return layout ? *std::move(layout) : nullptr;
  }
  // The sample image's blobs; its manifest.
  Descriptor put_sample(Layout& layout) {
    for (const auto& layer : sample.layers) EXPECT_TRUE(layout.put_blob(layer.text, layer.media_type));
    EXPECT_TRUE(layout.put_blob(sample.config.text, sample.config.media_type));
    auto manifest = layout.put_blob(sample.manifest.text, sample.manifest.media_type);
    EXPECT_TRUE(manifest);
    return *manifest;
  }

  test::TempDir tmp;
  std::string dir = tmp / "layout";
  Sample sample;
};

TEST_F(LayoutTest, IsMadeWhereNothingIsAndOpenedAgain) {
  open();
  const auto files = names_in(dir);
  open();

  EXPECT_EQ(files, (std::vector<std::string>{"blobs", "index.json", "oci-layout"}));
  EXPECT_EQ(names_in(dir), files);
  EXPECT_EQ(tmp.read("layout/oci-layout"), R"({"imageLayoutVersion":"1.0.0"})");
}

TEST_F(LayoutTest, IsNotMadeAmongOtherFiles) {
  tmp.write("layout/thesis.txt", "mine");

  const auto layout = Layout::open(dir);

  ASSERT_FALSE(layout);
  EXPECT_TRUE(layout.error().is(EEXIST));
  EXPECT_EQ(layout.error().message(), dir + " is neither empty nor an OCI image layout");
  EXPECT_EQ(names_in(dir), std::vector<std::string>{"thesis.txt"});
}

TEST_F(LayoutTest, KeepsABlobUnderItsDigest) {
  const auto layout = open();
  auto writer = layout->new_blob();
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->write(as_bytes("hello, ")));
  ASSERT_TRUE((*writer)->write(as_bytes("world")));

  const auto descriptor = (*writer)->commit("text/plain");
  writer->reset();

  ASSERT_TRUE(descriptor);
  EXPECT_EQ(descriptor->digest, Digest::of("hello, world"));
  EXPECT_EQ(descriptor->size, 12u);
  EXPECT_EQ(descriptor->media_type, "text/plain");
  EXPECT_TRUE(*layout->has_blob(descriptor->digest));
  EXPECT_EQ(*sys::read_file(layout->blob_path(descriptor->digest), 100), "hello, world");
  EXPECT_EQ(names_in(dir), (std::vector<std::string>{"blobs", "index.json", "oci-layout"}));
}

TEST_F(LayoutTest, KeepsNothingOfABlobThatIsNotCommitted) {
  const auto layout = open();
  {
    auto writer = layout->new_blob();
    ASSERT_TRUE((*writer)->write(as_bytes("half")));
  }

  EXPECT_FALSE(*layout->has_blob(Digest::of("half")));
  EXPECT_EQ(names_in(dir), (std::vector<std::string>{"blobs", "index.json", "oci-layout"}));
  EXPECT_TRUE(names_in(dir + "/blobs/sha256").empty());
}

TEST_F(LayoutTest, MendsADamagedBlobThatIsPutAgain) {
  const auto layout = open();
  const auto descriptor = layout->put_blob("right", "x");
  tmp.write("layout/blobs/sha256/" + descriptor->digest.hex(), "wrong");

  ASSERT_TRUE(layout->put_blob("right", "x"));

  EXPECT_EQ(tmp.read("layout/blobs/sha256/" + descriptor->digest.hex()), "right");
}

TEST_F(LayoutTest, RemovesWhatAWriterThatDiedLeftButNotOneThatLives) {
  const auto layout = open();
  tmp.write("layout/.acetate-blob-1-2-3", "left behind");
  auto living = layout->new_blob();
  ASSERT_TRUE((*living)->write(as_bytes("x")));

  open();

  EXPECT_FALSE(tmp.exists("layout/.acetate-blob-1-2-3"));
  EXPECT_TRUE((*living)->commit("y"));
}

TEST_F(LayoutTest, PointsATagAtAnImageThatOpensAgain) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);

  ASSERT_TRUE(layout->set_reference("v1", manifest));

  const auto image = open_image("oci:" + dir + ":v1", test::amd64());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_digest, manifest.digest);
}

TEST_F(LayoutTest, MovesATagAndKeepsTheOthersAndWhatItDoesNotKnow) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);
  const auto config = test::config_blob("amd64", {});
  const auto other = test::manifest_blob(config, {});
  ASSERT_TRUE(layout->put_blob(config.text, config.media_type));
  const auto other_manifest = layout->put_blob(other.text, other.media_type);
  ASSERT_TRUE(layout->set_reference("v1", manifest));
  ASSERT_TRUE(layout->set_reference("localhost/app:2", manifest));
  auto index = Json::parse(tmp.read("layout/index.json"));
  index["annotations"]["mine"] = "kept";
  tmp.write("layout/index.json", index.dump());

  ASSERT_TRUE(layout->set_reference("v1", *other_manifest));

  EXPECT_EQ(open_image(dir + ":v1", test::amd64())->manifest_digest, other.digest());
  EXPECT_EQ(open_image(dir + ":localhost/app:2", test::amd64())->manifest_digest, manifest.digest);
  index = Json::parse(tmp.read("layout/index.json"));
  EXPECT_EQ(index["annotations"]["mine"], "kept");
  ASSERT_EQ(index["manifests"].size(), 2u);
  EXPECT_EQ(index["manifests"][0]["annotations"]["io.containerd.image.name"], "localhost/app:2") << "a whole name";
  EXPECT_FALSE(index["manifests"][1]["annotations"].contains("io.containerd.image.name")) << "a mere tag";
}

TEST_F(LayoutTest, PointsNoTagAtAnImageThatIsNotWholeThere) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);
  ASSERT_TRUE(sys::unlink(FileAt{kWorkingDir, layout->blob_path(sample.layers[0].digest()).c_str()}));

  const auto set = layout->set_reference("v1", manifest);

  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message(), HasSubstr("the image is incomplete"));
  EXPECT_THAT(open_image(dir, test::amd64()).error().message(), HasSubstr("holds no image"));
}

TEST_F(LayoutTest, RefusesNamesThatAreNone) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);

  for (const char* name : {"", "a b", "a\n", "\"", "a\\b"})
    EXPECT_FALSE(layout->set_reference(name, manifest)) << name;
}

TEST_F(LayoutTest, LosesNoTagWhenManySetThemAtOnce) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto mine = Layout::open(dir);
      ASSERT_TRUE(mine);
      for (int i = 0; i < 5; ++i) EXPECT_TRUE((*mine)->set_reference(fmt::format("t{}-{}", t, i), manifest));
    });
  for (auto& thread : threads) thread.join();

  EXPECT_EQ(Json::parse(tmp.read("layout/index.json"))["manifests"].size(), 20u);
}

// Makes one call fail from its n-th time on.
class FailFrom : public sys::Hook {
 public:
  FailFrom(sys::Call call, int nth, int code) : call_(call), left_(nth), code_(code) {
    old_ = sys::install(this);
  }
  ~FailFrom() override { sys::install(old_); }
  int before(sys::Call call) noexcept override { return call == call_ && --left_ < 0 ? code_ : 0; }

 private:
  sys::Call call_;
  int left_;
  int code_;
  sys::Hook* old_;
};

TEST_F(LayoutTest, LeavesNothingWhenTheDiskIsFull) {
  const auto layout = open();
  for (const auto call : {sys::Call::write, sys::Call::fsync, sys::Call::renameat2}) {
    FailFrom full(call, 0, ENOSPC);
    const auto put = layout->put_blob("text", "x");
    ASSERT_FALSE(put);
    EXPECT_TRUE(put.error().is(ENOSPC));
  }

  EXPECT_FALSE(*layout->has_blob(Digest::of("text")));
  EXPECT_EQ(names_in(dir), (std::vector<std::string>{"blobs", "index.json", "oci-layout"}));
}

TEST_F(LayoutTest, PublishesNothingWithAHoleWhereTheDiskWasFull) {
  const auto layout = open();
  const std::string good = "first second";
  ASSERT_TRUE(layout->put_blob(good, "x"));
  const auto writer = *layout->new_blob();
  const auto write = [&](std::string_view text) { return writer->write(std::as_bytes(std::span(text))); };
  ASSERT_TRUE(write("first "));
  {
    FailFrom full(sys::Call::write, 0, ENOSPC);
    EXPECT_TRUE(write("second").error().is(ENOSPC));
  }

  EXPECT_EQ(writer->size(), 6u) << "what did not get into the file was not written";
  EXPECT_TRUE(write("second").error().is(EIO));
  EXPECT_TRUE(writer->hash_by(Digest::Algorithm::sha512).error().is(EIO));
  EXPECT_TRUE(writer->commit("x").error().is(EIO));
  EXPECT_EQ(tmp.read("layout/blobs/sha256/" + Digest::of(good).hex()), good);

  ASSERT_TRUE(writer->restart());
  ASSERT_TRUE(write("again"));
  EXPECT_EQ(writer->commit("x")->digest, Digest::of("again"));
  EXPECT_EQ(tmp.read("layout/blobs/sha256/" + Digest::of("again").hex()), "again");
}

TEST_F(LayoutTest, PublishesNoFileThatIsNotAsLongAsWhatWasWritten) {
  const auto layout = open();
  ASSERT_TRUE(layout->put_blob("text", "x"));
  const auto writer = *layout->new_blob();
  const std::string_view text = "text";
  ASSERT_TRUE(writer->write(std::as_bytes(std::span(text))));
  const auto names = names_in(dir);
  const auto file = std::ranges::find_if(names, [](const auto& name) { return name.starts_with(".acetate-blob-"); });
  ASSERT_NE(file, names.end());
  ASSERT_TRUE(sys::truncate(sys::open(dir + "/" + *file, O_WRONLY)->ref(), 2));

  EXPECT_TRUE(writer->commit("x").error().is(EIO));
  EXPECT_EQ(tmp.read("layout/blobs/sha256/" + Digest::of("text").hex()), "text");
}

TEST_F(LayoutTest, KeepsItsReferencesWhenANewOneCannotBeWritten) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);
  ASSERT_TRUE(layout->set_reference("v1", manifest));
  const auto before = tmp.read("layout/index.json");
  // The names of the blobs are synced first: what they are named in must not be there without them.
  for (const auto call : {sys::Call::write, sys::Call::fsync}) {
    FailFrom full(call, 0, ENOSPC);
    EXPECT_TRUE(layout->set_reference("v2", manifest).error().is(ENOSPC));
  }

  EXPECT_EQ(tmp.read("layout/index.json"), before);
}

TEST_F(LayoutTest, PacksIntoTheSameArchiveEveryTimeThatOpensAgain) {
  const auto layout = open();
  const auto manifest = put_sample(*layout);
  ASSERT_TRUE(layout->set_reference("v1", manifest));
  const auto pack = [&](const char* name) {
    const auto out = sys::open(tmp / name, O_WRONLY | O_CREAT, 0644);
    ASSERT_TRUE(out);
    const auto packed = write_oci_archive(dir, out->ref());
    EXPECT_TRUE(packed) << packed.error().message();
  };

  pack("1.tar");
  tmp.write("layout/.acetate-blob-9-9-9", "somebody's blob on its way");
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, (dir + "/index.json").c_str()}, times));
  pack("2.tar");

  EXPECT_TRUE(tmp.read("1.tar") == tmp.read("2.tar"));
  const auto image = open_image("oci-archive:" + tmp / "1.tar" + ":v1", test::amd64());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(test::bytes_of(image->layers[1].spec), sample.layers[1].text);
}

TEST_F(LayoutTest, PacksNothingThatIsNoLayout) {
  tmp.mkdir("layout");

  EXPECT_EQ(write_oci_archive(dir, FdRef{1}).error().message(),
            dir + " is not an OCI image layout: it has no file oci-layout");
}

TEST(Ustar, WritesSizesBeyondOctalInBase256) {
  const auto small = ustar_file("x", (std::uint64_t{1} << 33) - 1);
  const auto big = ustar_file("x", std::uint64_t{1} << 33);

  EXPECT_EQ(std::memcmp(&small[124], "77777777777", 12), 0);
  EXPECT_EQ(std::memcmp(&big[124], "\x80\0\0\0\0\0\0\2\0\0\0\0", 12), 0);
}

TEST(Ustar, TellsLongNamesByAnExtendedHeader) {
  for (const std::size_t length : {std::size_t{101}, std::size_t{141}, std::size_t{990}, std::size_t{992}, std::size_t{2000}}) {
    const std::string name(length, 'n');
    const auto header = long_name(name);
    EXPECT_EQ(header.size() % 512, 0U);
    const std::size_t bytes = std::stoul(header.substr(512));
    EXPECT_EQ(header.substr(512, bytes), std::to_string(bytes) + " path=" + name + "\n");
    EXPECT_EQ(std::stoul(header.substr(124, 11), nullptr, 8), bytes);
    EXPECT_EQ(as_text(ustar_file(name, 0)).substr(0, 100), name.substr(0, 100));
  }
}

}  // namespace
}  // namespace acetate::image
