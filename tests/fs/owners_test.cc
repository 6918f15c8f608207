// Ids on disk and ids users see: uidmapping, gidmapping, squash_to_*.
#include "fs/owners.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/owner_note.h"
#include "layers/override_stat.h"
#include "tests/fs/overlay_fixture.h"

namespace acetate::fs {
namespace {

const std::vector<MemoryEntry> kNothingBelow;

OverlayOptions mapping(std::string_view uids, std::string_view gids) {
  return {.durable = false, .owners = {.uids = *IdMap::parse(uids), .gids = *IdMap::parse(gids)}};
}

MemoryEntry owned(std::string path, uid_t uid, gid_t gid) {
  MemoryEntry entry = memory_file(std::move(path), "text");
  entry.attr.uid = uid;
  entry.attr.gid = gid;
  return entry;
}

struct stat on_disk(const Mounted& m, const std::string& path) {
  struct stat st {};
  EXPECT_EQ(::lstat((m.dir() / ("upper/" + path)).c_str(), &st), 0) << path;
  return st;
}

// A version, then (tag, permissions, id) of each entry: user::rw-, user:ID:r--, group::r--, mask::r--, other::r--.
std::string acl_for(std::uint32_t uid) {
  std::string acl("\2\0\0\0", 4);
  const auto add = [&](std::uint16_t tag, std::uint16_t permissions, std::uint32_t id) {
    acl.append(reinterpret_cast<const char*>(&tag), 2).append(reinterpret_cast<const char*>(&permissions), 2);
    acl.append(reinterpret_cast<const char*>(&id), 4);
  };
  add(0x01, 6, 0xffffffff);
  add(0x02, 4, uid);
  add(0x04, 4, 0xffffffff);
  add(0x10, 4, 0xffffffff);
  add(0x20, 4, 0xffffffff);
  return acl;
}

TEST(Owners, OfTheLowerAreShownThroughTheMap) {
  Mounted m({owned("a", 0, 5), owned("b", 70000, 0)}, mapping("0:100000:65536", "0:200000:65536"));

  EXPECT_EQ(m.attr("a").uid, 100000U);
  EXPECT_EQ(m.attr("a").gid, 200005U);
  EXPECT_EQ(m.attr("b").uid, kOverflowId);  // no range has it
}

TEST(Owners, OfNewObjectsAreMappedBack) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  Mounted m(kNothingBelow, mapping("0:100000:65536", "0:200000:65536"));
  m.caller = {.uid = 100007, .gid = 200008};

  ASSERT_TRUE(m.write("f", "x"));
  ASSERT_TRUE(m.mkdir("d"));
  ASSERT_TRUE(m.symlink("l", "f"));

  for (const char* name : {"f", "d", "l"}) {
    EXPECT_EQ(on_disk(m, name).st_uid, 7U) << name;
    EXPECT_EQ(on_disk(m, name).st_gid, 8U) << name;
    EXPECT_EQ(m.attr(name).uid, 100007U) << name;
    EXPECT_EQ(m.attr(name).gid, 200008U) << name;
  }
}

TEST(Owners, CopyUpKeepsThemOnDiskAndChownMapsThem) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  Mounted m({owned("a", 3, 4)}, mapping("0:100000:65536", "0:100000:65536"));

  ASSERT_TRUE(m.chmod("a", 0600));
  EXPECT_EQ(on_disk(m, "a").st_uid, 3U);
  EXPECT_EQ(on_disk(m, "a").st_gid, 4U);
  const auto changed = m.overlay().setattr(m.ino("a"), {.uid = 100042}, {});
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->uid, 100042U);
  EXPECT_EQ(on_disk(m, "a").st_uid, 42U);
  EXPECT_EQ(on_disk(m, "a").st_gid, 4U);
}

TEST(Owners, InAccessControlListsAreMappedToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: the list names another user";
  Mounted m(kNothingBelow, mapping("0:100000:65536", "0:100000:65536"));
  m.caller = {.uid = 100000, .gid = 100000};
  ASSERT_TRUE(m.write("f", "x"));

  auto set = m.overlay().setxattr(m.ino("f"), "system.posix_acl_access", acl_for(100009), 0, false);
  if (!set && set.error().is(ENOTSUP)) GTEST_SKIP() << "no ACLs on this file system";
  ASSERT_TRUE(set) << set.error().message();

  EXPECT_EQ(*m.overlay().getxattr(m.ino("f"), "system.posix_acl_access"), acl_for(100009));
  const Fd file = *sys::open(m.dir() / "upper/f", O_RDONLY);
  EXPECT_EQ(*sys::get_xattr(file.ref(), "system.posix_acl_access"), acl_for(9));
}

TEST(Owners, SquashedOnesSeemToBeOneAndAFailedChownIsNone) {
  Mounted m({owned("a", 3, 4)}, {.durable = false, .owners = {.squash_uid = 1000, .squash_gid = 1001}});

  EXPECT_EQ(m.attr("a").uid, 1000U);
  EXPECT_EQ(m.attr("a").gid, 1001U);
  EXPECT_TRUE(m.overlay().setattr(m.ino("a"), {.uid = 5, .gid = 6}, {}));
  EXPECT_EQ(m.attr("a").uid, 1000U);
  if (::geteuid() == 0) {
    EXPECT_EQ(on_disk(m, "a").st_uid, 5U);  // where it may be done it is
  }
}

TEST(Owners, SquashingForgivesThatAChownIsRefusedAndNothingElse) {
  struct NoChown final : sys::Hook {
    explicit NoChown(int errno_code) : code(errno_code) { sys::install(this); }
    ~NoChown() override { sys::install(nullptr); }
    int before(sys::Call call) noexcept override { return call == sys::Call::fchownat ? code : 0; }
    const int code;
  };
  const OverlayOptions squashing{.durable = false, .owners = {.squash_uid = 1000, .squash_gid = 1001}};
  for (const int refused : {EPERM, EINVAL, EOVERFLOW, EOPNOTSUPP}) {
    Mounted m({owned("a", 3, 4), owned("b", 3, 4)}, squashing);
    m.caller = {.uid = 5, .gid = 6};
    const NoChown refusing(refused);
    EXPECT_EQ(code(m.chmod("a", 0600)), 0) << refused;
    EXPECT_EQ(code(m.overlay().setattr(m.ino("b"), {.uid = 5}, {})), 0) << refused;
    EXPECT_EQ(code(m.write("new", "x")), 0) << refused;
  }
  for (const int failed : {EIO, ENOSPC, EDQUOT, ENOMEM, EROFS}) {
    Mounted m({owned("a", 3, 4), owned("b", 3, 4)}, squashing);
    m.caller = {.uid = 5, .gid = 6};
    const NoChown failing(failed);
    EXPECT_EQ(code(m.chmod("a", 0600)), failed);
    EXPECT_EQ(code(m.overlay().setattr(m.ino("b"), {.uid = 5}, {})), failed);
    EXPECT_EQ(code(m.write("new", "x")), failed);
    EXPECT_EQ(m.merged(), (Tree{{"a", "text"}, {"b", "text"}}));
  }
}

TEST(Owners, NumbersOf32BitsAreTheSameInStatAndListing) {
  Mounted m({memory_file("a", "x"), memory_file("d/b", "y")}, {.durable = false, .narrow_inos = true});
  ASSERT_TRUE(m.write("c", "z"));

  std::size_t seen = 0;
  ASSERT_TRUE(m.overlay().readdir(Ino::root, 0, [&](const ListedEntry& entry) {
    EXPECT_LE(entry.ino, 0xffffffffU);
    EXPECT_LE(entry.cookie, 0x7fffffffU);  // an offset that programs keep in 32 bits
    if (entry.name == "." || entry.name == "..") return true;
    EXPECT_EQ(entry.ino, m.attr(std::string(entry.name)).ino) << entry.name;
    ++seen;
    return true;
  }));
  EXPECT_EQ(seen, 3U);
}

TEST(IdMap, WithoutRangesChangesNothing) {
  const IdMap map;
  EXPECT_EQ(map.shown(5), 5U);
  EXPECT_EQ(map.on_disk(5), 5U);
  EXPECT_TRUE(map.empty());
}

TEST(IdMap, RangesAtTheEndOfAllIdsDoNotWrap) {
  const IdMap map = *IdMap::parse("4294967290:10:5");
  EXPECT_EQ(map.shown(4294967294U), 14U);
  EXPECT_EQ(map.shown(4294967295U), kOverflowId);
  EXPECT_EQ(map.on_disk(15), kOverflowId);
}

// --- owners that nobody can give

const OverlayOptions kNoted{.durable = false, .owners = {.squash_uid = 0, .squash_gid = 0}, .note_owners = true};

std::string noted(const Mounted& m, const std::string& path) {
  const std::string full = m.dir() / ("upper/" + path);
  const auto value = sys::get_xattr(FileAt{kWorkingDir, full.c_str()}, override_xattr(OverrideMode::user).data());
  return value ? *value : value.error().message();
}

TEST(NotedOwners, AreKeptBesideTheFileAndShownToNobody) {
  Mounted m({owned("a", 3, 4)}, kNoted);
  ASSERT_EQ(code(m.overlay().note_owner(m.ino("a"), 33, std::nullopt)), 0);
  EXPECT_EQ(noted(m, "a"), "33:4:0644:file");
  ASSERT_EQ(code(m.overlay().note_owner(m.ino("a"), std::nullopt, 34)), 0);
  EXPECT_EQ(noted(m, "a"), "33:34:0644:file");
  EXPECT_EQ(m.attr("a").uid, 0U);
  // All else is in the file itself, and a mode in both.
  ASSERT_EQ(code(m.chmod("a", 0751)), 0);
  EXPECT_EQ(on_disk(m, "a").st_mode, S_IFREG | 0751U);
  EXPECT_EQ(noted(m, "a"), "33:34:0751:file");
}

// As mv(1) does from one file system to another: a directory that nobody else may enter, its owner, and at last its mode as a list of who has access.
TEST(NotedOwners, GoWithTheModeThatAnAccessControlListSets) {
  Mounted m({owned("a", 3, 4)}, kNoted);
  ASSERT_EQ(code(m.chmod("a", 0700)), 0);
  ASSERT_EQ(code(m.overlay().note_owner(m.ino("a"), 33, 34)), 0);
  // user::rwx group::r-x other::r-x
  const std::string list("\2\0\0\0" "\1\0\7\0\377\377\377\377" "\4\0\5\0\377\377\377\377" "\40\0\5\0\377\377\377\377", 28);
  auto set = m.overlay().setxattr(m.ino("a"), "system.posix_acl_access", list, 0, false);
  if (!set && set.error().is(ENOTSUP)) GTEST_SKIP() << "no ACLs on this file system";
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_EQ(on_disk(m, "a").st_mode, S_IFREG | 0755U);
  EXPECT_EQ(noted(m, "a"), "33:34:0755:file");
}

TEST(NotedOwners, OfTheLowerAreKeptWhenItIsCopied) {
  Mounted m({owned("a", 3, 4), owned("b", ::geteuid(), ::getegid())}, kNoted);
  ASSERT_EQ(code(m.chmod("a", 0600)), 0);
  ASSERT_EQ(code(m.chmod("b", 0600)), 0);
  ASSERT_TRUE(m.write("new", "x"));
  EXPECT_EQ(noted(m, "a"), "3:4:0600:file");
  for (const char* ours : {"b", "new"}) EXPECT_EQ(noted(m, ours), Error(ENODATA).message()) << ours;
}

TEST(NotedOwners, TakeSuidAwayAsEveryChownDoes) {
  Mounted m({owned("a", 3, 4)}, kNoted);
  ASSERT_EQ(code(m.chmod("a", 06755)), 0);
  ASSERT_EQ(code(m.overlay().note_owner(m.ino("a"), 33, 33)), 0);
  EXPECT_EQ(m.attr("a").mode & 07777, 0755U);
}

TEST(NotedOwners, AreTakenNowhereElse) {
  for (const OverlayOptions& options : {OverlayOptions{.durable = false}, OverlayOptions{.durable = false, .owners = kNoted.owners, .permissions = OverrideMode::user}}) {
    Mounted m({owned("a", 3, 4)}, options);
    EXPECT_EQ(code(m.overlay().note_owner(m.ino("a"), 33, 33)), ENOTSUP);
  }
}

TEST(OwnerNote, IsWrittenAndReadAgain) {
  for (const OwnerNote& note : {OwnerNote{}, OwnerNote{.uid = 0}, OwnerNote{.gid = 7}, OwnerNote{.uid = 4294967294, .gid = 1}})
    EXPECT_EQ(parse_owner_note(format_owner_note(note)), note);
  EXPECT_EQ(override_xattr(OverrideMode::user), kKeptOwner);
  for (const char* none : {"", "1", "1:2:3", "a:", ":-1", "4294967295:", " 1:"}) EXPECT_FALSE(parse_owner_note(none)) << none;
}

}  // namespace
}  // namespace acetate::fs
