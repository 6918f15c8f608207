#include "cli/run_habits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace acetate::cli {
namespace {

using ::testing::HasSubstr;

// What is said of a command line; "" is nothing.
std::string said(std::vector<std::string> words) {
  CLI::App app;
  const auto habits = add_run_habits(app);
  app.prefix_command();
  std::ranges::reverse(words);
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  const auto checked = check(*habits);
  return checked ? "" : checked.error().message();
}

TEST(RunHabits, ThatChangeNothingAreTaken) {
  for (const char* word : {"--detach-keys=ctrl-x", "--log-driver=none", "--log-driver=json-file", "--log-opt=max-size=1m", "--restart=no", "--health-cmd=true", "--health-startup-cmd=true",
                           "--no-healthcheck", "--network-alias=web", "--kernel-memory=1g", "--isolation=default", "--volume-driver=local", "--disable-content-trust", "--disable-content-trust=false",
                           "--systemd=false", "--sdnotify=ignore", "--cgroups=enabled", "--passwd=false", "--sig-proxy", "--sig-proxy=true", "--detach=false", "--health-on-failure=none"})
    EXPECT_EQ(said({word, "image"}), "") << word;
}

TEST(RunHabits, ThatWouldChangeSomethingAreRefusedWithAWayOut) {
  for (const auto& [word, way] : {std::pair{"--log-driver=syslog", "systemd-cat"}, std::pair{"--restart=always", "systemd"}, std::pair{"--detach", "&"}, std::pair{"-d", "&"}, std::pair{"-P", "-p"},
                                  std::pair{"--link=db", "--network host"}, std::pair{"--secret=s", "-v FILE:/run/secrets"}, std::pair{"--uidmap=0:1:2", "keep-id"}, std::pair{"--systemd=always", "podman"},
                                  std::pair{"--health-on-failure=kill", "--timeout"}, std::pair{"--sig-proxy=false", "setsid"}, std::pair{"--cgroups=disabled", "native"}})
    EXPECT_THAT(said({word, "image"}), HasSubstr(way)) << word;
}

}  // namespace
}  // namespace acetate::cli
