// Tables: words and lines with what becomes of them, one row for each way in which they can be written. The facts are those that
// Docker's own parser goes by.
#include <gtest/gtest.h>

#include <map>

#include "builder/dockerfile/lines.h"
#include "builder/dockerfile/nodes.h"
#include "builder/dockerfile/words.h"

namespace acetate::dockerfile {
namespace {

std::string expanded(std::string_view text, const std::map<std::string, std::string, std::less<>>& variables) {
  const auto value = expand(text, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
  return value ? *value : "error";
}

TEST(WordRows, SubstituteByWhetherAVariableIsUnsetEmptyOrSet) {
  struct Row {
    const char *text, *unset, *empty, *set;
  };
  static constexpr Row kRows[] = {
      {"$V", "", "", "x/y"},
      {"${V}", "", "", "x/y"},
      {"a${V}b", "ab", "ab", "ax/yb"},
      {"$Vb", "", "", ""},
      {"$V.b", ".b", ".b", "x/y.b"},
      {"${V:-w}", "w", "w", "x/y"},
      {"${V-w}", "w", "", "x/y"},
      {"${V:+w}", "", "", "w"},
      {"${V+w}", "", "w", "w"},
      {"${V:?w}", "error", "error", "x/y"},
      {"${V?w}", "error", "", "x/y"},
      {"${V:-}", "", "", "x/y"},
      {"${V:-${W}}", "ww", "ww", "x/y"},
      {"${V:-$W-${W}}", "ww-ww", "ww-ww", "x/y"},
      {"${V:+<${V}>}", "", "", "<x/y>"},
      {"${V:-'a b'}", "a b", "a b", "x/y"},
      {"${V:-a\\}b}", "a}b", "a}b", "x/y"},
      {"\"${V:-w}\"", "w", "w", "x/y"},
      {"'${V:-w}'", "${V:-w}", "${V:-w}", "${V:-w}"},
      {"\\${V:-w}", "${V:-w}", "${V:-w}", "${V:-w}"},
      {"\\\\$V", "\\", "\\", "\\x/y"},
      {"\"\\$V\"", "$V", "$V", "$V"},
      {"${V#*/}", "", "", "y"},
      {"${V%/*}", "", "", "x"},
      {"${V##?}", "", "", "/y"},
      {"${V%%y}", "", "", "x/"},
      {"${V/\\//-}", "", "", "x-y"},
      {"${V//?/z}", "", "", "zzz"},
      {"${V/y/}", "", "", "x/"},
      {"${V=w}", "error", "error", "error"},
      {"${V:=w}", "error", "error", "error"},
      {"${V:w}", "error", "error", "error"},
      {"${V", "error", "error", "error"},
      {"${", "error", "error", "error"},
      {"${}", "error", "error", "error"},
      {"${:}", "error", "error", "error"},
      {"${V:-", "error", "error", "error"},
      {"$", "$", "$", "$"},
      {"$-$!$?", "", "", ""},
      {"$$V", "V", "V", "V"},
      {"$9lives", "lives", "lives", "lives"},
      {"${12}", "", "", ""},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(expanded(row.text, {{"W", "ww"}}), row.unset) << row.text << " unset";
    EXPECT_EQ(expanded(row.text, {{"W", "ww"}, {"V", ""}}), row.empty) << row.text << " empty";
    EXPECT_EQ(expanded(row.text, {{"W", "ww"}, {"V", "x/y"}}), row.set) << row.text << " set";
  }
}

TEST(WordRows, LoseTheirQuotesAndEscapes) {
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"plain", "plain"},     {"a'b c'd", "ab cd"},      {"a\"b c\"d", "ab cd"},    {"a\\'b", "a'b"},           {"a\\\\b", "a\\b"},
      {"a\\tb", "atb"},       {"\"a\\tb\"", "a\\tb"},    {"\"a\\\\tb\"", "a\\tb"},  {"'a\\tb'", "a\\tb"},       {"'a\\\\b'", "a\\\\b"},
      {"\"'\"", "'"},         {"'\"'", "\""},            {"\"\\\"\"", "\""},        {"''", ""},                 {"\"\"", ""},
      {"trailing\\", "trailing"}, {"'open", "error"},    {"\"open", "error"},       {"\"open\\\"", "error"},    {"'it\\'", "it\\"},
      {"grüße", "grüße"},     {"'グ' \"x\"", "グ x"},
  };
  for (const auto& [text, wanted] : kRows) EXPECT_EQ(expanded(text, {}), wanted) << text;
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return out + "'";
}

// (keyword [flags] args), or the error's kind.
std::string tree(const Node& node) {
  std::string text = "(" + node.keyword;
  for (const std::string& flag : node.flags) text += " [" + flag + "]";
  for (const Node& trigger : node.trigger) text += " " + tree(trigger);
  for (const std::string& arg : node.args) text += " " + quoted(arg);
  return text + ")";
}

std::string parsed(std::string_view text) {
  const auto lines = split_lines(text, "Dockerfile");
  if (!lines) return "error";
  std::string all;
  for (const Line& line : lines->lines) {
    const auto node = parse_line(line, lines->source, lines->directives.escape);
    all += node ? tree(*node) : "error";
  }
  return all;
}

TEST(LineRows, AreTakenApartByTheGrammarOfTheirInstruction) {
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"FROM a", "(from 'a')"},
      {"from  a   as  b", "(from 'a' 'as' 'b')"},
      {"FROM --platform=x a", "(from [--platform=x] 'a')"},
      {"RUN  a   b ", "(run 'a   b')"},
      {"RUN a \\\n b", "(run 'a  b')"},
      {"RUN a\\\nb", "(run 'ab')"},
      {"RUN a \\\n# c\n  # d\n b", "(run 'a  b')"},
      {"RUN a \\\n\n\n b", "(run 'a  b')"},
      {"RUN a # not a comment", "(run 'a # not a comment')"},
      {"RUN a \\", "(run 'a')"},
      {"RUN [\"a\", \"b c\"]", "(run 'a' 'b c')"},
      {"RUN [ \"a\" , \"\\u0041\\\"\" ]", "(run 'a' 'A\"')"},
      {"RUN ['a', 'b']", "(run '['a', 'b']')"},
      {"RUN [\"a\", \"b\"", "(run '[\"a\", \"b\"')"},
      {"RUN [\"a\"] x", "(run '[\"a\"] x')"},
      {"CMD []", "(cmd)"},
      {"CMD [\"\"]", "(cmd '')"},
      {"CMD a [\"b\"]", "(cmd 'a [\"b\"]')"},
      {"ENTRYPOINT [\"a\"]", "(entrypoint 'a')"},
      {"ENV a b c", "(env 'a' 'b c' '')"},
      {"ENV a=b c=d", "(env 'a' 'b' '=' 'c' 'd' '=')"},
      {"ENV a=\"b c\" d=e\\ f g='h i'", "(env 'a' '\"b c\"' '=' 'd' 'e\\ f' '=' 'g' ''h i'' '=')"},
      {"ENV a=", "(env 'a' '' '=')"},
      {"LABEL a b", "(label 'a' 'b' '')"},
      {"LABEL \"a b\"=c", "(label '\"a b\"' 'c' '=')"},
      {"ARG a", "(arg 'a')"},
      {"ARG a=1 b=\"2 3\"", "(arg 'a=1' 'b=\"2 3\"')"},
      {"COPY a b c/", "(copy 'a' 'b' 'c/')"},
      {"COPY [\"a b\", \"c\"]", "(copy 'a b' 'c')"},
      {"COPY --from=a --chown=1:2 b c", "(copy [--from=a] [--chown=1:2] 'b' 'c')"},
      {"ADD --link a b", "(add [--link] 'a' 'b')"},
      {"COPY --  a b", "(copy 'a' 'b')"},
      {"EXPOSE 80  443/tcp", "(expose '80' '443/tcp')"},
      {"VOLUME /a /b", "(volume '/a' '/b')"},
      {"VOLUME [\"/a\", \"/b c\"]", "(volume '/a' '/b c')"},
      {"USER a:b", "(user 'a:b')"},
      {"WORKDIR /a b", "(workdir '/a b')"},
      {"STOPSIGNAL 9", "(stopsignal '9')"},
      {"SHELL [\"a\", \"-c\"]", "(shell 'a' '-c')"},
      {"MAINTAINER A B <c@d>", "(maintainer 'A B <c@d>')"},
      {"HEALTHCHECK NONE", "(healthcheck 'NONE')"},
      {"HEALTHCHECK --retries=1 CMD a b", "(healthcheck [--retries=1] 'CMD' 'a b')"},
      {"HEALTHCHECK CMD [\"a\", \"b\"]", "(healthcheck 'CMD' 'a' 'b')"},
      {"ONBUILD RUN a b", "(onbuild (run 'a b'))"},
      {"ONBUILD COPY --from=x a b", "(onbuild (copy [--from=x] 'a' 'b'))"},
      {"# escape=`\nRUN a `\n b\\\nRUN c", "(run 'a  b\\')(run 'c')"},
      {"RUN a \\  \t\n b", "(run 'a  b')"},
      {"\tFROM a\n  RUN b", "(from 'a')(run 'b')"},
      {"RUNN a", "error"},
      {"ENV a", "error"},
      {"CMD [\"a\", [\"b\"]]", "error"},
  };
  for (const auto& [text, wanted] : kRows) EXPECT_EQ(parsed(text), wanted) << text;
}

TEST(LineRows, StandWhereTheyStand) {
  const auto lines = split_lines("\n# c\n\nFROM a\n\n\nRUN b \\\n  c\nRUN d <<E\nx\n\nE\n\nENV e \\\n# f\n\n g\n", "Dockerfile");
  ASSERT_TRUE(lines);
  std::string places;
  for (const Line& line : lines->lines) places += fmt::format("{}-{} ", line.place.first, line.place.last);
  EXPECT_EQ(places, "4-4 7-8 9-12 14-17 ");
}

}  // namespace
}  // namespace acetate::dockerfile
