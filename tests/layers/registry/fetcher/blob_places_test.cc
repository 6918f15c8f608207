// By whose logins a blob is fetched, and when these are read anew. Whoever is let in hears here that there is no such blob.
#include "layers/registry/fetcher/blob_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "tests/layers/registry/misbehaving.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

class BlobPlacesTest : public testing::Test {
 protected:
  const test::TempDir dir_;
  test::MisbehavingRegistry registry_{{"--auth", "basic", "--user", "me:pass:word"}};
  RemotePool pool_;

  void log_in(const std::string& file) {
    dir_.write(file, nlohmann::json{{"auths", {{registry_.host(), {{"auth", base64_encode("me:pass:word")}}}}}}.dump(), 0600);
  }
  // Of somebody whose logins are in that file.
  Ticket ticket(const std::string& file) {
    return {.blob = {.media_type = "layer", .digest = Digest::of("blob"), .size = 4},
            .sources = {{.name = registry_.host() + "/a:1",
                         .environment = {{{"REGISTRY_AUTH_FILE", dir_ / file}, {"CONTAINERS_REGISTRIES_CONF", "/dev/null"}, {"HOME", dir_.path()}}}}}};
  }
  static Error read(BlobPlaces& places) {
    auto read = places.read(0, 4, [](auto, auto) -> Result<bool> { return true; });
    return read ? Error(EEXIST) : std::move(read).error();
  }
};

TEST_F(BlobPlacesTest, AreReachedByTheLoginsOfWhoeverMounted) {
  log_in("theirs.json");
  BlobPlaces ours(pool_, ticket("ours.json")), theirs(pool_, ticket("theirs.json"));

  EXPECT_TRUE(read(ours).is(EACCES));
  EXPECT_TRUE(read(theirs).is(ENOENT));
  EXPECT_TRUE(read(ours).is(EACCES));
}

TEST_F(BlobPlacesTest, ReadALoginThatWasMadeSince) {
  BlobPlaces places(pool_, ticket("auth.json"));
  EXPECT_TRUE(read(places).is(EACCES));

  log_in("auth.json");
  EXPECT_TRUE(read(places).is(ENOENT));
}

TEST_F(BlobPlacesTest, ReadTheTicketAnewWhenTheyAreRefused) {
  log_in("theirs.json");
  int asked = 0;
  BlobPlaces places(pool_, ticket("ours.json"), [&]() -> Result<Ticket> {
    ++asked;
    return ticket("theirs.json");
  });

  EXPECT_TRUE(read(places).is(ENOENT));
  EXPECT_TRUE(read(places).is(ENOENT));
  EXPECT_EQ(asked, 1);
}

TEST_F(BlobPlacesTest, AreNotedWithAbsolutePaths) {
  const auto places = places_in([](const char* name) -> std::optional<std::string> {
    if (name == std::string_view("REGISTRY_AUTH_FILE")) return "auth.json";
    if (name == std::string_view("HTTPS_PROXY")) return "http://me:secret@proxy.example";
    return std::nullopt;
  });
  ASSERT_TRUE(places);
  ASSERT_EQ(places->size(), 1u);
  EXPECT_THAT(places->at("REGISTRY_AUTH_FILE"), testing::MatchesRegex("/.*/auth.json"));

  auto written = ticket("auth.json");
  ASSERT_TRUE(write_ticket(dir_.path(), written));
  EXPECT_EQ(read_ticket(dir_.path(), written.blob.digest)->sources, written.sources);
}

}  // namespace
}  // namespace acetate::registry
