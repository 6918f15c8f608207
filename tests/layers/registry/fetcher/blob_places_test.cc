// By whose logins a blob is fetched, and when these are read anew. Whoever is let in hears here that there is no such blob.
#include "layers/registry/fetcher/blob_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/bytes.h"
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

// Two registries that have the blob, of which the first is in trouble.
class InTurn : public testing::TestWithParam<const char*> {
 protected:
  const std::string bytes_ = test::sample_bytes(300'000);
  test::MisbehavingRegistry first_, second_;
  RemotePool pool_;
  const image::Descriptor blob_ = [this] {
    first_.put_blob("a", bytes_);
    return second_.put_blob("a", bytes_);
  }();

  std::unique_ptr<BlobPlaces> places() {
    const std::map<std::string, std::string> environment{{"CONTAINERS_REGISTRIES_CONF", "/dev/null"}};
    return std::make_unique<BlobPlaces>(pool_, Ticket{.blob = blob_, .sources = {{.name = first_.host() + "/a:1", .environment = environment},
                                                                                 {.name = second_.host() + "/a:1", .environment = environment}}});
  }
  std::string read(BlobPlaces& places, std::uint64_t from, std::uint64_t to) {
    std::string got;
    const auto ended = places.read(from, to, [&](std::uint64_t offset, std::span<const std::byte> piece) -> Result<bool> {
      EXPECT_EQ(offset, from + got.size());
      got.append(as_text(piece));
      return true;
    });
    EXPECT_TRUE(ended) << ended.error().message();
    return got.substr(0, to - from);
  }
};

TEST_P(InTurn, TheNextPlaceIsAskedForWhatTheFirstDoesNotGive) {
  auto fault = nlohmann::json::parse(GetParam());
  fault["path"] = "/blobs/";
  fault["times"] = -1;
  first_.fault(fault);
  const auto places = this->places();

  EXPECT_EQ(read(*places, 65'536, 200'000), bytes_.substr(65'536, 200'000 - 65'536));
  EXPECT_FALSE(first_.requests("GET", "/blobs/").empty());

  first_.reset();
  EXPECT_EQ(read(*places, 0, 65'536), bytes_.substr(0, 65'536));
  EXPECT_TRUE(first_.requests("GET", "/blobs/").empty()) << "who was in trouble is not asked first any more";

  places->distrust();
  EXPECT_EQ(read(*places, 0, 65'536), bytes_.substr(0, 65'536));
  EXPECT_FALSE(first_.requests("GET", "/blobs/").empty()) << "but before one that sent what is wrong";
}

INSTANTIATE_TEST_SUITE_P(Troubles, InTurn,
                         testing::Values(R"({"do":"status","status":404})", R"({"do":"status","status":410})", R"({"do":"status","status":403})",
                                         R"({"do":"wrong_range","by":1})", R"({"do":"ignore_range","at":1000})"));

}  // namespace
}  // namespace acetate::registry
