// fs/fuse/options.cc: fuse-overlayfs's command line, with the argv of those who call it.
#include "fs/fuse/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::fs {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Result<Options> parse(const std::vector<std::string>& words, bool privileged = true) {
  std::vector<std::string> argv = {"/usr/bin/fuse-overlayfs"};
  argv.insert(argv.end(), words.begin(), words.end());
  return parse_options(argv, privileged);
}
Options good(const std::vector<std::string>& words, bool privileged = true) {
  auto options = parse(words, privileged);
  EXPECT_TRUE(options) << options.error().message();
  return options ? *std::move(options) : Options();
}
std::string words_of(const std::vector<std::string>& words) {
  auto options = parse(words);
  EXPECT_FALSE(options);
  return options ? "" : options.error().message();
}

TEST(Options, OfPodmanAndBuildah) {
  const Options options =
      good({"-o",
            "lowerdir=/s/overlay/l/ABC:/s/overlay/l/DEF/../diff1,upperdir=/s/overlay/id/diff,workdir=/s/overlay/id/"
            "work,volatile,context=\"system_u:object_r:container_file_t:s0:c1,c2\"",
            "/s/overlay/id/merged"});

  EXPECT_THAT(options.lowers, ElementsAre("/s/overlay/l/ABC", "/s/overlay/l/DEF/../diff1"));
  EXPECT_EQ(options.upper, "/s/overlay/id/diff");
  EXPECT_EQ(options.work, "/s/overlay/id/work");
  EXPECT_EQ(options.mountpoint, "/s/overlay/id/merged");
  EXPECT_FALSE(options.durable);
  EXPECT_FALSE(options.foreground);
  EXPECT_THAT(options.ignored, IsEmpty());
  EXPECT_EQ(options.name, "fuse-overlayfs");
  EXPECT_EQ(options.fsname, "fuse-overlayfs");
}

TEST(Options, OfBuildahsVolumes) {
  const Options options =
      good({"-o", R"(lowerdir=/src/a\:b,upperdir=/u,workdir=/w,private)", "/run/merge"});

  EXPECT_THAT(options.lowers, ElementsAre("/src/a:b"));
  EXPECT_THAT(options.ignored, ElementsAre("private"));
}

TEST(Options, OfContainerdThroughMountFuse3) {
  const Options options =
      good({"overlay", "/target", "-o", "workdir=/w,upperdir=/u,lowerdir=/a:/b,dev,suid"});

  EXPECT_EQ(options.mountpoint, "/target");
  EXPECT_THAT(options.mount_options, Contains("dev"));
  EXPECT_THAT(options.mount_options, Contains("suid"));
}

TEST(Options, OfApptainer) {
  const Options options =
      good({"-f", "-o", "allow_other,ro,lowerdir=/a:/b,upperdir=/u,workdir=/w,noacl", "/dev/fd/7"}, false);

  EXPECT_TRUE(options.foreground);
  EXPECT_TRUE(options.read_only);
  EXPECT_EQ(options.upper, "/u");  // shown, though not written
  EXPECT_FALSE(options.acl);
  EXPECT_EQ(options.mountpoint, "/dev/fd/7");
  EXPECT_THAT(options.mount_options, ElementsAre("default_permissions", "noatime", "allow_other", "ro"));
}

TEST(Options, HaveFuseOverlayfssDefaults) {
  const Options root = good({"-olowerdir=/a", "/m"}, true);
  const Options user = good({"-olowerdir=/a", "/m"}, false);

  EXPECT_EQ(root.timeout, 1e9);
  EXPECT_TRUE(root.durable);
  EXPECT_TRUE(root.xattrs);
  EXPECT_TRUE(root.acl);
  EXPECT_FALSE(root.writeback);
  EXPECT_FALSE(root.upper);
  EXPECT_THAT(root.mount_options, ElementsAre("default_permissions", "noatime", "allow_other", "suid"));
  EXPECT_THAT(user.mount_options, ElementsAre("default_permissions", "noatime"));
}

TEST(Options, MayBeGivenInManyPieces) {
  const Options options =
      good({"-o", "lowerdir=/x", "-oupperdir=/u,,", "/first", "-o", "workdir=/w", "-o", "lowerdir=/y", "/last"});

  EXPECT_THAT(options.lowers, ElementsAre("/y"));
  EXPECT_EQ(options.upper, "/u");
  EXPECT_EQ(options.mountpoint, "/last");
}

TEST(Options, TakeNumbersAndSwitches) {
  const Options options =
      good({"-o", "lowerdir=/a,timeout=2.5,fsync=0,writeback=1,noxattrs=1,threaded=0,fast_ino=1,static_nlink", "/m"});

  EXPECT_EQ(options.timeout, 2.5);
  EXPECT_FALSE(options.durable);
  EXPECT_TRUE(options.writeback);
  EXPECT_FALSE(options.xattrs);
  EXPECT_TRUE(options.static_nlink);
  EXPECT_THAT(options.ignored, IsEmpty());
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,timeout=soon", "/m"}), HasSubstr("timeout=soon"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,timeout=-1", "/m"}), HasSubstr("timeout=-1"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,timeout=nan", "/m"}), HasSubstr("timeout=nan"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,writeback=yes", "/m"}), HasSubstr("writeback=yes"));
}

TEST(Options, SwitchesCanBeTurnedOffAgain) {
  for (const bool on : {true, false}) {
    const char value = on ? '1' : '0';
    const auto with = [&](const char* name) { return good({"-o", fmt::format("lowerdir=/a,{}={}", name, value), "/m"}); };
    EXPECT_EQ(with("volatile").durable, !on);
    EXPECT_EQ(with("volatile").leaves_mark, on);
    EXPECT_EQ(with("noacl").acl, !on);
    EXPECT_EQ(with("debug").debug, on);
    EXPECT_EQ(with("debug").foreground, on);
    EXPECT_EQ(with("static_nlink").static_nlink, on);
    EXPECT_EQ(with("squash_to_root").owners.squashes(), on);
    EXPECT_EQ(with("ino32_t").narrow_inos, on);
    EXPECT_EQ(with("noxattrs").xattrs, !on);
    EXPECT_EQ(with("noxattrs").always_asks_xattrs, !on);
  }
  // What says that nothing is synced leaves a mark, as the kernel's word does; fuse-overlayfs's own does not.
  EXPECT_TRUE(good({"-o", "lowerdir=/a,volatile", "/m"}).leaves_mark);
  EXPECT_FALSE(good({"-o", "lowerdir=/a,fsync=0", "/m"}).leaves_mark);
  for (const char* option : {"volatile=", "volatile=2", "noacl=no", "debug=yes", "static_nlink=x", "squash_to_root=2"})
    EXPECT_THAT(words_of({"-o", fmt::format("lowerdir=/a,{}", option), "/m"}), HasSubstr(option));
}

TEST(Options, TimeoutsAreNumbersOfSecondsUpToForEver) {
  const auto timeout = [](const char* text) { return good({"-o", fmt::format("lowerdir=/a,timeout={}", text), "/m"}).timeout; };
  for (const char* forever : {"inf", "infinity", "1e9", "1000000000.0", "1e18", "1e300", "1e400", "18446744073709551616"}) EXPECT_EQ(timeout(forever), 1e9) << forever;
  for (const char* never : {"0", "0.0", "1e-400"}) EXPECT_EQ(timeout(never), 0) << never;
  EXPECT_EQ(timeout("0.25"), 0.25);
  for (const char* none : {"", "nan", "-nan", "-inf", "-1", "-0.5", "-1e400", "1s", "0x10", "soon", " 1", "1e"})
    EXPECT_THAT(words_of({"-o", fmt::format("lowerdir=/a,timeout={}", none), "/m"}), HasSubstr("a number of seconds was expected")) << none;
}

TEST(Options, DataOnlyLayersAreRefused) {
  EXPECT_THAT(words_of({"-o", "lowerdir=/a::/b,metacopy=on,redirect_dir=on", "/m"}), HasSubstr("'::'"));
}

TEST(Options, UnknownOnesAreToldAndIgnored) {
  const Options options = good({"-s", "-o", "lowerdir=/a,metacopy=on,nfs_export=off,userxattr,rw,max_write=4", "/m", "--odd"});

  EXPECT_THAT(options.ignored, ElementsAre("-s", "metacopy=on", "nfs_export=off", "userxattr", "rw", "max_write=4", "--odd"));
}

TEST(Options, ThoseThatNewerHelpersRefuseAreLeftOut) {
  const Options options = good({"-o", "lowerdir=/a,atime,diratime,nodiratime,kernel_cache,splice_read", "/m"}, false);

  EXPECT_THAT(options.ignored, IsEmpty());
  EXPECT_THAT(options.mount_options, ElementsAre("default_permissions", "noatime"));
}

TEST(Options, TheCallersWordStandsAgainstTheDefaults) {
  EXPECT_THAT(good({"-o", "lowerdir=/a,nosuid", "/m"}).mount_options, Not(Contains("suid")));
  EXPECT_THAT(good({"-o", "lowerdir=/a,allow_root", "/m"}).mount_options, Not(Contains("allow_other")));
}

TEST(Options, MapIdsAsContainersStorageWritesThem) {
  // The leading colon is really there.
  const Options options =
      good({"-o", "lowerdir=/a,uidmapping=:0:100000:1000:1000:5:1,gidmapping=0:7:1", "/m"});

  EXPECT_EQ(options.owners.uids.shown(0), 100000U);
  EXPECT_EQ(options.owners.uids.shown(1000), 5U);
  EXPECT_EQ(options.owners.uids.on_disk(100999), 999U);
  EXPECT_EQ(options.owners.gids.shown(0), 7U);
  EXPECT_EQ(options.owners.gids.shown(1), kOverflowId);
  EXPECT_THAT(options.ignored, IsEmpty());
}

TEST(Options, KeepPermissionsAside) {
  EXPECT_EQ(good({"-o", "lowerdir=/a,xattr_permissions=0", "/m"}).permissions, OverrideMode::none);
  EXPECT_EQ(good({"-o", "lowerdir=/a,xattr_permissions=1", "/m"}).permissions, OverrideMode::privileged);
  EXPECT_EQ(good({"-o", "lowerdir=/a,xattr_permissions=2", "/m"}).permissions, OverrideMode::containers);
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,xattr_permissions=3", "/m"}), HasSubstr("xattr_permissions=3"));
}

TEST(Options, OfInodeNumbersAndRedirects) {
  EXPECT_TRUE(good({"-o", "lowerdir=/a,ino32_t", "/m"}).narrow_inos);
  EXPECT_FALSE(good({"-o", "lowerdir=/a", "/m"}).narrow_inos);
  EXPECT_TRUE(good({"-o", "lowerdir=/a,redirect_dir=on", "/m"}).redirect_dir);
  for (const char* option : {"redirect_dir=off", "redirect_dir=nofollow", "redirect_dir=follow", "xino=off", "xino=auto", "xino=on"}) {
    const Options options = good({"-o", fmt::format("lowerdir=/a,{}", option), "/m"});
    EXPECT_FALSE(options.redirect_dir) << option;
    EXPECT_THAT(options.ignored, IsEmpty()) << option;
  }
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,redirect_dir=maybe", "/m"}), HasSubstr("redirect_dir=maybe"));
  const auto follow = [](const char* word) { return good({"-o", fmt::format("lowerdir=/a,redirect_dir={}", word), "/m"}).follow; };
  EXPECT_EQ(good({"-o", "lowerdir=/a", "/m"}).follow, FollowMarks::privileged);
  EXPECT_EQ(follow("off"), FollowMarks::privileged);
  EXPECT_EQ(follow("nofollow"), FollowMarks::none);
  EXPECT_EQ(follow("follow"), FollowMarks::all);
  EXPECT_EQ(follow("on"), FollowMarks::all);
  EXPECT_TRUE(good({"-o", "lowerdir=/a,index=on", "/m"}).index);
  EXPECT_FALSE(good({"-o", "lowerdir=/a,index=on,index=off", "/m"}).index);
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,index=1", "/m"}), HasSubstr("index=1: off or on was expected"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,xino=maybe", "/m"}), HasSubstr("xino=maybe"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,fast_ino=maybe", "/m"}), HasSubstr("fast_ino=maybe"));
}

TEST(Options, PluginsAreRefusedAndNotSkipped) {
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,plugins=/p.so", "/m"}), HasSubstr("there are no plugins"));
  EXPECT_THAT(good({"-o", "lowerdir=//tar/offset=512/a.tar,plugins=", "/m"}).lowers, ElementsAre("//tar/offset=512/a.tar"));
}

TEST(Options, ParticularIdsGoBeforeSquashingToRoot) {
  EXPECT_FALSE(good({"-o", "lowerdir=/a,squash_to_uid=-1", "/m"}).owners.squash_uid);
  EXPECT_EQ(good({"-o", "lowerdir=/a,squash_to_root", "/m"}).owners.squash_gid, 0U);
  const Options options = good({"-o", "lowerdir=/a,squash_to_uid=1000,squash_to_root", "/m"});
  EXPECT_EQ(options.owners.squash_uid, 1000U);
  EXPECT_EQ(options.owners.squash_gid, 0U);
}

TEST(Options, AMappingThatIsNoneIsCalledSo) {
  for (const char* mapping : {"1:2", "a:b:c", "0:1:2:3", "", "0::1", "0:1:-5", "0:1:99999999999"})
    EXPECT_EQ(words_of({"-o", fmt::format("lowerdir=/a,uidmapping={}", mapping), "/m"}),
              fmt::format("invalid mapping specified: {}", mapping));
}

TEST(Options, SayWhatIsMissing) {
  EXPECT_THAT(words_of({"/m"}), HasSubstr("lowerdir"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a"}), HasSubstr("mountpoint"));
  EXPECT_THAT(words_of({"-o", "lowerdir=/a,upperdir=/u", "/m"}), HasSubstr("workdir not specified"));
  EXPECT_THAT(words_of({"/m", "-o"}), HasSubstr("-o"));
}

TEST(Options, HelpAndVersionNeedNothingElse) {
  EXPECT_TRUE(good({"-h"}).help);
  EXPECT_TRUE(good({"--version"}).version);
  EXPECT_TRUE(good({"-V"}).version);
  EXPECT_THAT(usage("fuse-overlayfs"), HasSubstr("usage: fuse-overlayfs"));
}

TEST(Options, DebuggingStaysInTheForeground) {
  EXPECT_TRUE(good({"-d", "-o", "lowerdir=/a", "/m"}).foreground);
  EXPECT_TRUE(good({"-o", "lowerdir=/a,debug", "/m"}).foreground);
  EXPECT_TRUE(good({"-v", "-o", "lowerdir=/a", "/m"}).verbose);
}

TEST(Options, AfterTwoDashesEverythingIsAPath) {
  EXPECT_EQ(good({"-o", "lowerdir=/a", "--", "-m"}).mountpoint, "-m");
}

}  // namespace
}  // namespace acetate::fs
