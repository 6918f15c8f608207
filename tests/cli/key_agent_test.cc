#include "cli/key_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::HasSubstr;

class KeyAgentTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!sys::find_program("ssh-keygen") || !sys::find_program("ssh-agent")) GTEST_SKIP() << "openssh-client is not installed";
  }
  std::string make_key(const std::string& name, const std::string& passphrase) {
    const auto made = sys::run_captured({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", dir_ / name}});
    EXPECT_TRUE(made && made->exit.ok());
    return dir_ / name;
  }
  static std::string keys_of(const std::string& socket) {
    const auto listed = sys::run_captured({.argv = {"ssh-add", "-l"}, .env = std::vector<std::string>{"SSH_AUTH_SOCK=" + socket, "PATH=/usr/bin:/bin"}});
    return listed ? listed->out + listed->err : listed.error().message();
  }
  test::TempDir dir_;
};

TEST_F(KeyAgentTest, HoldsKeysWhateverTheirModeUntilItGoes) {
  const std::string one = make_key("one", ""), two = make_key("two", "");
  ASSERT_EQ(::chmod(one.c_str(), 0644), 0);
  std::string socket;
  {
    const auto agent = KeyAgent::start({one, two});
    ASSERT_TRUE(agent) << agent.error().message();
    socket = agent->socket();
    EXPECT_THAT(keys_of(socket), HasSubstr("one (ED25519)"));
    EXPECT_THAT(keys_of(socket), HasSubstr("two (ED25519)"));
  }
  EXPECT_THAT(keys_of(socket), HasSubstr("No such file"));
}

TEST_F(KeyAgentTest, AsksNobodyForAPassphraseAndRefusesWhatIsNoKey) {
  const auto locked = KeyAgent::start({make_key("locked", "a passphrase")});
  ASSERT_FALSE(locked);
  EXPECT_THAT(locked.error().message(), HasSubstr("locked is no key that can be used without a passphrase"));
  dir_.write("text", "no key\n");
  EXPECT_FALSE(KeyAgent::start({dir_ / "text"}));
  EXPECT_TRUE(KeyAgent::start({dir_ / "absent"}).error().is(ENOENT));
}

}  // namespace
}  // namespace acetate::cli
