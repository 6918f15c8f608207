#include "layers/registry/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>

#include "base/base64.h"
#include "base/sys/call.h"
#include "tests/support/temp_dir.h"

namespace acetate::registry {
namespace {

using testing::ElementsAre;

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : std::optional(at->second);
  };
}

// Of one file, for reading and writing.
class CredentialsTest : public testing::Test {
 protected:
  test::TempDir dir_;
  std::string path_ = dir_ / "containers/auth.json";
  Credentials credentials_{CredentialFiles{.read = {path_}, .write = path_}};

  std::string user_for(const std::string& name) {
    const auto login = credentials_.find(name);
    EXPECT_TRUE(login) << login.error().message();
    return login && *login ? (*login)->username : "";
  }
};

TEST(CredentialFiles, AreThoseOfContainersAndThenOfDocker) {
  const auto files = credential_files(environment({{"XDG_RUNTIME_DIR", "/run/user/7"}, {"HOME", "/home/a"}}), 7, "");
  EXPECT_THAT(files.read, ElementsAre("/run/user/7/containers/auth.json", "/home/a/.config/containers/auth.json",
                                      "/home/a/.docker/config.json", "/home/a/.dockercfg"));
  EXPECT_EQ(files.write, "/run/user/7/containers/auth.json");

  const auto without = credential_files(environment({{"HOME", "/root"}, {"DOCKER_CONFIG", "/d"}, {"XDG_CONFIG_HOME", "/c"}}), 0, "");
  EXPECT_THAT(without.read, ElementsAre("/run/containers/0/auth.json", "/c/containers/auth.json", "/d/config.json", "/root/.dockercfg"));
}

TEST(CredentialFiles, AreOneAloneWhenItIsNamed) {
  const auto env = environment({{"REGISTRY_AUTH_FILE", "/a"}, {"HOME", "/home/a"}});
  EXPECT_THAT(credential_files(env, 7, "").read, ElementsAre("/a"));
  EXPECT_THAT(credential_files(env, 7, "/b").read, ElementsAre("/b"));
}

TEST_F(CredentialsTest, TakesTheLongestKeyThatFits) {
  dir_.write("containers/auth.json", R"({"auths":{
    "quay.io":{"auth":")" + base64_encode("host:1") + R"("},
    "quay.io/a":{"auth":")" + base64_encode("namespace:1") + R"("},
    "quay.io/a/b":{"auth":")" + base64_encode("repository:1") + R"("},
    "https://index.docker.io/v1/":{"auth":")" + base64_encode("hub:with:colons") + R"("}}})");

  EXPECT_EQ(user_for("quay.io/a/b"), "repository");
  EXPECT_EQ(user_for("quay.io/a/c"), "namespace");
  EXPECT_EQ(user_for("quay.io/ab/c"), "host");
  EXPECT_EQ(user_for("quay.io:443/a/b"), "");
  EXPECT_EQ((*credentials_.find("docker.io/library/debian"))->secret, "with:colons");
}

TEST_F(CredentialsTest, KeepsWhatItStoresForItsOwnerAlone) {
  dir_.write("containers/auth.json", R"({"credHelpers":{},"auths":{"other":{"auth":"YTpi"}},"unknown":7})");

  ASSERT_TRUE(credentials_.store("localhost:5000", {.username = "me", .secret = "p:w"}));
  ASSERT_TRUE(credentials_.store("token.example", {.username = "", .secret = "long", .identity_token = true}));

  EXPECT_EQ(*credentials_.find("localhost:5000/a"), (Login{.username = "me", .secret = "p:w"}));
  EXPECT_EQ(*credentials_.find("token.example"), (Login{.username = "", .secret = "long", .identity_token = true}));
  EXPECT_EQ(user_for("other"), "a");
  EXPECT_THAT(dir_.read("containers/auth.json"), testing::HasSubstr("\"unknown\": 7"));
  struct stat st {};
  ASSERT_EQ(::stat(path_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(CredentialsTest, ErasesOneOrAll) {
  ASSERT_TRUE(credentials_.store("a", {.username = "a", .secret = "1"}));
  ASSERT_TRUE(credentials_.store("b", {.username = "b", .secret = "1"}));

  EXPECT_TRUE(*credentials_.erase("a"));
  EXPECT_FALSE(*credentials_.erase("a"));
  EXPECT_EQ(user_for("b"), "b");
  EXPECT_TRUE(credentials_.erase_all());
  EXPECT_EQ(user_for("b"), "");
}

TEST_F(CredentialsTest, SaysWhichFileIsWrong) {
  for (const char* text : {"{", "[]", R"({"auths":{"a":{"auth":"!"}}})", R"({"auths":{"a":{"auth":"bm9jb2xvbg=="}}})",
                           R"({"auths":{"a":{"auth":7}}})", R"({"credsStore":"../../bin/sh"})"}) {
    dir_.write("containers/auth.json", text);
    const auto found = credentials_.find("a");
    ASSERT_FALSE(found) << text;
    EXPECT_THAT(found.error().message(), testing::AnyOf(testing::HasSubstr(path_), testing::HasSubstr("credential helper"))) << text;
  }
}

// Nothing can be opened or looked at.
class ClosedDoor final : public sys::Hook {
 public:
  ClosedDoor() : before_(sys::install(this)) {}
  ~ClosedDoor() override { sys::install(before_); }
  int before(sys::Call call) noexcept override {
    return call == sys::Call::openat || call == sys::Call::statx ? EACCES : 0;
  }

 private:
  sys::Hook* before_;
};

TEST_F(CredentialsTest, PassesByADirectoryItMayNotEnterUnlessTheFileWasNamed) {
  const Credentials usual{CredentialFiles{.read = {path_, path_}, .write = path_}};
  const ClosedDoor closed;
  const auto found = usual.find("reg.example");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_FALSE(*found);
  EXPECT_TRUE(credentials_.find("reg.example").error().is(EACCES));
}

TEST_F(CredentialsTest, HasNoneWithoutAFile) {
  EXPECT_EQ(user_for("a"), "");
  EXPECT_FALSE(*credentials_.erase("a"));
}

// A helper of our own in PATH: keeps what it is given in a file.
class CredentialHelperTest : public CredentialsTest {
 protected:
  void SetUp() override {
    dir_.write("bin/docker-credential-test", "#!/bin/sh\nkeep=" + (dir_ / "kept") + R"(
case $1 in
  store) cat >$keep ;;
  erase) rm -f $keep ;;
  get)
    read -r server
    [ "$server" = broken ] && { echo something else; exit 1; }
    [ -e $keep ] || { echo "credentials not found in native keychain"; exit 1; }
    echo "{\"ServerURL\":\"$server\",\"Username\":\"<token>\",\"Secret\":\"from the ring\"}" ;;
esac
)", 0755);
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", ((dir_ / "bin") + ":" + old_path_).c_str(), 1);
    dir_.write("containers/auth.json", R"({"credHelpers":{"ring.example":"test","broken":"test","none.example":"missing"}})");
  }
  void TearDown() override { ::setenv("PATH", old_path_.c_str(), 1); }

  std::string old_path_;
};

TEST_F(CredentialHelperTest, IsAskedToldAndEmptied) {
  EXPECT_EQ(*credentials_.find("ring.example/a"), std::nullopt);
  ASSERT_TRUE(credentials_.store("ring.example", {.username = "me", .secret = "secret"}));
  EXPECT_EQ(dir_.read("kept"), R"({"Secret":"secret","ServerURL":"ring.example","Username":"me"})");
  EXPECT_THAT(dir_.read("containers/auth.json"), testing::Not(testing::HasSubstr("secret")));

  EXPECT_EQ(*credentials_.find("ring.example/a"), (Login{.username = "<token>", .secret = "from the ring", .identity_token = true}));
  EXPECT_TRUE(*credentials_.erase("ring.example"));
  EXPECT_FALSE(dir_.exists("kept"));
}

TEST_F(CredentialHelperTest, ThatFailsOrIsMissingIsAnErrorThatNamesIt) {
  EXPECT_THAT(credentials_.find("broken").error().message(), testing::HasSubstr("docker-credential-test get broken"));
  EXPECT_THAT(credentials_.find("none.example").error().message(), testing::HasSubstr("docker-credential-missing"));
}

}  // namespace
}  // namespace acetate::registry
