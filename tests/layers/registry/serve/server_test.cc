// Our registry with our client, and with requests of our own making where a client would not misbehave.
#include "layers/registry/serve/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/base64.h"
#include "base/sys/call.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "layers/image/image_collect.h"
#include "layers/image/media_type.h"
#include "layers/registry/blob_upload.h"
#include "layers/registry/pull.h"
#include "layers/registry/push.h"
#include "tests/layers/registry/memory_blob.h"
#include "tests/layers/registry/misbehaving.h"
#include "tests/layers/registry/stored_sample.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using test::open_store;
using test::platform;
using test::reference;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

struct Answer {
  int status = 0;
  Headers headers = {};
  std::string body = {};
  std::string header(const char* name) const {
    const auto* value = headers.find(name);
    return value == nullptr ? "" : *value;
  }
};

class Serving : public testing::Test {
 protected:
  test::TempDir dir_;
  std::unique_ptr<image::ImageStore> store_ = open_store(dir_ / "served");
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::unique_ptr<Http> http_;
  std::unique_ptr<Registry> client_;

  void start(ServerOptions options = {}) {
    options.port = 0;
    auto opened = Server::open({.dir = dir_ / "served"}, options);
    ASSERT_TRUE(opened) << opened.error().message();
    server_ = *std::move(opened);
    thread_ = std::thread([this] { EXPECT_TRUE(server_->run()); });
    http_ = *Http::make();
  }
  void TearDown() override {
    client_.reset();
    http_.reset();  // with its connections, so that the server need not wait for them
    if (server_ != nullptr) server_->stop();
    if (thread_.joinable()) thread_.join();
  }

  std::string host() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  Registry& client(std::optional<Login> login = {}) {
    auto connected = Registry::connect(*http_, {.host = host(), .login = std::move(login)});
    EXPECT_TRUE(connected) << connected.error().message();
    client_ = *std::move(connected);
    return *client_;
  }
  Answer ask(const std::string& method, const std::string& path, Headers headers = {},
             std::optional<std::string> body = {}) {
    Request request{.method = method, .url = "http://" + host() + path, .headers = std::move(headers)};
    if (body) request.body = Body::text(*std::move(body));
    auto got = http_->start(std::move(request));
    EXPECT_TRUE(got) << got.error().message();
    Answer answer{.status = got->status(), .headers = got->headers()};
    answer.body = *got->read_all(64 << 20);
    return answer;
  }
  Fd connect() {
    Fd socket(Adopt{}, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(static_cast<std::uint16_t>(server_->port())),
                              .sin_addr = {htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    EXPECT_EQ(::connect(socket.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  // What comes back for each of these, sent one after the other over one connection as the answers come.
  std::vector<std::string> say(const std::vector<std::string>& requests) {
    const Fd socket = connect();
    std::vector<std::string> answers;
    for (const auto& request : requests) {
      (void)sys::send_full(socket.ref(), request);  // what comes back says how that went
      auto& answer = answers.emplace_back();
      std::array<char, 4096> piece;
      for (ssize_t got;
           !answer.ends_with("}") && (got = ::recv(socket.ref().fd, piece.data(), piece.size(), 0)) > 0;)
        answer.append(piece.data(), static_cast<std::size_t>(got));
    }
    return answers;
  }
  // The files of uploads that did not end.
  std::vector<std::string> unfinished() {
    std::vector<std::string> names;
    const auto dir = sys::open(dir_ / "served", O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(dir && sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
      if (entry.name.starts_with(".acetate-blob-")) names.emplace_back(entry.name);
      return true;
    }));
    return names;
  }
  std::string begin_upload(const std::string& query = "") {
    return ask("POST", "/v2/a/blobs/uploads/" + query).header("Location");
  }
};

TEST_F(Serving, TakesAndGivesAnImageUnchanged) {
  start();
  const auto from = open_store(dir_ / "from"), into = open_store(dir_ / "into");
  std::vector<test::SampleImage> images;
  const auto index = test::put_sample_index(*from, images);
  ASSERT_TRUE(from->set_reference(reference(host() + "/team/app:1"), index));
  Repository repository(client(), "team/app");

  const auto pushed = push_image(*from, *from->find(host() + "/team/app:1"), repository, host(), "1",
                                 {.platform = platform("amd64")});
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_EQ(*pushed, index);
  const auto pulled =
      pull_image(repository, "1", *into, {.platform = platform("amd64"), .all_platforms = true});
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, index);
  EXPECT_TRUE(store_->find("localhost/team/app:1")) << "and it is an image of the store";
  EXPECT_THAT(*repository.tags(), ElementsAre("1"));
}

TEST_F(Serving, TakesAndGivesAnImageThatIsNamedBySha512Unchanged) {
  start();
  const auto from = open_store(dir_ / "from"), into = open_store(dir_ / "into");
  const auto sample = test::put_sample(*from, {"layer"}, "amd64", Digest::Algorithm::sha512);
  ASSERT_TRUE(from->set_reference(reference(host() + "/app:1"), sample.manifest));
  Repository repository(client(), "app");

  const auto pushed = push_image(*from, *from->find(host() + "/app:1"), repository, host(), "1", {.platform = platform("amd64")});
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_EQ(*pushed, sample.manifest);
  EXPECT_EQ(*repository.manifest_digest("1"), sample.manifest.digest) << "the tag is of the name that the image has";
  for (const auto& asked : {std::string("1"), sample.manifest.digest.str()}) {
    const auto pulled = pull_image(repository, asked, *into, {.platform = platform("amd64")});
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(pulled->target, sample.manifest);
    EXPECT_EQ(pulled->id, sample.config.digest);
  }
  EXPECT_EQ(dir_.read("into/blobs/sha512/" + sample.layers[0].digest.hex()), "layer");

  dir_.write("served/blobs/sha512/" + sample.layers[0].digest.hex(), "LAYER");
  const auto damaged = pull_image(repository, "1", *open_store(dir_ / "again"), {.platform = platform("amd64")});
  ASSERT_FALSE(damaged);
  EXPECT_TRUE(damaged.error().is(EBADMSG)) << damaged.error().message();
}

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

TEST_F(Serving, GivesTheImagesOfTheStoreByTheNamesPeopleKnow) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  for (const char* name : {"docker.io/library/debian:12", "quay.io/a/b:1", "localhost/own:1"})
    ASSERT_TRUE(store_->set_reference(reference(name), sample.manifest));
  auto& registry = client();

  for (const auto& [name, tag] : {std::pair("debian", "12"),
                                  {"library/debian", "12"},
                                  {"docker.io/library/debian", "12"},
                                  {"quay.io/a/b", "1"},
                                  {"own", "1"},
                                  {"localhost/own", "1"}}) {
    const auto got = Repository(registry, name).manifest(tag);
    ASSERT_TRUE(got) << name << ": " << got.error().message();
    EXPECT_EQ(got->descriptor, sample.manifest);
  }
  EXPECT_FALSE(Repository(registry, "a/b").manifest("1"));
  EXPECT_FALSE(Repository(registry, "unknown").tags());
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/v2/_catalog").body)["repositories"],
            nlohmann::json({"debian", "own", "quay.io/a/b"}));
}

TEST_F(Serving, MovesNoNameOfAnotherRegistryByAPush) {
  start();
  const auto owners = test::put_sample(*store_, {"the owner's"});
  for (const char* name : {"docker.io/library/alpine:1", "quay.io/a/b:1"}) ASSERT_TRUE(store_->set_reference(reference(name), owners.manifest));
  const auto from = open_store(dir_ / "from");
  const auto pushed = test::put_sample(*from, {"somebody's"});
  const auto bytes_of = [&](const image::Descriptor& blob) { return dir_.read("from/blobs/sha256/" + blob.digest.hex()); };
  for (const auto& blob : {pushed.config, pushed.layers[0]})
    ASSERT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + blob.digest.str(), {}, bytes_of(blob)).status, 201);

  for (const char* repository : {"docker.io/library/alpine", "library/alpine", "alpine", "quay.io/a/b", "localhost/own"}) {
    const std::string path = std::string("/v2/") + repository + "/manifests/1";
    EXPECT_EQ(ask("PUT", path, {{"Content-Type", pushed.manifest.media_type}}, bytes_of(pushed.manifest)).status, 201) << repository;
    EXPECT_EQ(ask("GET", path).body, bytes_of(pushed.manifest)) << repository << ": who pushed gets what he pushed";
  }
  for (const char* name : {"docker.io/library/alpine:1", "quay.io/a/b:1"}) EXPECT_EQ(store_->find(name)->target, owners.manifest) << name;
  for (const char* name : {"localhost/docker.io/library/alpine:1", "localhost/alpine:1", "localhost/quay.io/a/b:1", "localhost/own:1"}) {
    const auto found = store_->find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->target, pushed.manifest) << name;
  }
}

TEST_F(Serving, GivesPartsOfBlobs) {
  start();
  const auto blob = *store_->put_blob("0123456789", "x");
  const std::string path = "/v2/a/blobs/" + blob.digest.str();
  struct Case {
    const char* range;
    int status;
    const char* content_range;
    const char* body;
  };
  for (const auto& [range, status, content_range, body] :
       {Case{"bytes=2-4", 206, "bytes 2-4/10", "234"}, Case{"bytes=7-", 206, "bytes 7-9/10", "789"},
        Case{"bytes=-3", 206, "bytes 7-9/10", "789"}, Case{"bytes=8-99", 206, "bytes 8-9/10", "89"},
        Case{"bytes=-99", 206, "bytes 0-9/10", "0123456789"}, Case{"bytes=0-0", 206, "bytes 0-0/10", "0"},
        Case{"bytes=1-2,4-5", 200, "", "0123456789"}}) {
    const auto answer = ask("GET", path, {{"Range", range}});
    EXPECT_EQ(answer.status, status) << range;
    EXPECT_EQ(answer.header("Content-Range"), content_range) << range;
    EXPECT_EQ(answer.body, body) << range;
  }
  const auto beyond = ask("GET", path, {{"Range", "bytes=10-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.header("Content-Range"), "bytes */10");
  const auto head = ask("HEAD", path);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("Content-Length"), "10");
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + Digest::of("none").str()).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/sha256:..%2f..%2fetc").status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/nonsense").status, 400);
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

TEST_F(Serving, KeepsGarbageCollectionAwayNoLongerThanItMust) {
  start();
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {"layer"});
  const auto text_of = [&](const image::Descriptor& blob) { return dir_.read("from/blobs/sha256/" + blob.digest.hex()); };
  const Headers type{{"Content-Type", sample.manifest.media_type}};
  const auto is_free = [&] {
    const auto collected = image::collect({.dir = dir_ / "served"}, {.wait = false});
    EXPECT_TRUE(collected || collected.error().is(EWOULDBLOCK)) << collected.error().message();
    return collected.has_value();
  };
  store_.reset();
  ASSERT_TRUE(is_free());

  const auto location = begin_upload();
  EXPECT_FALSE(is_free()) << "an upload is under way";
  EXPECT_EQ(ask("DELETE", location).status, 204);
  EXPECT_TRUE(is_free());
  for (const auto& blob : {sample.config, sample.layers[0]}) {
    EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + blob.digest.str(), {}, text_of(blob)).status, 201);
    EXPECT_FALSE(is_free()) << "nothing names it yet";
  }
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/" + sample.manifest.digest.str(), type, text_of(sample.manifest)).status, 201);
  EXPECT_FALSE(is_free()) << "it may be part of an index that is to come";
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", type, text_of(sample.manifest)).status, 201);
  EXPECT_FALSE(is_free());
  const auto index = image::to_json(image::Index{.entries = {{.descriptor = sample.manifest}}});
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/2", {{"Content-Type", std::string(image::kOciIndex)}}, index).status, 201);
  EXPECT_TRUE(is_free());
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").body, text_of(sample.manifest));

  // What a client hears is here must be here when it names it.
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + sample.config.digest.str()).status, 200);
  EXPECT_TRUE(is_free()) << "who pulls does not name it";
  for (const char* method : {"HEAD", "POST"}) {
    const auto asked = method == std::string("HEAD") ? ask("HEAD", "/v2/a/blobs/" + sample.layers[0].digest.str())
                                                     : ask("POST", "/v2/a/blobs/uploads/?from=b&mount=" + sample.layers[0].digest.str());
    EXPECT_TRUE(asked.status == 200 || asked.status == 201) << method;
    EXPECT_FALSE(is_free()) << method;
    EXPECT_EQ(ask("PUT", "/v2/a/manifests/3", type, text_of(sample.manifest)).status, 201);
    EXPECT_TRUE(is_free()) << method;
  }
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

TEST_F(Serving, GivesBlobsThatAreLinks) {
  start();
  const auto blob = *store_->put_blob("0123456789", "x");
  const auto path = store_->blob_path(blob.digest);
  ASSERT_EQ(::rename(path.c_str(), (dir_ / "elsewhere").c_str()), 0);
  ASSERT_EQ(::symlink((dir_ / "elsewhere").c_str(), path.c_str()), 0);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + blob.digest.str()).body, "0123456789");
  ASSERT_EQ(::unlink(path.c_str()), 0);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + blob.digest.str()).status, 500) << "and nobody waits at a pipe";
}

TEST_F(Serving, AnswersBesideManyHalfSentRequests) {
  start();
  std::vector<Fd> halves;
  for (int i = 0; i < 100; ++i) {
    halves.push_back(connect());
    ASSERT_TRUE(sys::send_full(halves.back().ref(), "GET /v2/ HTTP/1.1\r\nHo"));
  }
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
}

TEST_F(Serving, GivesAManifestAllTagsItIsPutWith) {
  start();
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {});
  const auto text = dir_.read("from/blobs/sha256/" + sample.manifest.digest.hex());
  const auto config = dir_.read("from/blobs/sha256/" + sample.config.digest.hex());
  const Headers type{{"Content-Type", sample.manifest.media_type}};
  const auto by_digest = "/v2/a/manifests/" + sample.manifest.digest.str();
  ASSERT_EQ(ask("POST", "/v2/a/blobs/uploads/?digest=" + sample.config.digest.str(), {}, config).status, 201);

  const auto answer = ask("PUT", by_digest + "?tag=1&tag=latest", type, text);

  EXPECT_EQ(answer.status, 201);
  EXPECT_THAT(answer.headers.all("OCI-Tag"), ElementsAre("1", "latest"));
  EXPECT_EQ(ask("GET", "/v2/a/manifests/latest").body, text);
  EXPECT_EQ(ask("GET", by_digest).body, text);
  EXPECT_EQ(ask("PUT", by_digest + "?tag=no+tag", type, text).status, 400);
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

TEST_F(Serving, TakesNoManifestWhoseBlobsAreMissing) {
  start();
  const auto from = open_store(dir_ / "from");
  const auto sample = test::put_sample(*from, {"layer"});
  const auto text = dir_.read("from/blobs/sha256/" + sample.manifest.digest.hex());
  const Headers type{{"Content-Type", sample.manifest.media_type}};

  const auto answer = ask("PUT", "/v2/a/manifests/1", type, text);
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("MANIFEST_BLOB_UNKNOWN"));
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", type, "{").status, 400);
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", type, std::string(5 << 20, ' ')).status, 413);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 404);
}

TEST_F(Serving, FindsReferrers) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), sample.manifest));
  Repository repository(client(), "a");
  const auto refer = [&](const std::string& type) {
    const auto config = R"({"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
                        Digest::of("{}").str() + R"(","size":2})";
    return R"({"schemaVersion":2,"mediaType":")" + std::string(image::kOciManifest) +
           R"(","artifactType":")" + type + R"(","config":)" + config +
           R"(,"layers":[],"subject":{"mediaType":"x","digest":")" + sample.manifest.digest.str() +
           R"(","size":1}})";
  };
  ASSERT_TRUE(store_->put_blob("{}", "x"));
  for (const char* type : {"text/one", "text/two"}) {
    const auto text = refer(type);
    const auto answer = ask("PUT", "/v2/a/manifests/" + Digest::of(text).str(),
                            {{"Content-Type", std::string(image::kOciManifest)}}, text);
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.header("OCI-Subject"), sample.manifest.digest.str());
  }

  EXPECT_THAT(*repository.referrers(sample.manifest.digest, ""), SizeIs(2));
  const auto filtered =
      ask("GET", "/v2/a/referrers/" + sample.manifest.digest.str() + "?artifactType=text/two");
  EXPECT_EQ(filtered.header("OCI-Filters-Applied"), "artifactType");
  EXPECT_THAT(nlohmann::json::parse(filtered.body)["manifests"], SizeIs(1));
  EXPECT_THAT(
      nlohmann::json::parse(ask("GET", "/v2/a/referrers/" + Digest::of("none").str()).body)["manifests"],
      SizeIs(0));
}

TEST_F(Serving, FindsReferrersOfWhatIsNamedBySha512) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"}, "amd64", Digest::Algorithm::sha512);
  ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), sample.manifest));
  ASSERT_TRUE(store_->put_blob("{}", "x", Digest::Algorithm::sha512));
  const auto text = R"({"schemaVersion":2,"mediaType":")" + std::string(image::kOciManifest) +
                    R"(","artifactType":"text/one","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
                    Digest::of("{}", Digest::Algorithm::sha512).str() + R"(","size":2},"layers":[],"subject":{"mediaType":"x","digest":")" +
                    sample.manifest.digest.str() + R"(","size":1}})";
  const auto digest = Digest::of(text, Digest::Algorithm::sha512);

  const auto answer = ask("PUT", "/v2/a/manifests/" + digest.str(), {{"Content-Type", std::string(image::kOciManifest)}}, text);

  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.header("OCI-Subject"), sample.manifest.digest.str());
  const auto found = Repository(client(), "a").referrers(sample.manifest.digest, "");
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_EQ((*found)[0].descriptor.digest, digest);
}

TEST_F(Serving, ListsTagsInPages) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  for (const char* tag : {"c", "a", "b"})
    ASSERT_TRUE(store_->set_reference(reference(std::string("localhost/a:") + tag), sample.manifest));

  const auto first = ask("GET", "/v2/a/tags/list?n=2");
  EXPECT_EQ(nlohmann::json::parse(first.body)["tags"], nlohmann::json({"a", "b"}));
  EXPECT_EQ(first.header("Link"), "</v2/a/tags/list?n=2&last=b>; rel=\"next\"");
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/v2/a/tags/list?n=2&last=b").body)["tags"],
            nlohmann::json({"c"}));
  EXPECT_EQ(nlohmann::json::parse(ask("GET", "/v2/a/tags/list?n=0").body)["tags"], nlohmann::json::array());
}

TEST_F(Serving, DeletesOnlyWhereItMay) {
  start();
  const auto sample = test::put_sample(*store_, {"layer"});
  ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), sample.manifest));
  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/1").status, 405);
  EXPECT_EQ(ask("DELETE", "/v2/a/blobs/" + sample.layers[0].digest.str()).status, 405);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 200);
}

TEST_F(Serving, DeletesTagsAndManifestsOfOneRepository) {
  start({.allow_delete = true});
  const auto sample = test::put_sample(*store_, {"layer"});
  for (const char* name : {"localhost/a:1", "localhost/a:2", "localhost/a:3", "localhost/b:1"})
    ASSERT_TRUE(store_->set_reference(reference(name), sample.manifest));
  const auto by_digest = "/v2/a/manifests/" + sample.manifest.digest.str();

  EXPECT_EQ(ask("DELETE", "/v2/a/manifests/1").status, 202);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 404);
  EXPECT_EQ(ask("GET", by_digest).status, 200);
  EXPECT_EQ(ask("DELETE", by_digest).status, 202);
  EXPECT_EQ(ask("GET", by_digest).status, 404);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/2").status, 404);
  EXPECT_EQ(ask("GET", "/v2/b/manifests/1").status, 200) << "what another repository has stays";
}

// As pull --all-platforms, load and copy put one in, and as garbage collection leaves one that was pushed: its manifests have no entry of
// their own.
class ServingAnIndex : public Serving {
 protected:
  std::vector<test::SampleImage> images_;
  const image::Descriptor index_ = test::put_sample_index(*store_, images_);
  void SetUp() override { ASSERT_TRUE(store_->set_reference(reference("localhost/a:1"), index_)); }
  std::string path_of(const char* repository, const image::Descriptor& manifest) const {
    return fmt::format("/v2/{}/manifests/{}", repository, manifest.digest.str());
  }
  std::string text_of(const image::Descriptor& manifest) { return dir_.read("served/blobs/sha256/" + manifest.digest.hex()); }
};

TEST_F(ServingAnIndex, GivesTheManifestsBelowIt) {
  start();
  for (const auto& image : images_) {
    const auto got = ask("GET", path_of("a", image.manifest));
    EXPECT_EQ(got.status, 200) << got.body;
    EXPECT_EQ(got.body, text_of(image.manifest));
    EXPECT_EQ(got.header("Content-Type"), image.manifest.media_type);
    EXPECT_EQ(ask("HEAD", path_of("a", image.manifest)).header("Content-Length"), std::to_string(image.manifest.size));
    EXPECT_EQ(ask("GET", path_of("b", image.manifest)).status, 404) << "which is of another repository";
  }
  Repository repository(client(), "a");
  const auto into = open_store(dir_ / "into");
  const auto pulled = pull_image(repository, "1", *into, {.platform = platform("arm64")});
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(pulled->target, index_);
}

TEST_F(ServingAnIndex, TakesItOnceMore) {
  start();
  for (const auto& image : images_)
    for (const char* repository : {"a", "b"})
      EXPECT_EQ(ask("PUT", path_of(repository, image.manifest), {{"Content-Type", image.manifest.media_type}}, text_of(image.manifest)).status, 201)
          << repository;
  EXPECT_EQ(ask("PUT", "/v2/b/manifests/1", {{"Content-Type", index_.media_type}}, text_of(index_)).status, 201);
  EXPECT_EQ(ask("GET", path_of("b", images_[1].manifest)).body, text_of(images_[1].manifest));
}

TEST_F(ServingAnIndex, KeepsItWholeWhenOneOfItsManifestsIsToBeDeleted) {
  start({.allow_delete = true});
  const auto answer = ask("DELETE", path_of("a", images_[0].manifest));
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr(index_.digest.str()));
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").body, text_of(index_));
  EXPECT_EQ(ask("GET", path_of("a", images_[0].manifest)).status, 200);
  EXPECT_EQ(ask("DELETE", path_of("a", index_)).status, 202);
  EXPECT_EQ(ask("GET", "/v2/a/manifests/1").status, 404);
}

TEST_F(Serving, OnlyGivesWhenToldSo) {
  start({.read_only = true});
  const auto blob = *store_->put_blob("x", "x");
  EXPECT_EQ(ask("POST", "/v2/a/blobs/uploads/").status, 405);
  EXPECT_EQ(ask("GET", "/v2/a/blobs/" + blob.digest.str()).body, "x");
}

TEST_F(Serving, LetsInWhoHasAPassword) {
  dir_.write("users",
             "ann:$6$rounds=1000$lDFq4eC4LVnJTIBS$"
             "cJbHvwwz5WwkaRAk7M4om2KjVo1yLduuHClzV9VaLDAziiwKZ9OAavcg1vzRYOi3.e.1sFVV0/nkS03Ni2q6k0\n");
  start({.htpasswd_file = dir_ / "users"});

  const auto refused = ask("GET", "/v2/");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("WWW-Authenticate"), "Basic realm=\"acetate\"");
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/1", {}, std::string(100000, 'x')).status, 401);
  EXPECT_FALSE(client(Login{.username = "ann", .secret = "guess"}).check_login());
  EXPECT_TRUE(client(Login{.username = "ann", .secret = "secret"}).check_login());
}

TEST_F(Serving, AnswersNonsenseAndLivesOn) {
  start();
  for (const char* path :
       {"/", "/v2/UPPER/tags/list", "/v2/a/../../etc/passwd", "/v2/%2e%2e/manifests/x", "/v3/"})
    EXPECT_EQ(ask("GET", path).status, 404) << path;
  EXPECT_EQ(ask("PUT", "/v2/a/manifests/.hidden", {{"Content-Type", std::string(image::kOciIndex)}},
                R"({"schemaVersion":2,"manifests":[]})")
                .status,
            400);
  EXPECT_EQ(ask("GET", "/v2/").status, 200);
}

TEST(Server, SaysWhyItDoesNotStart) {
  const test::TempDir dir;
  dir.write("users", "ann:plain");
  dir.write("cert", "no PEM");
  EXPECT_THAT(Server::open({.dir = dir / "s"}, {.port = 0, .htpasswd_file = dir / "users"}).error().message(),
              HasSubstr("users:1"));
  EXPECT_THAT(Server::open({.dir = dir / "s"},
                           {.port = 0, .certificate_file = dir / "cert", .key_file = dir / "cert"})
                  .error()
                  .message(),
              HasSubstr("PEM"));
  const auto first = Server::open({.dir = dir / "s"}, {.port = 0});
  ASSERT_TRUE(first);
  EXPECT_THAT(Server::open({.dir = dir / "s"}, {.port = (*first)->port()}).error().message(),
              HasSubstr("cannot listen on 127.0.0.1"));
}

}  // namespace
}  // namespace acetate::registry
