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
  EXPECT_EQ(complaint("type=cahce,target=/a"), "unsupported mount type \"cahce\" (did you mean cache?)");
  EXPECT_EQ(complaint("type=tmp,target=/a"), "unsupported mount type \"tmp\" (did you mean tmpfs?)");
  EXPECT_EQ(complaint("type=cache,target=/a,z"), "no complaint") << "buildah's words for SELinux";
  EXPECT_EQ(complaint("target=/a,relabel=shared,Z"), "no complaint");
  EXPECT_EQ(complaint("type=tmpfs,target=/a,tmpfs-size=1m"), "no complaint");
  EXPECT_EQ(complaint("tagret=/a"), "unexpected key 'tagret' in 'tagret=/a' (did you mean target?)");
  EXPECT_EQ(complaint("type=cache"), "invalid mount target \"\": a cache mount wants one");
  EXPECT_EQ(complaint("target"), "invalid field 'target' must be a key=value pair");
  EXPECT_EQ(complaint("type=bind,target=/a,uid=1"), "uid not allowed for \"bind\" type mounts");
  EXPECT_EQ(complaint("type=tmpfs,target=/a,mode=1"), "mode not allowed for \"tmpfs\" type mounts");
  EXPECT_EQ(complaint("target=/a,sharing=shared"), "unexpected key 'sharing' for mount type 'bind'");
  EXPECT_EQ(complaint("target=/a,size=1m"), "unexpected key 'size' for mount type 'bind'");
  EXPECT_EQ(complaint("target=/a,required"), "unexpected key 'required' for mount type 'bind'");
  EXPECT_EQ(complaint("type=secret"), "invalid secret mount. one of source, target required");
  EXPECT_EQ(complaint("type=secret,id=a,source=b"), "both source and id can't be set of a secret mount");
  EXPECT_EQ(complaint("type=secret,id=a,mode=9"), "invalid value 9 for mode: an octal number is wanted");
  EXPECT_NE(complaint("target=/a,from=$X").find("'from' doesn't support variable expansion, define alias stage instead"), std::string::npos);
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
