#include "builder/sandbox/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace acetate::sandbox {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json read(std::string_view text) {
  auto json = yaml_to_json(text);
  EXPECT_TRUE(json) << text << ": " << json.error().message();
  return json ? *std::move(json) : Json("nothing");
}

std::string complaint(std::string_view text) {
  const auto json = yaml_to_json(text);
  EXPECT_FALSE(json) << text;
  return json ? "" : json.error().message();
}

TEST(Yaml, IsTheJsonItStandsFor) {
  EXPECT_EQ(read("---\na:\n- b: c\n  d: [e, {f: g}]\n- |\n  two\n  lines\n"), Json::parse(R"({"a": [{"b": "c", "d": ["e", {"f": "g"}]}, "two\nlines\n"]})"));
  EXPECT_EQ(read(R"({"json": ["is", "YAML", 1, true, null]})"), Json::parse(R"({"json": ["is", "YAML", 1, true, null]})"));
  EXPECT_EQ(read(""), Json(nullptr));
  EXPECT_EQ(read("# nothing\n"), Json(nullptr));
}

TEST(Yaml, TellsNumbersFromText) {
  EXPECT_EQ(read("[195, -1, +7, 0, 1_000, 18446744073709551615]"), Json::parse("[195, -1, 7, 0, 1000, 18446744073709551615]"));
  EXPECT_EQ(read("[0660, 0o660, 0x1b0, 0b110110000, 432]"), Json::parse("[432, 432, 432, 432, 432]"));
  EXPECT_EQ(read("[1.5, -.5, 1e3]"), Json::parse("[1.5, -0.5, 1000.0]"));
  EXPECT_EQ(read("['195', \"0660\", !!str 7, ! 7]"), Json::parse(R"(["195", "0660", "7", "7"])"));
  EXPECT_EQ(read("[0.5.0, 08, 0x, 1:30, 10s, -, +, ., _1, 0xfg, 1-2, 99999999999999999999, ++1]"),
            Json::parse(R"(["0.5.0", "08", "0x", "1:30", "10s", "-", "+", ".", "_1", "0xfg", "1-2", "99999999999999999999", "++1"])"));
  EXPECT_EQ(read("[!!int 0660, !!float 1, !!bool no, !!null ~]"), Json::parse("[432, 1, false, null]"));
}

TEST(Yaml, TellsTruthFromText) {
  EXPECT_EQ(read("[true, False, yes, NO, on, Off]"), Json::parse("[true, false, true, false, true, false]"));
  EXPECT_EQ(read("[y, n, 'true', tRUE]"), Json::parse(R"(["y", "n", "true", "tRUE"])"));
  EXPECT_EQ(read("{a: , b: ~, c: null, d: 'null'}"), Json::parse(R"({"a": null, "b": null, "c": null, "d": "null"})"));
}

TEST(Yaml, FollowsAliases) {
  EXPECT_EQ(read("a: &x [1, 2]\nb: *x\nc: &y text\nd: *y\n"), Json::parse(R"({"a": [1, 2], "b": [1, 2], "c": "text", "d": "text"})"));
}

TEST(Yaml, SaysWhereItIsNone) {
  EXPECT_EQ(complaint("a: b\n  c: d\n"), "line 2, column 4: mapping values are not allowed in this context");
  EXPECT_THAT(complaint("a: [1, 2\n"), HasSubstr("line 2"));
  EXPECT_EQ(complaint("a: 1\nb: 2\na: 3\n"), "line 3, column 1: the key \"a\" is there twice");
  EXPECT_EQ(complaint("a: 1\n---\nb: 2\n"), "line 2, column 1: a second document");
  EXPECT_EQ(complaint("a: *x\n"), "line 1, column 4: an alias of nothing");
  EXPECT_EQ(complaint("a: !!python/object:os.system x\n"), "line 1, column 4: \"x\" is no tag:yaml.org,2002:python/object:os.system");
  EXPECT_EQ(complaint("a: !!int text\n"), "line 1, column 4: \"text\" is no tag:yaml.org,2002:int");
  EXPECT_THAT(complaint("a: !mine [1]\n"), HasSubstr("the tag !mine is not known"));
  EXPECT_THAT(complaint("? [a]\n: b\n"), HasSubstr("a key that is no text"));
  EXPECT_THAT(complaint("a: &x {b: c}\nd:\n  <<: *x\n"), HasSubstr("a merge key"));
  EXPECT_THAT(complaint("a: \x01\n"), HasSubstr("byte 3: control characters are not allowed"));
  EXPECT_THAT(complaint("a: \xff\n"), HasSubstr("byte 3: "));
}

TEST(Yaml, IsNotDrawnIntoWhatHasNoEnd) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int n = 1; n < 12; ++n) {
    bomb += fmt::format("a{0}: &a{0} [", n);
    for (int i = 0; i < 10; ++i) bomb += fmt::format("{}*a{}", i == 0 ? "" : ", ", n - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(complaint(bomb), HasSubstr("aliases that stand for too much"));
  EXPECT_THAT(complaint("a: &a " + std::string(4 << 20, 'x') + "\nb: [*a, *a, *a, *a]\n"), HasSubstr("aliases that stand for too much"));
  EXPECT_THAT(complaint(std::string(1 << 20, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(complaint("a: &a [*a]\n"), HasSubstr("an alias of nothing"));
}

}  // namespace
}  // namespace acetate::sandbox
