// How our registry takes blobs: whole, in chunks, broken off, and on a full disk.
#include <gmock/gmock.h>

#include <atomic>

#include "base/sys/call.h"
#include "layers/image/image_collect.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/registry/blob_upload.h"
#include "tests/layers/registry/memory_blob.h"
#include "tests/layers/registry/serve/serving.h"

namespace acetate::registry {
namespace {

using test::Serving;
using test::open_store;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST_F(Serving, TakesABlobNamedBySha512HoweverItComes) {
  start();
  const auto text = [](const std::string& bytes) { return Digest::of(bytes, Digest::Algorithm::sha512).str(); };
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + text("whole"), {}, "whole").status, 201);
  EXPECT_EQ(ask("PUT", begin_upload("?digest-algorithm=sha512") + "?digest=" + text("told"), {}, "told").status, 201);
  EXPECT_EQ(ask("PUT", begin_upload() + "?digest=" + text("told late"), {}, "told late").status, 201);
  for (const char* query : {"", "?digest-algorithm=sha512", "?digest-algorithm=sha256"}) {
    const auto location = begin_upload(query);
    const std::string bytes = std::string("in two pieces ") + query;
    EXPECT_EQ(ask("PATCH", location, {{"Content-Range", "0-4"}}, bytes.substr(0, 5)).status, 202);
    EXPECT_EQ(ask("PUT", location + "?digest=" + text(bytes), {}, bytes.substr(5)).status, 201);
    EXPECT_EQ(ask("GET", "/v2/a/blobs/" + text(bytes)).body, bytes);
  }
  const auto got = ask("HEAD", "/v2/a/blobs/" + text("told late"));
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.header("Docker-Content-Digest"), text("told late"));
  EXPECT_EQ(ask("POST", "/v2/b/blobs/uploads/?mount=" + text("whole") + "&from=a").status, 201);

  EXPECT_EQ(ask("PUT", begin_upload("?digest-algorithm=sha512") + "?digest=" + text("this"), {}, "that").status, 400);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + Digest::of("whole").str()).status, 404) << "it has one name";
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5").status, 400);
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=md5:d41d8cd98f00b204e9800998ecf8427e", {}, "").status, 400);
}

TEST_F(Serving, TakesChunksInOrderOnly) {
  start();
  auto location = begin_upload();
  ASSERT_THAT(location, testing::StartsWith("/v2/a/blobs/uploads/"));

  auto answer = ask("PATCH", location, {{"Content-Range", "0-4"}}, "01234");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.header("Range"), "0-4");
  answer = ask("PATCH", location, {{"Content-Range", "7-9"}}, "789");
  EXPECT_EQ(answer.status, 416);
  EXPECT_EQ(answer.header("Range"), "0-4");
  answer = ask("GET", location);
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.header("Range"), "0-4");
  answer =
      ask("PUT", location + "?digest=" + Digest::of("0123456789").str(), {{"Content-Range", "5-9"}}, "56789");
  EXPECT_EQ(answer.status, 201);
  EXPECT_TRUE(*store_->has_blob(Digest::of("0123456789")));
  EXPECT_EQ(ask("GET", location).status, 404);
}

// Every write(2) through our own calls fails: those of HTTP are not among them.
class FullDisk final : public sys::Hook {
 public:
  FullDisk() : before_(sys::install(this)) {}
  ~FullDisk() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == sys::Call::write ? ENOSPC : 0; }

 private:
  Hook* const before_;
};

TEST_F(Serving, EndsAnUploadThatFindsTheDiskFull) {
  start();
  const std::string bytes = "0123456789";
  const auto digest = store_->put_blob(bytes, "x")->digest;
  const auto location = begin_upload();
  ASSERT_EQ(ask("PATCH", location, {{"Content-Range", "0-4"}}, "01234").status, 202);
  {
    const FullDisk full;
    const auto answer = ask("PATCH", location, {{"Content-Range", "5-6"}}, "56");
    EXPECT_EQ(answer.status, 500);
    EXPECT_THAT(answer.body, HasSubstr("no space left"));
    EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + digest.str(), {}, bytes).status, 500);
  }

  EXPECT_EQ(ask("GET", location).status, 404) << "the client begins again";
  EXPECT_EQ(ask("PATCH", location, {{"Content-Range", "7-9"}}, "789").status, 404);
  EXPECT_EQ(ask("PUT", location + "?digest=" + digest.str()).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + digest.str()).body, bytes);
  EXPECT_THAT(unfinished(), testing::IsEmpty()) << "a full disk is not kept full";
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + digest.str(), {}, bytes).status, 201);
}

TEST_F(Serving, TakesNoBodyForTheNextRequest) {
  start();
  const auto location = begin_upload();
  const auto with_body = [](const std::string& head, std::size_t size) {
    return fmt::format("{}\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", head, size, std::string(size, '7'));
  };
  const std::string next = "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const auto& refused :
       {"PATCH " + location + " HTTP/1.1\r\nContent-Range: 7-9", std::string("PUT /v2/a/nothing HTTP/1.1"),
        "DELETE /v2/a/blobs/" + Digest::of("none").str() + " HTTP/1.1"})
    EXPECT_THAT(say({with_body(refused, 100'000), next}),
                ElementsAre(testing::StartsWith("HTTP/1.1 4"), testing::StartsWith("HTTP/1.1 200")))
        << refused;
  // Of a long one it has enough before the end.
  const std::string begun = "PUT /v2/a/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
  EXPECT_THAT(
      say({begun + std::string(300'000, '7')}),
      ElementsAre(testing::AllOf(testing::StartsWith("HTTP/1.1 404"), HasSubstr("Connection: close"))));
}

TEST_F(Serving, TakesTheWholeInOneRequest) {
  start();
  const auto digest = Digest::of("whole").str();
  const auto answer = ask("POST", "/v2/a/blobs/uploads/?digest=" + digest, {}, "whole");
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.header("Location"), "/v2/a/blobs/" + digest);
  EXPECT_EQ(ask("POST", "/v2/b/blobs/uploads/?mount=" + digest + "&from=a").status, 201);
  EXPECT_EQ(ask("POST", "/v2/b/blobs/uploads/?mount=" + Digest::of("none").str() + "&from=a").status, 202);
}

TEST_F(Serving, KeepsWhatIsAboutToBeNamedAndNothingElseFromGarbageCollection) {
  start();
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {"layer"});
  const auto text_of = [&](const image::Descriptor& blob) { return dir_.read("from/blobs/sha256/" + blob.digest.hex()); };
  const Headers type{{"Content-Type", sample.manifest.media_type}};
  // It finds its moment between any two requests. How many blobs went:
  const auto collect = [&] {
    const auto collected = image::collect({.dir = dir_ / "served"}, {.wait = false});
    EXPECT_TRUE(collected) << collected.error().message();
    return collected ? collected->blobs.size() : 0;
  };
  const auto is_there = [&](const image::Descriptor& blob) { return ask("GET", "/v2/a/blobs/" + blob.digest.str()).status == 200; };
  store_.reset();

  const auto location = begin_upload();
  EXPECT_EQ(ask("PATCH", location, {}, "who").status, 202);
  EXPECT_EQ(collect(), 0u);
  EXPECT_EQ(ask("PUT", location + "?digest=" + Digest::of("whole").str(), {}, "le").status, 201) << "what is under way stays";
  for (const auto& blob : {sample.config, sample.layers[0]})
    EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + blob.digest.str(), {}, text_of(blob)).status, 201);
  EXPECT_EQ(collect(), 0u) << "nothing names them yet";
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/" + sample.manifest.digest.str(), type, text_of(sample.manifest)).status, 201);
  EXPECT_EQ(collect(), 0u) << "it may be part of an index that is to come";
  EXPECT_TRUE(is_there(sample.layers[0]));
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", type, text_of(sample.manifest)).status, 201);
  const auto index = image::to_json(image::Index{.entries = {{.descriptor = sample.manifest}}});
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/2", {{"Content-Type", std::string(image::kOciIndex)}}, index).status, 201);
  EXPECT_EQ(collect(), 0u);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").body, text_of(sample.manifest));

  // What a client hears is here must be here when it names it.
  EXPECT_TRUE((*image::ImageStore::open({.dir = dir_ / "served"}))->remove_image(sample.manifest.digest));
  EXPECT_TRUE((*image::ImageStore::open({.dir = dir_ / "served"}))->remove_image(Digest::of(index)));
  EXPECT_EQ(ask("HEAD", "/v2/a/blobs/" + sample.layers[0].digest.str()).status, 200);
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?from=b&mount=" + sample.config.digest.str()).status, 201);
  EXPECT_EQ(collect(), 2u) << "the manifest and the index";
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/3", type, text_of(sample.manifest)).status, 201);
  // And who never comes back has said what he said.
  EXPECT_TRUE((*image::ImageStore::open({.dir = dir_ / "served"}))->remove_image(sample.manifest.digest));
  EXPECT_EQ(collect(), 3u);
  EXPECT_FALSE(is_there(sample.layers[0]));
}

TEST_F(Serving, LetsGarbageCollectionComeBetweenPushesWithoutAPause) {
  start();
  store_.reset();
  constexpr int kClients = 4;
  std::atomic<bool> ending = false;
  std::array<std::atomic<int>, kClients> pushed{};
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {"layer"});
  const Headers type{{"Content-Type", sample.manifest.media_type}};
  const auto config = dir_.read("from/blobs/sha256/" + sample.config.digest.hex());
  // Each image of a client has a layer of its own, and none is without one under way.
  const auto push = [&](int client, int number) {
    const auto name = fmt::format("/v2/{}", client), layer = fmt::format("layer {} {}", client, number);
    EXPECT_EQ(ask("POST", name + "/blobs/uploads/?digest=" + sample.config.digest.str(), {}, config).status, 201);
    EXPECT_EQ(ask("POST", name + "/blobs/uploads/?digest=" + Digest::of(layer).str(), {}, layer).status, 201);
    image::Manifest manifest{.config = sample.config, .layers = {{.media_type = sample.layers[0].media_type, .digest = Digest::of(layer), .size = layer.size()}}};
    EXPECT_EQ(ask("PUT", fmt::format("{}/manifests/{}", name, number), type, image::to_json(manifest)).status, 201);
  };
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client)
    clients.emplace_back([&, client] {
      while (!ending) push(client, pushed[client]++);
    });
  for (int times = 0; times < 3; ++times) {
    for (const auto& each : pushed)
      for (const int before = each; each < before + 2;) std::this_thread::yield();
    const auto collected = image::collect({.dir = dir_ / "served"}, {.wait = true});
    EXPECT_TRUE(collected) << collected.error().message();
  }
  ending = true;
  for (auto& client : clients) client.join();
  for (int client = 0; client < kClients; ++client)
    for (int number = 0; number < pushed[client]; ++number)
      EXPECT_EQ(ask("GET", fmt::format("/v2/{}/blobs/{}", client, Digest::of(fmt::format("layer {} {}", client, number)).str())).status, 200);
}

TEST_F(Serving, KeepsNothingOfWhatBreaksOff) {
  start();
  const auto digest = Digest::of("whole").str();
  const Fd socket = connect();
  ASSERT_TRUE(sys::send_full(socket.ref(), "POST /v2/a/blobs/uploads/?digest=" + digest + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwho"));
  ASSERT_EQ(::shutdown(socket.ref().fd, SHUT_WR), 0);
  std::array<char, 4096> answer;
  while (::recv(socket.ref().fd, answer.data(), answer.size(), 0) > 0) {
  }
  EXPECT_THAT(unfinished(), testing::IsEmpty()) << "nobody knows how it would be gone on with";
  const auto location = begin_upload();
  EXPECT_THAT(unfinished(), SizeIs(1)) << "the one whose Location somebody has been told";
  EXPECT_EQ(ask("DELETE", location).status, 204);
  EXPECT_THAT(unfinished(), testing::IsEmpty());
}

TEST_F(Serving, RefusesABlobWithAnotherDigest) {
  start();
  const auto answer = ask("PUT", begin_upload() + "?digest=" + Digest::of("this").str(), {}, "that");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("DIGEST_INVALID"));
  EXPECT_FALSE(*store_->has_blob(Digest::of("this")));
  EXPECT_EQ(ask("PUT", begin_upload(), {}, "that").status, 400);
}

TEST_F(Serving, ForgetsAnUploadThatIsCancelled) {
  start();
  const auto location = begin_upload();
  EXPECT_EQ(ask("DELETE", location).status, 204);
  EXPECT_EQ(ask("DELETE", location).status, 404);
  EXPECT_EQ(ask("PATCH", location, {}, "x").status, 404);
}

}  // namespace
}  // namespace acetate::registry
