#include "builder/dockerfile/mount.h"

#include <gtest/gtest.h>

#include "builder/dockerfile/csv.h"

namespace acetate::dockerfile {
namespace {

using Type = Mount::Type;
using Words = std::vector<std::string>;

Result<Mount> parsed(std::string_view text) {
  return parse_mount(text, [](std::string_view value) -> Result<std::string> { return value == "$X" ? "x" : std::string(value); });
}

Mount mount(std::string_view text) {
  auto mount = parsed(text);
  if (!mount) ADD_FAILURE() << text << ": " << mount.error().message();
  return mount ? *std::move(mount) : Mount();
}

std::string complaint(std::string_view text) {
  const auto mount = parsed(text);
  return mount ? "no complaint" : mount.error().message();
}

TEST(Csv, SplitsAtCommasOutsideQuotes) {
  EXPECT_EQ(*split_csv("a,b=c,"), (Words{"a", "b=c", ""}));
  EXPECT_EQ(*split_csv(R"(a,"b,""c""",d)"), (Words{"a", "b,\"c\"", "d"}));
  EXPECT_FALSE(split_csv("\"a"));
  EXPECT_FALSE(split_csv("a\"b\""));
  EXPECT_FALSE(split_csv("\"a\"b"));
}

TEST(Mount, IsAReadOnlyBindUnlessItSaysOtherwise) {
  EXPECT_EQ(mount("target=/a").type, Type::bind);
  EXPECT_TRUE(mount("target=/a").read_only);
  EXPECT_FALSE(mount("dst=/a,rw").read_only);
  EXPECT_FALSE(mount("destination=/a,readonly=false").read_only);
  EXPECT_FALSE(mount("type=cache,target=/a").read_only);
  EXPECT_TRUE(mount("type=cache,target=/a,ro=true").read_only);
  EXPECT_FALSE(mount("type=tmpfs,target=/a").read_only);
}

TEST(Mount, ReadsEveryOption) {
  const Mount cache = mount("TARGET=/c,Type=cache,id=$X,sharing=LOCKED,from=base,src=/s,mode=0700,uid=1,gid=2");
  EXPECT_EQ(cache.id, "x");
  EXPECT_EQ(cache.sharing, Mount::Sharing::locked);
  EXPECT_EQ(cache.from, "base");
  EXPECT_EQ(cache.source, "/s");
  EXPECT_EQ(cache.mode, 0700U);
  EXPECT_EQ(cache.uid, 1U);
  EXPECT_EQ(cache.gid, 2U);
  EXPECT_EQ(mount("type=tmpfs,target=/t,size=64m").size, 64U << 20);
  EXPECT_EQ(mount("type=secret,id=a,env=A,required").env, "A");
  EXPECT_TRUE(mount("type=secret,id=a,required").required);
  EXPECT_EQ(mount("type=ssh").target, "");
}

TEST(Mount, RefusesWhatDoesNotGoTogether) {
  EXPECT_EQ(complaint("type=cahce,target=/a"), "there is no mount type \"cahce\" (did you mean cache?)");
  EXPECT_EQ(complaint("tagret=/a"), "--mount knows no option \"tagret\" (did you mean target?)");
  EXPECT_EQ(complaint("type=cache"), "a cache mount wants a target");
  EXPECT_EQ(complaint("target"), "the --mount option target wants a value: target=…");
  EXPECT_EQ(complaint("type=bind,target=/a,uid=1"), "uid is not for bind mounts");
  EXPECT_EQ(complaint("type=tmpfs,target=/a,mode=1"), "mode is not for tmpfs mounts");
  EXPECT_EQ(complaint("target=/a,sharing=shared"), "sharing is for cache mounts, not for bind ones");
  EXPECT_EQ(complaint("target=/a,size=1m"), "size is for tmpfs mounts, not for bind ones");
  EXPECT_EQ(complaint("target=/a,required"), "required is for secret and ssh mounts, not for bind ones");
  EXPECT_EQ(complaint("type=secret"), "a secret mount wants an id or a target");
  EXPECT_EQ(complaint("type=secret,id=a,source=b"), "a secret mount takes id or source, not both");
  EXPECT_EQ(complaint("type=secret,id=a,mode=9"), "mode wants an octal number, not \"9\"");
  EXPECT_NE(complaint("target=/a,from=$X").find("not expanded in from="), std::string::npos);
}

TEST(Mount, TellsItsFromWithoutUnderstandingTheRest) {
  EXPECT_EQ(mount_from("type=$T,from=base,target=/x"), "base");
  EXPECT_EQ(mount_from("target=/x"), "");
}

TEST(Size, KnowsUnits) {
  EXPECT_EQ(parse_size("1024"), 1024U);
  EXPECT_EQ(parse_size("1.5k"), 1536U);
  EXPECT_EQ(parse_size("2GiB"), 2ULL << 30);
  EXPECT_EQ(parse_size("7 MB"), 7U << 20);
  for (const char* none : {"", "m", "1x", "1.2.3", "-1", "1e3"}) EXPECT_FALSE(parse_size(none)) << none;
}

}  // namespace
}  // namespace acetate::dockerfile
