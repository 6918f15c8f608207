#include "layers/image/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/image/json.h"

namespace acetate::image {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFull = R"({
  "created": "2026-01-02T03:04:05Z", "author": "me", "architecture": "arm64", "os": "linux", "variant": "v8",
  "os.features": ["x"],
  "config": {
    "User": "1:2", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Env": ["A=1", "B="], "Entrypoint": ["/e"],
    "Cmd": ["c", "d"], "Volumes": {"/v": {}}, "WorkingDir": "/w", "Labels": {"k": "v"}, "StopSignal": "SIGINT",
    "ArgsEscaped": true, "OnBuild": ["RUN x"], "Shell": ["/bin/bash", "-c"],
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000, "StartInterval": 7}
  },
  "rootfs": {"type": "layers", "diff_ids": ["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]},
  "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "ADD x"}, {"comment": "c", "empty_layer": true}],
  "moby.buildkit.cache.v0": "opaque"
})";

TEST(Config, IsReadInEveryFieldWeActOn) {
  const auto config = parse_config(kFull);

  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->platform, (Platform{"linux", "arm64", "v8"}));
  EXPECT_EQ(config->created, "2026-01-02T03:04:05Z");
  EXPECT_EQ(config->user, "1:2");
  EXPECT_EQ(config->exposed_ports, (std::vector<std::string>{"53/udp", "80/tcp"}));
  EXPECT_EQ(config->env, (std::vector<std::string>{"A=1", "B="}));
  EXPECT_EQ(config->cmd, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(config->entrypoint, std::vector<std::string>{"/e"});
  EXPECT_EQ(config->volumes, std::vector<std::string>{"/v"});
  EXPECT_EQ(config->working_dir, "/w");
  EXPECT_EQ(config->labels.at("k"), "v");
  EXPECT_EQ(config->stop_signal, "SIGINT");
  EXPECT_EQ(config->onbuild, std::vector<std::string>{"RUN x"});
  EXPECT_EQ(config->shell, (std::vector<std::string>{"/bin/bash", "-c"}));
  EXPECT_THAT(config->healthcheck, HasSubstr("\"StartInterval\":7"));
  ASSERT_EQ(config->diff_ids.size(), 1u);
  ASSERT_EQ(config->history.size(), 2u);
  EXPECT_EQ(config->history[0].created_by, "ADD x");
  EXPECT_TRUE(config->history[1].empty_layer);
}

TEST(Config, ComesBackAsItWasWithWhatNobodyKnows) {
  const auto config = parse_config(kFull);
  ASSERT_TRUE(config);

  const auto text = to_json(*config);

  ASSERT_TRUE(text) << text.error().message();
  EXPECT_EQ(Json::parse(*text), Json::parse(kFull));
}

TEST(Config, OfAnImageBuiltOnAnotherHasItsChangesAndKeepsTheRest) {
  auto next = parse_config(kFull);
  ASSERT_TRUE(next);
  next->env.push_back("C=3");
  next->cmd.clear();
  next->healthcheck.clear();
  next->user = "root";
  next->diff_ids.push_back(Digest::of("layer"));
  next->history.push_back({.created_by = "RUN y"});

  const auto text = to_json(*next);
  ASSERT_TRUE(text);
  const auto document = Json::parse(*text);

  EXPECT_EQ(document["config"]["Env"], (Json{"A=1", "B=", "C=3"}));
  EXPECT_FALSE(document["config"].contains("Cmd"));
  EXPECT_FALSE(document["config"].contains("Healthcheck"));
  EXPECT_EQ(document["config"]["User"], "root");
  EXPECT_EQ(document["config"]["ArgsEscaped"], true);
  EXPECT_EQ(document["moby.buildkit.cache.v0"], "opaque");
  EXPECT_EQ(document["rootfs"]["diff_ids"].size(), 2u);
  EXPECT_EQ(document["history"][2], (Json{{"created_by", "RUN y"}}));
  const auto again = parse_config(*text);
  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again).has_value() ? *to_json(*again) : "", *text);
}

TEST(Config, OfNothingHasWhatTheSpecificationRequires) {
  EXPECT_EQ(*to_json(empty_config({"linux", "amd64", ""})),
            R"({"architecture":"amd64","config":{},"os":"linux","rootfs":{"diff_ids":[],"type":"layers"}})");
}

TEST(Config, NamesTheKeyThatIsWrong) {
  EXPECT_EQ(parse_config("[]").error().message(), "image config is not a JSON object");
  EXPECT_EQ(parse_config("{").error().message(), "image config is not valid JSON");
  EXPECT_EQ(parse_config(R"({"config":{"Env":"A=1"}})").error().message(),
            "image config: config: \"Env\" is not a list of strings");
  EXPECT_EQ(parse_config(R"({"config":{"Labels":{"a":1}}})").error().message(),
            "image config: config: \"Labels\" is not an object of strings");
  EXPECT_THAT(parse_config(R"({"rootfs":{"diff_ids":["sha256:x"]}})").error().message(),
              HasSubstr("image config: rootfs: \"diff_ids\""));
}

TEST(Config, TakesNullForAbsentAsDockerWritesIt) {
  const auto config =
      parse_config(R"({"config":{"Env":null,"Labels":null,"Cmd":null},"history":null,"rootfs":null})");

  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->env.empty());
}

TEST(Config, WritesBytesThatAreNoUtf8AsReplacementCharacters) {
  auto config = empty_config({"linux", "amd64", ""});
  config.env.push_back("A=\xff");

  EXPECT_THAT(*to_json(config), HasSubstr("A=\xef\xbf\xbd"));
}

TEST(Json, IsBoundedInSizeAndDepth) {
  EXPECT_TRUE(parse_json(std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']'), "x"));
  EXPECT_EQ(parse_json(std::string(1'000'000, '['), "x").error().message(),
            "x nests deeper than 64 levels of JSON");
  EXPECT_TRUE(parse_json(
      R"(["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"["])", "x"));
  EXPECT_TRUE(parse_json(std::string(kMaxDocument + 1, ' '), "x").error().is(EFBIG));
}

}  // namespace
}  // namespace acetate::image
