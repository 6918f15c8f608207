#include "layers/tar/archive_members.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "tests/layers/image/sample.h"

namespace acetate {
namespace {

using test::TarBuilder;
using ::testing::HasSubstr;

class Members : public ::testing::Test {
 protected:
  Result<ArchiveMembers> read(const std::string& bytes) {
    tmp.write("a.tar", bytes);
    file = *sys::open(tmp / "a.tar", O_RDONLY);
    return ArchiveMembers::read(file.ref(), "a.tar");
  }
  std::string content(const ArchiveMembers& members, std::string_view name) {
    const auto member = members.find(name);
    if (!member) return member.error().message();
    return test::bytes_of({.path = tmp / "a.tar", .offset = member->offset, .length = member->length});
  }
  test::TempDir tmp;
  Fd file;
};

TEST_F(Members, AreFoundByNameWhereTheirBytesLie) {
  const auto members = read(
      TarBuilder().file("a", "one").dir("d/").file("./d/b", std::string(70'000, 'x')).file("c", "").str());

  ASSERT_TRUE(members) << members.error().message();
  EXPECT_EQ(content(*members, "a"), "one");
  EXPECT_EQ(content(*members, "d/b"), std::string(70'000, 'x'));
  EXPECT_EQ(content(*members, "./d//b"), std::string(70'000, 'x'));
  EXPECT_EQ(content(*members, "c"), "");
  EXPECT_TRUE(members->find("d").error().is(ENOENT));
  EXPECT_TRUE(members->find("nothing").error().is(ENOENT));
  EXPECT_TRUE(members->find("").error().is(ENOENT));
}

// Long names and times come in headers before the header, in every dialect in another way.
TEST_F(Members, LieBehindAllOfTheirHeadersInEveryDialect) {
  const std::string name(180, 'n');
  tmp.write("in/" + name, "long");
  tmp.write("in/z", "after");
  for (const char* format : {"gnu", "pax", "ustar"}) {
    const bool fits = std::string(format) != "ustar";
    const auto made = sys::run_captured({.argv = {"tar", "-C", tmp / "in", "--format", format, "-cf",
                                                  tmp / "a.tar", fits ? name : "z", "z"}});
    ASSERT_TRUE(made && made->exit.ok()) << made->err;
    file = *sys::open(tmp / "a.tar", O_RDONLY);

    const auto members = ArchiveMembers::read(file.ref(), "a.tar");

    ASSERT_TRUE(members) << members.error().message();
    if (fits) {
      EXPECT_EQ(content(*members, name), "long") << format;
    }
    EXPECT_EQ(content(*members, "z"), "after") << format;
  }
}

TEST_F(Members, AreFollowedThroughLinksInsideTheArchive) {
  const auto members = read(TarBuilder()
                                .file("d/real", "it")
                                .link('2', "e/relative", "../d/real")
                                .link('2', "absolute", "/d/real")
                                .link('2', "up", "../../../d/real")
                                .link('1', "hard", "e/relative")
                                .link('2', "broken", "nowhere")
                                .link('2', "loop", "loop")
                                .str());

  ASSERT_TRUE(members) << members.error().message();
  for (const char* name : {"e/relative", "absolute", "up", "hard"})
    EXPECT_EQ(content(*members, name), "it") << name;
  EXPECT_TRUE(members->find("broken").error().is(ENOENT));
  EXPECT_TRUE(members->find("loop").error().is(ELOOP));
}

TEST_F(Members, OfOneNameCountAsTheLastOfThem) {
  const auto members = read(TarBuilder().file("a", "first").file("./a", "last").str());

  EXPECT_EQ(content(*members, "a"), "last");
}

TEST_F(Members, WhoseNamesLeadOutAreNotThere) {
  const auto members = read(TarBuilder().file("../a", "out").file("/b", "rooted").str());

  ASSERT_TRUE(members);
  EXPECT_TRUE(members->find("../a").error().is(ENOENT));
  EXPECT_TRUE(members->find("a").error().is(ENOENT));
  EXPECT_EQ(content(*members, "b"), "rooted");
}

TEST_F(Members, AreNotReadFurtherThanAsked) {
  tmp.write("a.tar", TarBuilder().file("a", "1").file("b", "2").file("c", "3").str());
  file = *sys::open(tmp / "a.tar", O_RDONLY);
  std::vector<std::string> seen;

  const auto members = ArchiveMembers::read(file.ref(), "a.tar", [&](std::string_view name) {
    seen.emplace_back(name);
    return name != "b";
  });

  ASSERT_TRUE(members);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(content(*members, "a"), "1");
  EXPECT_TRUE(members->find("c").error().is(ENOENT));
}

TEST_F(Members, MustFitIntoTheArchive) {
  const auto whole = TarBuilder().file("a", std::string(5000, 'x')).without_end();

  const auto cut = read(whole.substr(0, 3000));
  const auto huge = read(TarBuilder().raw_size("a", "77777777777").without_end() + std::string(1024, '\0'));
  const auto negative =
      read(TarBuilder().raw_size("a", std::string(12, '\xff')).without_end() + std::string(1024, '\0'));

  EXPECT_EQ(cut.error().message(), "a.tar is cut short: its member a does not fit in it");
  EXPECT_EQ(huge.error().message(), "a.tar is cut short: its member a does not fit in it");
  ASSERT_FALSE(negative);
  EXPECT_THAT(negative.error().message(), HasSubstr("a.tar is "));
}

TEST_F(Members, StoredWithHolesCannotBeReadInPlace) {
  const auto hole = sys::open(tmp / "sparse", O_WRONLY | O_CREAT, 0644);
  ASSERT_TRUE(sys::truncate(hole->ref(), 1 << 20));
  ASSERT_TRUE(sys::pwrite_full(hole->ref(), std::as_bytes(std::span("x", 1)), 500'000));
  const auto made =
      sys::run_captured({.argv = {"tar", "-C", tmp.path(), "-S", "-cf", tmp / "a.tar", "sparse"}});
  ASSERT_TRUE(made && made->exit.ok());
  file = *sys::open(tmp / "a.tar", O_RDONLY);

  const auto members = ArchiveMembers::read(file.ref(), "a.tar");

  ASSERT_TRUE(members) << members.error().message();
  EXPECT_TRUE(members->find("sparse").error().is(ENOTSUP));
}

TEST_F(Members, AreNotLookedForInWhatIsNoTarball) {
  EXPECT_THAT(read(std::string(10'000, 'x')).error().message(),
              HasSubstr("a.tar is not a tarball that can be read"));
  EXPECT_THAT(read("\x1f\x8b\x08").error().message(), HasSubstr("a.tar is not a tarball that can be read"));
}

TEST_F(Members, FailWithWhatTheDiskSaid) {
  class Broken : public sys::Hook {
   public:
    int before(sys::Call call) noexcept override { return call == sys::Call::pread ? EIO : 0; }
  } broken;
  tmp.write("a.tar", TarBuilder().file("a", "1").str());
  file = *sys::open(tmp / "a.tar", O_RDONLY);

  sys::Hook* old = sys::install(&broken);
  const auto members = ArchiveMembers::read(file.ref(), "a.tar");
  sys::install(old);

  ASSERT_FALSE(members);
  EXPECT_TRUE(members.error().is(EIO));
  EXPECT_EQ(members.error().message(), "reading a.tar: Input/output error");
}

TEST(Compression, IsToldByTheFirstBytes) {
  test::TempDir tmp;
  const std::pair<std::string, std::string> cases[] = {{std::string("\x1f\x8b\x08"), "gzip"},
                                                       {"BZh9", "bzip2"},
                                                       {std::string("\xfd"
                                                                    "7zXZ\0\0",
                                                                    7),
                                                        "xz"},
                                                       {"\x28\xb5\x2f\xfd", "zstd"},
                                                       {std::string("\x53\x2a\x4d\x18\0", 5), "zstd"},
                                                       {std::string("\x04\x22\x4d\x18"), "lz4"},
                                                       {"plain text", ""},
                                                       {"", ""}};
  for (const auto& [bytes, name] : cases) {
    tmp.write("f", "xx" + bytes);
    const auto file = sys::open(tmp / "f", O_RDONLY);
    EXPECT_EQ(compression_of(file->ref(), 2)->value_or(""), name);
  }
}

}  // namespace
}  // namespace acetate
