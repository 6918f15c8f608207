#include "cli/run_mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>


namespace acetate::cli {
namespace {

using ::testing::ElementsAre;
using Kind = sandbox::MountPoint::Kind;

const MountContext kHere{.working_dir = "/here", .volumes_dir = "/volumes"};

sandbox::MountPoint volume(const std::string& text) {
  RunMounts all;
  const auto added = add_volume(text, kHere, all);
  EXPECT_TRUE(added) << added.error().message();
  return all.mounts.empty() ? sandbox::MountPoint{} : all.mounts[0];
}

sandbox::MountPoint mount(const std::string& text) {
  RunMounts all;
  const auto added = add_mount(text, kHere, all);
  EXPECT_TRUE(added) << added.error().message();
  return all.mounts.empty() ? sandbox::MountPoint{} : all.mounts[0];
}

TEST(RunVolume, IsSourceTargetAndOptions) {
  EXPECT_EQ(volume("/a:/b").source, "/a");
  EXPECT_EQ(volume("/a:/b").target, "/b");
  EXPECT_TRUE(volume("/a:/b").writable);
  EXPECT_FALSE(volume("/a:/b:ro").writable);
  EXPECT_FALSE(volume("/a:/b:z,ro").writable);
  EXPECT_EQ(volume("./a:/b").source, "/here/./a");
  EXPECT_THAT(volume("/a:/b:noexec,rslave").options, ElementsAre("noexec", "rslave"));
}

TEST(RunVolume, OverWhichIsWrittenStaysAsItIs) {
  RunMounts all;
  ASSERT_TRUE(add_volume("/a:/b:O", kHere, all));
  ASSERT_TRUE(add_volume("data:/c:O", kHere, all));

  EXPECT_THAT(all.overlaid, ElementsAre(RunMounts::Overlaid{"/a", "/b"}, RunMounts::Overlaid{"/volumes/data", "/c"}));
  EXPECT_THAT(all.mounts, ElementsAre());
  for (const char* text : {"/a:/b:O,ro", "/a:/b:O,U", "/a:/b:noexec,O"}) EXPECT_FALSE(add_volume(text, kHere, all)) << text;
}

TEST(RunVolume, IsGivenToTheContainersUserWhereThatIsAskedFor) {
  RunMounts all;
  ASSERT_TRUE(add_volume("/a:/b:U,ro", kHere, all));
  ASSERT_TRUE(add_volume("data:/c:U", kHere, all));
  ASSERT_TRUE(add_mount("type=bind,source=/d,target=/e,U", kHere, all));
  ASSERT_TRUE(add_mount("type=bind,source=/f,target=/g,chown=true", kHere, all));
  ASSERT_TRUE(add_mount("type=bind,source=/h,target=/i,U=false", kHere, all));

  EXPECT_THAT(all.given, ElementsAre("/a", "/volumes/data", "/d", "/f"));
  EXPECT_FALSE(add_mount("type=tmpfs,target=/t,U", kHere, all));
  EXPECT_FALSE(add_mount("type=bind,source=/a,target=/z,chown=wibble", kHere, all));
}

TEST(RunVolume, IsAsConsistentAsItIsWhateverIsAskedFor) {
  for (const char* option : {"cached", "delegated", "consistent"}) {
    EXPECT_FALSE(volume(fmt::format("/a:/b:{},ro", option)).writable);
    EXPECT_THAT(volume(fmt::format("/a:/b:{}", option)).options, ElementsAre());
    EXPECT_THAT(mount(fmt::format("type=bind,source=/a,target=/b,consistency={}", option)).options, ElementsAre());
  }
  RunMounts all;
  EXPECT_FALSE(add_mount("type=bind,source=/a,target=/b,consistency=wibble", kHere, all));
}

TEST(RunVolume, WithoutASlashIsADirectoryOfOursByThatName) {
  RunMounts all;
  ASSERT_TRUE(add_volume("data:/b", kHere, all));

  EXPECT_EQ(all.mounts[0].source, "/volumes/data");
  EXPECT_THAT(all.volumes, ElementsAre(NamedVolume{.dir = "/volumes/data", .target = "/b"}));
}

TEST(RunVolume, BeginsWithWhatTheImageHasUnlessToldOtherwise) {
  RunMounts all;
  for (const char* text : {"one:/a:ro", "two:/b:nocopy,ro", "/outside:/c"}) ASSERT_TRUE(add_volume(text, kHere, all));
  for (const char* text : {"source=three,target=/d,volume-nocopy", "type=bind,source=/x,target=/e"}) ASSERT_TRUE(add_mount(text, kHere, all));

  EXPECT_THAT(all.volumes, ElementsAre(NamedVolume{"/volumes/one", "/a", true}, NamedVolume{"/volumes/two", "/b", false},
                                       NamedVolume{"/volumes/three", "/d", false}));
  RunMounts none;
  EXPECT_FALSE(add_volume("/outside:/c:nocopy", kHere, none)) << "there is nothing of ours to fill";
}

TEST(RunVolume, WithoutASourceIsADirectoryOfTheWritableLayer) {
  RunMounts all;
  ASSERT_TRUE(add_volume("/data", kHere, all));
  ASSERT_TRUE(add_mount("type=volume,target=/more", kHere, all));

  EXPECT_THAT(all.unnamed, ElementsAre("/data", "/more"));
  EXPECT_TRUE(all.mounts.empty());
}

TEST(RunVolume, OfAnotherShapeIsRefused) {
  for (const char* text : {"", ":", "/a:", "a", ":/b", "/a:b", "/a:/b:wibble", "/a:/b:ro:rw", "a b:/c", "-x:/c"}) {
    RunMounts all;
    EXPECT_FALSE(add_volume(text, kHere, all)) << text;
  }
}

TEST(RunMount, IsByKeysAndValues) {
  EXPECT_EQ(mount("type=bind,source=/a,target=/b,ro").source, "/a");
  EXPECT_FALSE(mount("type=bind,src=/a,dst=/b,readonly").writable);
  EXPECT_TRUE(mount("type=bind,src=/a,dst=/b,ro=false").writable);
  EXPECT_THAT(mount("type=bind,src=/a,dst=/b,bind-propagation=rslave").options, ElementsAre("rslave"));
  EXPECT_EQ(mount("source=data,target=/b").source, "/volumes/data");
  EXPECT_EQ(mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700").size, 1U << 20);
  EXPECT_EQ(mount("type=tmpfs,target=/t").kind, Kind::tmpfs);
}

TEST(RunMount, OfAnImageIsToldApart) {
  RunMounts all;
  ASSERT_TRUE(add_mount("type=image,source=tools,target=/opt", kHere, all));

  ASSERT_EQ(all.images.size(), 1U);
  EXPECT_EQ(all.images[0].image, "tools");
  EXPECT_FALSE(all.images[0].writable);
}

TEST(RunMount, OfAnImageIsWritableWhereThatIsAskedForAndNotByItsName) {
  RunMounts all;
  ASSERT_TRUE(add_mount("type=image,source=/srv/rw/forward.tar,target=/opt", kHere, all));
  ASSERT_TRUE(add_mount("type=image,source=tools,target=/opt,rw", kHere, all));
  ASSERT_TRUE(add_mount("type=image,source=tools,target=/opt,rw=false", kHere, all));

  EXPECT_FALSE(all.images[0].writable);
  EXPECT_TRUE(all.images[1].writable);
  EXPECT_FALSE(all.images[2].writable);
}

TEST(RunMount, OfAnotherShapeIsRefused) {
  for (const char* text : {"", "type=bind,source=/a", "type=wibble,target=/b", "type=bind,source=a,target=/b", "type=bind,source=/a,target=b", "type=bind,source=/a,target=/b,wibble"}) {
    RunMounts all;
    EXPECT_FALSE(add_mount(text, kHere, all)) << text;
  }
}

TEST(RunMounts, OfAReadOnlyRootLeaveTmpWritableUnlessSomethingIsThere) {
  RunOptions options;
  options.read_only = true;
  options.volumes = {"/data:/tmp"};
  std::vector<std::string> targets;
  const auto described = describe_mounts(options, kHere);
  for (const auto& each : described->mounts) targets.push_back(each.target);

  EXPECT_THAT(targets, ElementsAre("/tmp", "/run", "/var/tmp"));
}

TEST(RunMounts, AreRefusedWhereTwoWantOnePlace) {
  const auto complaint = [](const RunOptions& options) {
    const auto all = describe_mounts(options, kHere);
    return all ? "" : all.error().message();
  };
  EXPECT_EQ(complaint({.volumes = {"/a:/run"}, .tmpfs = {"/run/"}}), "duplicate mount point: /run");
  EXPECT_EQ(complaint({.volumes = {"/a:/run/./x"}, .mounts = {"type=image,source=i,target=/run//x"}}), "duplicate mount point: /run/x");
  EXPECT_EQ(complaint({.volumes = {"/a:/data", "/data", "/data", "/a:/run", "/a:/run/a"}, .tmpfs = {"/"}}), "");
}

TEST(RunMounts, AreOurSharedMemoryAndQueuesWithOurIpc) {
  const auto shown = [](const RunOptions& options) {
    const auto all = describe_mounts(options, kHere);
    std::vector<std::string> sources;
    for (const auto& mount : all->mounts)
      if (mount.target.starts_with("/dev/shm")) sources.push_back(mount.source);
    return sources;
  };
  EXPECT_THAT(shown({.ipc = "host"}), ElementsAre("/dev/shm"));
  EXPECT_THAT(shown({.volumes = {"/mine:/dev/shm/"}, .ipc = "host"}), ElementsAre("/mine"));
  EXPECT_THAT(shown({.ipc = "private"}), ElementsAre());
}

TEST(RunMounts, AreMadeAboveWhatTheyWouldHide) {
  std::vector<sandbox::MountPoint> mounts;
  for (const char* target : {"/tmp/a/b", "/z", "/tmp//c/", "/tmp", "/a"}) mounts.push_back({.source = {}, .target = target});

  order_mounts(mounts);

  std::vector<std::string> targets;
  for (const auto& each : mounts) targets.push_back(each.target);
  EXPECT_THAT(targets, ElementsAre("/z", "/tmp", "/a", "/tmp//c/", "/tmp/a/b"));
}

TEST(RunMounts, HaveTmpfsWithOptions) {
  RunOptions options;
  options.tmpfs = {"/scratch:size=64k,mode=0700,ro"};
  const auto all = describe_mounts(options, kHere);

  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(all->mounts[0].target, "/scratch");
  EXPECT_EQ(all->mounts[0].size, 64U << 10);
  EXPECT_FALSE(all->mounts[0].writable);
  EXPECT_THAT(all->mounts[0].options, ElementsAre("mode=0700", "tmpcopyup"));
}

TEST(RunMounts, HaveATmpfsThatBeginsEmptyWhenAsked) {
  RunOptions options;
  options.tmpfs = {"/scratch:notmpcopyup"};
  options.mounts = {"type=tmpfs,target=/other,notmpcopyup", "type=tmpfs,target=/third"};
  const auto all = describe_mounts(options, kHere);

  ASSERT_TRUE(all) << all.error().message();
  EXPECT_THAT(all->mounts[0].options, ElementsAre());
  EXPECT_THAT(all->mounts[1].options, ElementsAre("tmpcopyup"));
  EXPECT_THAT(all->mounts[2].options, ElementsAre());
}

TEST(RunDevice, IsAPathOrAName) {
  RunOptions options;
  options.devices = {"/dev/fuse", "/dev/kvm:/dev/mine:rw", "/dev/null:r", "nvidia.com/gpu=all"};
  const auto all = describe_mounts(options, kHere);

  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(all->devices[0].target, "/dev/fuse");
  EXPECT_EQ(all->devices[1].target, "/dev/mine");
  EXPECT_EQ(all->devices[1].access, "rw");
  EXPECT_EQ(all->devices[2].access, "r");
  EXPECT_THAT(all->cdi_devices, ElementsAre("nvidia.com/gpu=all"));
  for (const char* text : {"fuse", "/dev/a:b", "/dev/a:/dev/b:rw:x"}) {
    options.devices = {text};
    EXPECT_FALSE(describe_mounts(options, kHere)) << text;
  }
}

TEST(ImageVolumes, GiveWayToWhatWasAskedForAndToTheContainersOwn) {
  const std::vector<std::string> declared = {"/data/", "/free", "/proc", "/sys/fs/cgroup", "/device"};
  for (const char* how : {"bind", "tmpfs", "ignore"}) {
    RunMounts all;
    ASSERT_TRUE(add_volume("/mine:/data", kHere, all));
    add_image_volumes(declared, how, all);
    std::vector<std::string> mounted;
    for (const auto& one : all.mounts) mounted.push_back(one.target);
    if (how == std::string_view("tmpfs")) EXPECT_THAT(mounted, ElementsAre("/data", "/free", "/device"));
    else EXPECT_THAT(mounted, ElementsAre("/data"));
    if (how == std::string_view("bind")) EXPECT_THAT(all.unnamed, ElementsAre("/free", "/device"));
    else EXPECT_THAT(all.unnamed, ElementsAre());
  }
}

}  // namespace
}  // namespace acetate::cli
