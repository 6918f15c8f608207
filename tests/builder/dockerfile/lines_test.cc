#include "builder/dockerfile/lines.h"

#include <gtest/gtest.h>

namespace acetate::dockerfile {
namespace {

std::vector<std::string> texts(std::string_view file) {
  const auto lines = split_lines(file, "Dockerfile");
  std::vector<std::string> out;
  if (!lines) return {"error: " + lines.error().message()};
  for (const Line& line : lines->lines) out.push_back(line.text);
  return out;
}
using Texts = std::vector<std::string>;

TEST(Lines, DropsCommentsBlankLinesByteOrderMarkAndCarriageReturns) {
  EXPECT_EQ(texts("\xef\xbb\xbf# hello\r\n\r\n  FROM a\r\n\t# c\r\nRUN b"), (Texts{"FROM a", "RUN b"}));
}

TEST(Lines, SkipsAShebang) { EXPECT_EQ(texts("#!/usr/bin/env thing\nFROM a\n"), Texts{"FROM a"}); }

TEST(Lines, JoinsContinuedLinesAndSkipsCommentsBetween) {
  EXPECT_EQ(texts("RUN a \\\n  # not part of it\n  && b \\  \n && c\n"), Texts{"RUN a   && b  && c"});
}

TEST(Lines, DoNotContinueAfterAnEscapedEscape) { EXPECT_EQ(texts("ENV a b\\\\\nRUN c\n"), (Texts{"ENV a b\\\\", "RUN c"})); }

TEST(Lines, KnowOfEmptyLinesInsideAnInstruction) {
  const auto lines = split_lines("RUN a \\\n\n  b\nRUN c\n", "Dockerfile");
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->lines.at(0).text, "RUN a   b");
  EXPECT_EQ(lines->lines.at(0).empty_line, 3);
  EXPECT_EQ(lines->lines.at(1).empty_line, 0);
}

TEST(Lines, HaveTheCommentsBeforeThem) {
  const auto lines = split_lines("# syntax=x\n# one\n# two\nFROM a\n# far\n\nRUN b\n# cut off\n#\n# near\nRUN c\n", "Dockerfile");
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->lines.at(0).comments, (Texts{"one", "two"}));
  EXPECT_TRUE(lines->lines.at(0).described);
  EXPECT_EQ(lines->lines.at(1).comments, Texts{"far"});
  EXPECT_FALSE(lines->lines.at(1).described);
  EXPECT_EQ(lines->lines.at(2).comments, Texts{"near"});
}

TEST(Lines, KnowWhereTheyStood) {
  const auto lines = split_lines("# c\nFROM a\n\nRUN b \\\n# c\n c\nRUN d\n", "Dockerfile");
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->lines[0].place, (Place{2, 2}));
  EXPECT_EQ(lines->lines[1].place, (Place{4, 6}));
  EXPECT_EQ(lines->lines[2].place, (Place{7, 7}));
}

TEST(Directives, AreReadAtTheTopOnly) {
  const auto lines = split_lines("# syntax = docker/dockerfile:1\n# escape=`\nFROM a `\n b\n", "Dockerfile");
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->directives.syntax, "docker/dockerfile:1");
  EXPECT_EQ(lines->directives.escape, '`');
  EXPECT_EQ(lines->lines.at(0).text, "FROM a  b");
  EXPECT_EQ(texts("# a comment\n# escape=`\nRUN a\\\n b\n"), Texts{"RUN a b"});
}

TEST(Directives, MayBeGivenOnceAndMustMakeSense) {
  EXPECT_TRUE(texts("# escape=`\n# escape=`\nFROM a\n").at(0).starts_with("error: dockerfile parse error on line 2: only one escape parser directive can be used\n"));
  EXPECT_NE(texts("# escape=x\nFROM a\n").at(0).find("invalid escape token 'x' does not match"), std::string::npos);
}

TEST(Heredocs, BelongToTheInstructionThatOpensThem) {
  const auto lines = split_lines("RUN <<EOF cat <<'B'\nx $y\nEOF\n\tz\nB\nRUN next\n", "Dockerfile");
  ASSERT_TRUE(lines) << lines.error().message();
  ASSERT_EQ(lines->lines.size(), 2U);
  const auto& docs = lines->lines[0].heredocs;
  ASSERT_EQ(docs.size(), 2U);
  EXPECT_EQ(docs[0].content, "x $y\n");
  EXPECT_TRUE(docs[0].expand);
  EXPECT_EQ(docs[1].name, "B");
  EXPECT_EQ(docs[1].content, "\tz\n");
  EXPECT_FALSE(docs[1].expand);
  EXPECT_EQ(lines->lines[0].place, (Place{1, 5}));
}

TEST(Heredocs, TakeLeadingTabsOffWhenAsked) {
  const auto lines = split_lines("COPY <<-EOF /x\n\t\ta\n\tEOF\n", "Dockerfile");
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->lines.at(0).heredocs.at(0).content, "a\n");
}

TEST(Heredocs, AreNotOpenedByOtherInstructionsOrTheExecForm) {
  EXPECT_EQ(texts("ENV a <<EOF\nRUN [\"a\", \"<<EOF\"]\nRUN a\n").size(), 3U);
  EXPECT_EQ(texts("RUN echo \"<<EOF\"\nRUN a\n").size(), 2U);
}

TEST(Heredocs, MustEnd) {
  const auto lines = split_lines("FROM a\nRUN <<EOF\nx\n", "Dockerfile");
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().message(),
            "dockerfile parse error on line 2: unterminated heredoc: no line is \"EOF\" and nothing else\n"
            "Dockerfile:2\n"
            "  2 | RUN <<EOF\n"
            "    |     ^^");
}

TEST(Heredocs, AreOpenedBehindOnbuildToo) {
  const auto lines = split_lines("ONBUILD RUN <<EOF\nx\nEOF\n", "Dockerfile");
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->lines.at(0).heredocs.size(), 1U);
}

TEST(Lines, FindsTheSyntaxOfFilesInOtherLanguages) {
  EXPECT_EQ(find_syntax("# syntax=a\n"), "a");
  EXPECT_EQ(find_syntax("#!/usr/bin/env x\n# escape=`\n# Syntax = a b\n"), "a b");
  EXPECT_EQ(find_syntax("\xef\xbb\xbf//syntax=a\n"), "a");
  EXPECT_EQ(find_syntax("#!/usr/bin/env x\n// check=skip=all\n// syntax=a\nlet it\n"), "a");
  EXPECT_EQ(find_syntax("// words\n// syntax=a\n"), std::nullopt);
  EXPECT_EQ(find_syntax("FROM a\n# syntax=a\n"), std::nullopt);
  EXPECT_EQ(find_syntax(""), std::nullopt);
}

}  // namespace
}  // namespace acetate::dockerfile
