// Whole files with the syntax trees they become: for each rule of the language a file of its own. The same rules, in files of other people's, are asked by
// corpora.py, which has this dumper by way of the program "answers".
#include <gtest/gtest.h>

#include "tests/builder/dockerfile/dump.h"

namespace acetate::dockerfile {
namespace {

struct File {
  const char *rule, *text, *tree;
};

constexpr File kFiles[] = {
    {"words are parted by any blanks", "FROM\tbase\nCOPY\t.\t/src\nADD\t\tone   two/\t\n", R"((from "base")
(copy "." "/src")
(add "one" "two/")
)"},
    {"a list of files may be JSON, for names with blanks", "COPY [\"my file\", \"/x\"]\nADD\t[ \"a\",\"b c\" , \"/d e\" ]\n", R"((copy "my file" "/x")
(add "a" "b c" "/d e")
)"},
    {"several arguments in one line", "ARG one two=2 three=\"3 and\" four='4'\nARG five\n", R"((arg "one" "two=2" "three=\"3 and\"" "four='4'")
(arg "five")
)"},
    {"a command of many lines is one, with the tabs and blanks that begin its lines", "RUN one \\\n\t&& two \\\n    && three\n", R"((run "one \t&& two     && three")
)"},
    {"a shell's own substitutions are left to it", "RUN x=$(sed 's/a b/$1/' f | awk '{print $2}') && rm -f \"$x\"\n", R"((run "x=$(sed 's/a b/$1/' f | awk '{print $2}') && rm -f \"$x\"")
)"},
    {"an empty exec form is one", "CMD []\nENTRYPOINT [ ]\n", "(cmd)\n(entrypoint)\n"},
    {"a file may end in a line that goes on", "FROM a\nRUN b \\", "(from \"a\")\n(run \"b\")\n"},
    {"blanks before the escape character stay, those behind it do not", "RUN a\\\n b\nRUN a  \\ \t \n b\nRUN a\\\nb\n", R"((run "a b")
(run "a   b")
(run "ab")
)"},
    {"empty lines that go on add their blanks", "RUN a \\\n \\\n b \\\n\\\n c\\\n\\\nd\n", R"((run "a   b  cd")
)"},
    {"comments and empty lines within an instruction are skipped", "RUN a \\\n# no\n\n  # nor this\n\n b\n", "(run \"a  b\")\n"},
    {"the old form of ENV has one name and all the rest", "ENV NAME the  value = \"x\" \nENV A  b=c\n", R"((env "NAME" "the  value = \"x\"" "")
(env "A" "b=c" "")
)"},
    {"the newer has pairs with their quotes", "ENV a=b c=\"d e\" f='g \"h\"' i=j\\ k l=\"m\\\"n\" o=\n",
     R"((env "a" "b" "=" "c" "\"d e\"" "=" "f" "'g \"h\"'" "=" "i" "j\\ k" "=" "l" "\"m\\\"n\"" "=" "o" "" "="))"
     "\n"},
    {"pairs may stand in many lines, also to the end of the file", "ENV a=1 \\\n  b=\"2 \\\n 3\" \\\n\tc=4 \\\n", R"((env "a" "1" "=" "b" "\"2  3\"" "=" "c" "4" "=")
)"},
    {"a directive gives another escape character", "# escape = `\nFROM a\nENV P `\n  c:\\x\\\nRUN d\n", R"((from "a")
(env "P" "c:\\x\\" "")
(run "d")
)"},
    {"whatever its letters and blanks", "#ESCAPE=`\nRUN a `\n b\n", "(run \"a  b\")\n"},
    {"it is none behind another comment", "# hello\n# escape=`\nENV P \\\n\\x`\nRUN d\n", "(env \"P\" \"\\\\x`\" \"\")\n(run \"d\")\n"},
    {"nor behind an empty line", "\n# escape=`\nRUN a \\\n b\n", "(run \"a  b\")\n"},
    {"comments may follow at once", "# escape=`\n# and a comment\nRUN a `\n b\n", "(run \"a  b\")\n"},
    {"directives follow one another", "# syntax=docker/dockerfile:1\n# check=skip=all\n# escape=`\nFROM `\n   a\n", "(from \"a\")\n"},
    {"an escape before any other character is part of the text", "LABEL m a\\\\b <c@d>\\\"\nRUN x \\y && \\\n  \\\"z\nADD \\a\\\\\" /b\n", R"((label "m" "a\\\\b <c@d>\\\"" "")
(run "x \\y &&   \\\"z")
(add "\\a\\\\\"" "/b")
)"},
    {"JSON has its own escapes", "CMD [\"\\/a\\\\\\\"/b\", \"\\u00e4\\n\"]\n", R"((cmd "/a\\\"/b" "ä\n")
)"},
    {"an escaped escape character ends no line", "ENV A a\\\\\nENV B b\\\\c\nENV C d\\\\ \nENV D e\n", R"((env "A" "a\\\\" "")
(env "B" "b\\\\c" "")
(env "C" "d\\\\" "")
(env "D" "e" "")
)"},
    {"flags stand before the arguments and end at --", "COPY --one=1 --two a b\nCOPY --one=\"1 2\" -- --a b\nCOPY -- a b\nCMD --x [ \"a\" ]\nCMD --x -- []\nRUN --a --b=c d --e\n",
     R"((copy ["--one=1" "--two"] "a" "b")
(copy ["--one=1 2"] "--a" "b")
(copy "a" "b")
(cmd ["--x"] "a")
(cmd ["--x"])
(run ["--a" "--b=c"] "d --e")
)"},
    {"a health check is a word and a command", "HEALTHCHECK\nHEALTHCHECK NONE\nHEALTHCHECK CMD\nHEALTHCHECK  CMD  a  b\nHEALTHCHECK --retries=3 --interval=1s \\\n CMD [\"a\", \"b\"]\nHEALTHCHECK PING x y\n",
     R"((healthcheck)
(healthcheck "NONE")
(healthcheck "CMD")
(healthcheck "CMD" "a  b")
(healthcheck ["--retries=3" "--interval=1s"] "CMD" "a" "b")
(healthcheck "PING" "x y")
)"},
    {"JSON within a string is none", "CMD '[\"a\"]'\n", R"((cmd "'[\"a\"]'")
)"},
    {"nor is it within double quotes", "CMD \"[\\\"a\\\"]\"\n", R"((cmd "\"[\\\"a\\\"]\"")
)"},
    {"single quotes make no JSON", "CMD ['a','b']\n", "(cmd \"['a','b']\")\n"},
    {"a list that is not closed is a command", "CMD [ \"a\", \"b\"\n", R"((cmd "[ \"a\", \"b\"")
)"},
    {"so is one with an open string", "CMD [ \"a, \"b\" ]\n", R"((cmd "[ \"a, \"b\" ]")
)"},
    {"blanks around the words of a list do not matter", "CMD [\"\"]\nCMD [\"a\",\"b\"]\nCMD [ \"a\" , \"b\" ]\nCMD\t[\t\"a\"\t]\t\nCMD [\"a b\",\"♥\",\"\\t\\u0001\"]\n", R"((cmd "")
(cmd "a" "b")
(cmd "a" "b")
(cmd "a")
(cmd "a b" "♥" "\t\x01")
)"},
    {"triggers are instructions themselves", "ONBUILD RUN [\"a\", \"b\"]\nONBUILD  copy  . /x\nONBUILD RUN a && \\\n  b\nONBUILD HEALTHCHECK --retries=1 CMD c\n", R"((onbuild (run "a" "b"))
(onbuild (copy "." "/x"))
(onbuild (run "a &&   b"))
(onbuild (healthcheck ["--retries=1"] "CMD" "c"))
)"},
    {"instructions are known in any letters, and blanks before them do not count", "from a\n  Run b\n\tENV c d\n", "(from \"a\")\n(run \"b\")\n(env \"c\" \"d\" \"\")\n"},
    {"several of everything in one line", "VOLUME /a /b /c\nVOLUME [\"/d\", \"/e f\"]\nEXPOSE 1 2/udp\t3\nUSER a:b\nWORKDIR /x y\nSTOPSIGNAL 9\nSHELL [\"s\", \"-c\"]\nMAINTAINER A B <c@d>\n", R"((volume "/a" "/b" "/c")
(volume "/d" "/e f")
(expose "1" "2/udp" "3")
(user "a:b")
(workdir "/x y")
(stopsignal "9")
(shell "s" "-c")
(maintainer "A B <c@d>")
)"},
    {"an instruction may have nothing", "CMD\nRUN\nENV\nUSER\n", "(cmd)\n(run)\n(env)\n(user)\n"},
};

TEST(Trees, OfFiles) {
  static_assert(std::size(kFiles) >= 33);
  for (const File& file : kFiles) {
    const auto tree = dump(file.text);
    EXPECT_EQ(tree ? *tree : "error: " + tree.error().message(), file.tree) << file.rule;
  }
}

TEST(Trees, OfFilesThatHaveNone) {
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"", "a file with no instructions"},
      {"\n  \n", "a file with no instructions"},
      {"# a\n\n   # b\n", "a file with no instructions"},
      {"FROM a\nENV NAME\n", "ENV must have two arguments"},
      {"FROM a\nENV a=b c\n", "can't find = in \"c\""},
      {"FROM a\nCMD [ \"a\", [ \"b\" ] ]\n", "arrays must be comprised of strings only"},
      {"FROM a\nRUN [ \"a\", 1 ]\n", "arrays must be comprised of strings only"},
      {"FROM a\nRUN <<E\nx\n", "unterminated heredoc"},
      {"# escape=`\n# escape=`\nFROM a\n", "only one escape parser directive can be used"},
  };
  for (const auto& [text, words] : kRows) {
    const auto tree = dump(text);
    ASSERT_FALSE(tree) << text;
    EXPECT_NE(tree.error().message().find(words), std::string::npos) << tree.error().message();
  }
}

}  // namespace
}  // namespace acetate::dockerfile
