// Tables: words and lines with what becomes of them, one row for each way in which they can be written. The facts are those that
// Docker's own parser goes by.
#include <fmt/ranges.h>
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
      {"${V}${V}", "", "", "x/yx/y"},
      {"pre$V", "pre", "pre", "prex/y"},
      {"pre${V}post", "prepost", "prepost", "prex/ypost"},
      {"${V:-1}${V:+2}${V}", "1", "1", "x/y2x/y"},
      {"a${V:-$W}b", "awwb", "awwb", "ax/yb"},
      {"a${V:-${V:-d}}b", "adb", "adb", "ax/yb"},
      {"a${V:-${U:-d}}b", "adb", "adb", "ax/yb"},
      {"a${V:+${W}}b", "ab", "ab", "awwb"},
      {"a${V:+${U}}b", "ab", "ab", "ab"},
      {"a${V:+${V}:}b", "ab", "ab", "ax/y:b"},
      {"a${V:-\\$W:}b", "a$W:b", "a$W:b", "ax/yb"},
      {"a${V:-\\${W}z}b", "a${Wz}b", "a${Wz}b", "ax/yz}b"},
      {"a${V:-{b}c", "a{bc", "a{bc", "ax/yc"},
      {"${V}}", "}", "}", "x/y}"},
      {"${V:-w}}", "w}", "w}", "x/y}"},
      {"\"<${V}>\"", "<>", "<>", "<x/y>"},
      {"\"<'$V'>\"", "<''>", "<''>", "<'x/y'>"},
      {"'<$V>'", "<$V>", "<$V>", "<$V>"},
      {"'<\\$V>'", "<\\$V>", "<\\$V>", "<\\$V>"},
      {"<\\$V>", "<$V>", "<$V>", "<$V>"},
      {"\"<\\\\$V>\"", "<\\>", "<\\>", "<\\x/y>"},
      {"\\${}", "${}", "${}", "${}"},
      {"a\\${}b", "a${}b", "a${}b", "a${}b"},
      {"a${}b", "error", "error", "error"},
      {"${.}", "error", "error", "error"},
      {"${{V}", "error", "error", "error"},
      {"${{V:-w}", "error", "error", "error"},
      {"${:-w}", "error", "error", "error"},
      {"${:+w}", "error", "error", "error"},
      {"${V:-w ${W}", "error", "error", "error"},
      {"${V?}", "error", "", "x/y"},
      {"${V:?}", "error", "error", "x/y"},
      {"$V$", "$", "$", "x/y$"},
      {"$.$V", "$.", "$.", "$.x/y"},
      {"$v", "", "", ""},
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
      {"grüße", "grüße"},     {"'グ' \"x\"", "グ x"},   {"a'b", "error"},           {"a\\\\'b", "error"},       {"\"''\"", "''"},
      {"'\"a\"'", "\"a\""},    {"'a\\'", "a\\"},         {"\"a'b\"", "a'b"},        {"a\\\\", "a\\"},           {"\"a", "error"},
      {"'a\\tb", "error"},    {"\"a\\\"", "error"},      {"a b", "a b"},           {" a ", " a "},           {"\\ a", " a"},
      {"ä'ö'ü", "äöü"},       {"ä'ö", "error"},         {"ä\\'ö", "ä'ö"},         {"ä\\\\'ö", "error"},     {"ä\\tö", "ätö"},
      {"\"ä\\tö\"", "ä\\tö"}, {"'ä\\tö", "error"},      {"ä\\", "ä"},             {"ä\\\\", "ä\\"},         {"\"ä\\\"", "error"},
      {"\"ä'ö\"", "ä'ö"},     {"'ä\\'", "ä\\"},         {"'\"ä\"'", "\"ä\""},     {"<<a", "<<a"},           {"a << b", "a << b"},
  };
  for (const auto& [text, wanted] : kRows) EXPECT_EQ(expanded(text, {}), wanted) << text;
}

// In other letters than ASCII's nothing is different: names of variables end before them, values hold them.
TEST(WordRows, AreUtf8) {
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"ä$V", "ä日本"},       {"ä${V}ö", "ä日本ö"},      {"${V}ö", "日本ö"},        {"ä$1ö", "äö"},           {"ä$.ö", "ä$.ö"},
      {"ä\\$V", "ä$V"},       {"ä\\\\$V", "ä\\日本"},  {"ä${}", "error"},          {"ä\\${}ö", "ä${}ö"},     {"ä${U:-ß}ö", "äßö"},
      {"ä${V:+ß}ö", "äßö"},   {"ä${V:-ß}ö", "ä日本ö"},   {"ä${U:-${V}}", "ä日本"},   {"ä${U:+${V}}ö", "äö"},   {"ä${V:+${V}:}ö", "ä日本:ö"},
      {"'ä$V'", "ä$V"},       {"\"ä'$V'\"", "ä'日本'"}, {"ä${V", "error"},          {"ä${V:=ß}", "error"},    {"ä${U:ß}", "error"},
      {"${V#?}", "本"},       {"${V%?}", "日"},        {"${V/?/x}", "x本"},        {"${V//?/x}", "xx"},      {"${V/本/ß}", "日ß"},
      {"${V##*日}", "本"},    {"${V%%本*}", "日"},     {"${V//本/}", "日"},        {"${V/#/x}", "日本"},     {"ä${.}", "error"},
  };
  for (const auto& [text, wanted] : kRows) EXPECT_EQ(expanded(text, {{"V", "日本"}}), wanted) << text;
}

TEST(WordRows, NeverSetPositionalAndSpecialParameters) {
  for (const std::string name : {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "999", "001", "@", "*", "#", "?", "-", "$", "!"}) {
    const std::map<std::string, std::string, std::less<>> set{{name, "set"}};  // whoever says they are
    EXPECT_EQ(expanded("<$" + name + ">", set), "<>") << name;
    EXPECT_EQ(expanded("<${" + name + "}>", set), "<>") << name;
    EXPECT_EQ(expanded("<${" + name + ":+w}>", set), "<>") << name;
    EXPECT_EQ(expanded("<${" + name + ":-w}>", set), "<w>") << name;
    EXPECT_EQ(expanded("$" + name + "letters", set), "letters") << name;
  }
  EXPECT_EQ(expanded("$@@", {}), "@");
}

TEST(WordRows, TrimAndReplaceByPatterns) {
  struct Row {
    const char *text, *value, *wanted;
  };
  static constexpr Row kRows[] = {
      // # and ##: the shortest and longest match at the beginning.
      {"${V#a}", "aab", "ab"}, {"${V##a}", "aab", "ab"}, {"${V#*a}", "aab", "ab"}, {"${V##*a}", "aab", "b"}, {"${V#b}", "aab", "aab"},
      {"${V#}", "aab", "aab"}, {"${V##}", "aab", "aab"}, {"${V#*}", "aab", "aab"}, {"${V##*}", "aab", ""}, {"${V#?}", "aab", "ab"},
      {"${V#a*b}", "aabb", "b"}, {"${V##a*b}", "aabb", ""}, {"${V#*a*b}", "aabb", "b"}, {"${V#$P}", "axb", "xb"}, {"${V##$P}", "bxb", "bxb"},
      {"${V#?\\?}", "???", "?"}, {"${V#\\*}", "**x", "*x"}, {"${V#\\\\}", "\\x", "x"}, {"${V#(.)[^$]|+{\\}}", "(.)[^$]|+{}x", "x"}, {"${V#.}", "ax", "ax"},
      // % and %%: at the end.
      {"${V%b}", "abb", "ab"}, {"${V%%b}", "abb", "ab"}, {"${V%b*}", "abb", "ab"}, {"${V%%b*}", "abb", "a"}, {"${V%a}", "abb", "abb"},
      {"${V%}", "abb", "abb"}, {"${V%%}", "abb", "abb"}, {"${V%*}", "abb", "abb"}, {"${V%%*}", "abb", ""}, {"${V%%\\**}", "x*y*", "x"},
      {"${V%\\*}", "x**", "x*"}, {"${V%%\\**\\*}", "a*x*", "a"}, {"${V%?b}", "abb", "a"}, {"<${U:-.}${V%x}${U:-.}>", "ab", "<.ab.>"}, {"${V%%$P}", "xa", "x"},
      // / and //: the first and every match, the longest where it stands.
      {"${V/a/x}", "aba", "xba"}, {"${V//a/x}", "aba", "xbx"}, {"${V/a*a/x}", "abab", "xb"}, {"${V//?/x}", "ab", "xx"}, {"${V/c/x}", "aba", "aba"},
      {"${V/a/}", "aba", "ba"}, {"${V//a/}", "aba", "b"}, {"${V/$P/$P$P}", "bab", "baab"}, {"${V/\\//-}", "a/b/c", "a-b/c"}, {"${V//\\//-}", "a/b/c", "a-b-c"},
      {"${V//\\//\\/}", "a/b", "a\\/b"}, {"${V/$S/}", "x/y/x/y", "x/x/y"}, {"${V//$S/-}", "x/y/x/y", "x-/x-"}, {"${V/\\*/s}", "a*b", "asb"}, {"${V/./s}", "ab.", "abs"},
      // A match of nothing.
      {"${V/$U/x}", "ab", "xab"}, {"${V//$U/x}", "ab", "xaxbx"}, {"${V///}", "ab", "ab"}, {"${V/*/x}", "", "x"}, {"${V//*/x}", "ab", "x"},
      // What is no pattern, and what is not there.
      {"${V:#a}", "a", "error"}, {"${V:##a}", "a", "error"}, {"${V:%a}", "a", "error"}, {"${V:%%a}", "a", "error"}, {"${V//a}", "a", "error"},
      {"${V//}", "a", "error"}, {"${V/a", "a", "error"}, {"${V#a", "a", "error"}, {"${V#\\a}", "a", "error"}, {"${V%\\a}", "a", "error"},
      {"${V/\\a/b}", "a", "error"}, {"${U#a}", "a", ""}, {"${U%%a}", "a", ""}, {"${U/a/b}", "a", ""}, {"${U//a/b}", "a", ""},
  };
  for (const Row& row : kRows) EXPECT_EQ(expanded(row.text, {{"V", row.value}, {"P", "a"}, {"S", "/y"}}), row.wanted) << row.text << " of " << row.value;
}

TEST(WordRows, AreSplitAtBlanks) {
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"a", "a"},           {"a b", "a|b"},         {"  a\t b\n", "a|b"},  {"a${U}b", "ab"},         {"a${V}b", "av|wb"},
      {"\"a b\"", "a b"},   {"'a b'", "a b"},       {"a\\ b", "a b"},     {"a\" b\"c d", "a bc|d"}, {"\"$V\"", "v  w"},
      {"x\"$V\"y", "xv  wy"}, {"x \"$V\"y", "x|v  wy"}, {"x$L", "x|l|m"},    {"x\"$L\"", "x  l m"},   {"x${L}y", "x|l|my"},
      {"$T", "t|u"},        {"${T}y", "t|u|y"},     {"\"$T\"y", "t u  y"}, {"'$V'", "$V"},          {"a\" b", "error"},
      {"a\\\" b", "a\"|b"}, {"a\"\\\\b\"", "a\\b"}, {"a'\\b'", "a\\b"}, {"", ""},               {"'' a", "a"},
      {"a <<  E b", "a|<<  E|b"}, {"a <  E", "a|<|E"}, {"\"<<  E\"", "<<  E"}, {"${U:-a b}", "a|b"},   {"\"${U:-a b}\"", "a b"},
  };
  const std::map<std::string, std::string, std::less<>> variables{{"V", "v  w"}, {"L", "  l m"}, {"T", "t u  "}};
  for (const auto& [text, wanted] : kRows) {
    const auto words = expand_words(text, [&](std::string_view name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
    EXPECT_EQ(words ? fmt::format("{}", fmt::join(*words, "|")) : "error", wanted) << text;
  }
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

// The words that open here-documents, and the lines that do.
TEST(LineRows, OpenHereDocuments) {
  static constexpr std::pair<const char*, const char*> kWords[] = {
      {"<<E", "E"},       {"<<'E'", "E"},    {"<<\"E\"", "E"}, {"<<-E", "E"},       {"<<-'E'", "E"},  {"<<-\"E\"", "E"}, {"<<E\"F\"", "EF"},
      {"<< E", "E"},      {"<<- E", "E"},    {"<<  E", "E"},   {"7<<E", "E"},       {"<<$E", "$E"},   {"<<a.txt", "a.txt"}, {"<<'a b'", "a b"},
      {"<<e\\'f", "e'f"}, {"", "none"},      {"E", "none"},    {"<<", "none"},      {"<<-", "none"},  {"<E", "none"},     {"<<<E", "none"},
      {"<<E x", "none"},  {"<<'E", "none"},  {"<<\"E", "none"}, {"<<E'", "none"},    {"<<E\"", "none"}, {"a<<E", "none"},
  };
  for (const auto& [word, name] : kWords) {
    const auto heredoc = parse_heredoc_word(word);
    EXPECT_EQ(heredoc ? heredoc->name : "none", name) << word;
  }
  struct Row {
    const char *file, *documents;  // name, then "-" for <<-, "$" where it is expanded, its number, its text in quotes
  };
  static constexpr Row kRows[] = {
      {"RUN <<E\nE", "E$0''"},
      {"RUN <<E\n\ta\n b\nE", "E$0'\ta\\n b\\n'"},
      {"RUN <<-E\n\t\ta\n\t b\n\tE", "E-$0'a\\n b\\n'"},
      {"RUN <<'E'\n$a\nE", "E0'$a\\n'"},
      {"RUN <<-\"E\"\n\ta\nE", "E-0'a\\n'"},
      {"RUN 4<<E\na\nE", "E$4'a\\n'"},
      {"RUN <<e'f'\na\nef", "ef0'a\\n'"},
      {"RUN <<e\\'f\na\ne'f", "e'f$0'a\\n'"},
      {"RUN <<'e'f\\'g\na\nef'g", "ef'g0'a\\n'"},
      {"RUN <<'a b'\nx\na b", "a b0'x\\n'"},
      {"RUN <<$E\n$E", "$E$0''"},
      {"RUN <<  E\nE", "E$0''"},
      {"RUN <<  E > f\nE", "E$0''"},
      {"RUN << -E\n-E", "-E$0''"},
      {"RUN <<E sh && <<F cat\na\nE\nb\nF", "E$0'a\\n' F$0'b\\n'"},
      {"COPY <<X <<Y /d/\nY\nX\nX\nY", "X$0'Y\\n' Y$0'X\\n'"},
      {"COPY <<E /q\n\"a\"\n'b'\nE", "E$0'\"a\"\\n'b'\\n'"},
      {"ADD <<f.txt /f\n# no comment\n\n\\\nf.txt", "f.txt$0'# no comment\\n\\n\\\\n'"},
      {"RUN --mount=type=cache,target=/c <<E\na\nE", "E$0'a\\n'"},
      {"ONBUILD RUN <<E\na\nE", "E$0'a\\n'"},
      {"RUN a \\\n <<E\nb\nE", "E$0'b\\n'"},
      {"RUN <<E\n E\nE \nE", "E$0' E\\nE \\n'"},
      {"RUN \"<<E\"", ""},
      {"RUN '<<E'", ""},
      {"RUN [\"<<E\"]", ""},
      {"RUN [\"<<'E'\"]", ""},
      {"USER <<E", ""},
      {"ENV a <<E", ""},
      {"RUN <<- E", ""},
      {"RUN a 1<<2\n2", "2$1''"},
  };
  for (const Row& row : kRows) {
    const auto lines = split_lines(row.file, "Dockerfile");
    ASSERT_TRUE(lines) << row.file << ": " << lines.error().message();
    std::string documents;
    for (const Heredoc& each : lines->lines.at(0).heredocs) {
      std::string content;
      for (const char c : each.content) content += c == '\n' ? std::string("\\n") : std::string(1, c);
      documents += fmt::format("{}{}{}{}{}'{}'", documents.empty() ? "" : " ", each.name, each.chomp ? "-" : "", each.expand ? "$" : "", each.fd, content);
    }
    EXPECT_EQ(documents, row.documents) << row.file;
  }
}

TEST(LineRows, BeginWithDirectives) {
  struct Row {
    const char *file, *syntax, *check;
    char escape;
  };
  static constexpr Row kRows[] = {
      {"#escape=\\\n# key = x\n", "", "", '\\'},
      {"# EScape = ` \n# KEY=x\n", "", "", '`'},
      {"# syntax = a:b // words\nFROM x\n", "a:b // words", "", '\\'},
      {"# SYNTAX=a\n#check=skip=A;error=true\n# escape=`\n", "a", "skip=A;error=true", '`'},
      {"#!/bin/sh\n# syntax=a\n# check=b\n# escape=`\nFROM x\n", "a", "b", '\\'},
      {"#!/bin/sh\n\n# syntax=a\n", "", "", '\\'},
      {"\xef\xbb\xbf# syntax=a\n", "a", "", '\\'},
      {"\n# syntax=a\n", "", "", '\\'},
      {"# hello\n# syntax=a\n", "", "", '\\'},
      {"# key=a\n# syntax=a\n", "", "", '\\'},
      {"# check=a\n\n# syntax=a\n", "", "a", '\\'},
      {"FROM x\n# syntax=a\n", "", "", '\\'},
      {"# syntax\n", "", "", '\\'},
      {"# syntax=\n", "", "", '\\'},
      {"//check=a\n", "", "", '\\'},
      {"# syntax=a\r\n# escape=`\r\n", "a", "", '`'},
  };
  for (const Row& row : kRows) {
    const auto lines = split_lines(row.file, "Dockerfile");
    ASSERT_TRUE(lines) << row.file;
    EXPECT_EQ(lines->directives.syntax.value_or(""), row.syntax) << row.file;
    EXPECT_EQ(lines->directives.check.value_or(""), row.check) << row.file;
    EXPECT_EQ(lines->directives.escape, row.escape) << row.file;
  }
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
