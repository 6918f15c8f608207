#include "layers/layer_spec.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"
#include "tests/layers/tree.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {
namespace {

TEST(LayerSpec, ReadsBackWhatItWrites) {
  const std::vector<LayerSpec> specs = {
      {.path = "/some/dir"},
      {.path = "relative:odd,path\\"},
      {.path = "/a.tar", .offset = 512},
      {.path = "/a b+c=d/x.tar", .offset = 1, .length = 2, .digest = Digest::of("x")},
      {.path = "/x.tar", .digest = Digest::of("x", Digest::Algorithm::sha512), .toc = Digest::of("t", Digest::Algorithm::sha512)},
      {.path = "//twice", .length = 0},
      {.path = "//twice"},
  };
  for (const LayerSpec& spec : specs) {
    const auto again = parse_layer_spec(format_layer_spec(spec));
    ASSERT_TRUE(again) << format_layer_spec(spec) << ": " << words(again);
    EXPECT_EQ(*again, spec) << format_layer_spec(spec);
  }
  EXPECT_EQ(format_layer_spec({.path = "/a.tar", .offset = 512, .length = 9}), "//tar/offset=512+length=9/a.tar");
}

TEST(LayerSpec, RefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(parse_layer_spec("//erofs/x/y").error().is(ENOTSUP));
  for (const char* text : {"", "//tar", "//tar/", "//tar/offset=1", "//tar/offset=1/", "//tar/offset=x/a",
                           "//tar/offset=-1/a", "//tar/size=1/a", "//tar/digest=sha256-12/a", "//tar/offset/a"})
    EXPECT_TRUE(parse_layer_spec(text).error().is(EINVAL)) << text;
  EXPECT_EQ(words(parse_layer_spec("//tar/offset=x/a")),
            "lower layer '//tar/offset=x/a': 'x' is no number of bytes for offset");
}

class OpenLayer : public ::testing::Test {
 protected:
  Result<OpenedLayer> open(const std::string& name) { return open_layer({.path = dir_ / name}, dir_ / "index"); }
  TempDir dir_;
};

TEST_F(OpenLayer, TellsDirectoriesAndTarballsByWhatTheyAre) {
  const std::string tar = TarMaker().file("a", "text").end();
  dir_.write("d/a", "text");
  dir_.write("named.txt", tar);
  dir_.write("named.tar", as_text(gzip_of(as_bytes(tar))));

  for (const char* name : {"d", "named.txt", "named.tar"}) {
    const auto opened = open(name);
    ASSERT_TRUE(opened) << words(opened);
    EXPECT_EQ(tree_of(*opened->layer), (Tree{{"a", "file text"}}));
    EXPECT_EQ(opened->is_tar, std::string(name) != "d");
    EXPECT_EQ(opened->entries, opened->is_tar ? 1U : 0U);
    EXPECT_EQ(opened->uncompressed_size, opened->is_tar ? tar.size() : 0U);
  }
}

TEST_F(OpenLayer, SaysInWordsWhatIsWrong) {
  dir_.write("text", std::string(2000, 't'));
  ASSERT_TRUE(sys::mknod({kWorkingDir, (dir_ / "fifo").c_str()}, S_IFIFO | 0600, 0));
  dir_.mkdir("d");

  EXPECT_TRUE(open("none").error().is(ENOENT));
  EXPECT_EQ(words(open("none")), "opening layer " + (dir_ / "none") + ": No such file or directory");
  EXPECT_EQ(words(open("fifo")), "opening layer " + (dir_ / "fifo") + ": not a directory and not a tarball");
  EXPECT_TRUE(open("text").error().is(EBADMSG)) << words(open("text"));
  EXPECT_NE(words(open_layer({.path = dir_ / "d", .offset = 512}, dir_ / "index")).find("is a directory"),
            std::string::npos);
}

TEST(DefaultIndexDir, FollowsTheEnvironment) {
  const auto with = [](const char* cache, const char* xdg, const char* home) {
    const auto set = [](const char* name, const char* value) {
      if (value != nullptr) {
        ::setenv(name, value, 1);
      } else {
        ::unsetenv(name);
      }
    };
    const char* old_home = ::getenv("HOME");
    const std::string kept = old_home == nullptr ? "" : old_home;
    set("ACETATE_CACHE", cache);
    set("XDG_CACHE_HOME", xdg);
    set("HOME", home);
    std::string dir = default_index_dir();
    set("ACETATE_CACHE", nullptr);
    set("XDG_CACHE_HOME", nullptr);
    set("HOME", kept.c_str());
    return dir;
  };
  EXPECT_EQ(with("/c", "/x", "/h"), "/c/index/v1");
  EXPECT_EQ(with(nullptr, "/x", "/h"), "/x/acetate/index/v1");
  EXPECT_EQ(with("", "", "/h"), "/h/.cache/acetate/index/v1");
  EXPECT_EQ(with(nullptr, nullptr, nullptr), "/var/cache/acetate/index/v1");
}

}  // namespace
}  // namespace acetate::test
