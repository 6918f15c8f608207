// COPY from trees in memory onto trees in memory: what lands where, and what stands in the way.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "builder/context_file.h"
#include "builder/context_layer.h"
#include "builder/copy_tree.h"
#include "builder/stage_state.h"
#include "builder/tarball.h"
#include "layers/memory_layer.h"
#include "layers/stack.h"
#include "tests/support/temp_dir.h"

namespace acetate::build {
namespace {

LayerPtr tree(std::vector<MemoryEntry> entries) { return *make_stack({*make_memory_layer(std::move(entries))}); }

const TarOpener kNoTars = [](const RelPath&) { return std::optional<LayerPtr>(); };

// What a COPY would write: "mkdir a 755", "replace a/b 644", one line an operation.
std::string planned(const CopyStep& step, const LayerPtr& from, const LayerPtr& onto, CopyRules rules = {}) {
  const auto sources = collect_sources(step, from, kNoTars);
  if (!sources) return "error: " + sources.error().message();
  const LayerView view(*onto);
  DeltaPlan plan(view);
  StepClock clock(TimeRule{}, 0);
  if (auto done = plan_copy(step, *sources, rules, clock, plan); !done) return "error: " + done.error().message();
  std::string out;
  for (const auto& [path, item] : plan.ops()) {
    using Kind = DeltaOp::Kind;
    const auto kind = item.op.kind;
    const std::string_view name = kind == Kind::replace ? "replace" : kind == Kind::mkdir ? "mkdir"
                                  : kind == Kind::set_metadata ? "metadata" : kind == Kind::hardlink ? "link" : "parent";
    out += fmt::format("{} {} {:o}", name, path.str(), item.op.attr.mode & 07777);
    if (item.op.attr.uid != 0 || item.op.attr.gid != 0) out += fmt::format(" {}:{}", item.op.attr.uid, item.op.attr.gid);
    if (kind == Kind::hardlink) out += " to " + item.op.link_to.str();
    if (!item.op.target.empty()) out += " -> " + item.op.target;
    out += "\n";
  }
  return out;
}

CopyStep copy(std::vector<std::string> sources, std::string dest) { return {.sources = std::move(sources), .dest = std::move(dest)}; }

const LayerPtr kEmpty = tree({});
const LayerPtr kContext = tree({memory_file("a.c", "a", 0600), memory_file("b.c", "b"), memory_dir("d", 0700), memory_file("d/x", "x"),
                                memory_dir("d/sub", 0750), memory_file("d/sub/y", "y", 0755), memory_symlink("d/l", "x"),
                                memory_symlink("link", "d/x")});

TEST(Copy, PutsAFileUnderItsNewName) { EXPECT_EQ(planned(copy({"a.c"}, "/x/y"), kContext, kEmpty), "mkdir x 755\nreplace x/y 600\n"); }

TEST(Copy, PutsAFileIntoADirectoryThatIsThereOrMeant) {
  EXPECT_EQ(planned(copy({"a.c"}, "/x/"), kContext, kEmpty), "mkdir x 755\nreplace x/a.c 600\n");
  EXPECT_EQ(planned(copy({"a.c"}, "/x"), kContext, tree({memory_dir("x", 0711)})), "parent x 711\nreplace x/a.c 600\n");
  EXPECT_EQ(planned(copy({"a.c"}, "/"), kContext, kEmpty), "replace a.c 600\n");
}

TEST(Copy, PutsWhatIsInADirectoryAndNotTheDirectory) {
  EXPECT_EQ(planned(copy({"d"}, "/t"), kContext, kEmpty),
            "mkdir t 755\nreplace t/l 777 -> x\nmkdir t/sub 750\nreplace t/sub/y 755\nreplace t/x 644\n");
}

TEST(Copy, ChangesTheMetadataOfDirectoriesThatAreThere) {
  EXPECT_EQ(planned(copy({"d"}, "/t/"), kContext, tree({memory_dir("t", 0711), memory_dir("t/sub", 0777)})),
            "parent t 711\nreplace t/l 777 -> x\nmetadata t/sub 750\nreplace t/sub/y 755\nreplace t/x 644\n");
}

TEST(Copy, FollowsSymlinksOfTheDestinationInsideTheRoot) {
  const LayerPtr root = tree({memory_symlink("t", "../../real/here"), memory_dir("real")});
  EXPECT_EQ(planned(copy({"a.c"}, "/t/z"), kContext, root), "parent real 755\nmkdir real/here 755\nreplace real/here/z 600\n");
}

TEST(Copy, MergedOntoWhatIsThereFollowsNoSymlinkOfIt) {
  const LayerPtr root = tree({memory_symlink("t", "real"), memory_dir("real"), memory_dir("d", 0700), memory_symlink("d/f", "/real/f")});
  const LayerView view(*root);
  const DirectoriesOnly merged(view);
  StepClock clock(TimeRule{}, 0);
  std::string out;
  for (const char* dest : {"/t/z", "/d/f"}) {
    DeltaPlan plan(merged);
    const CopyStep step = copy({"a.c"}, dest);
    ASSERT_TRUE(plan_copy(step, *collect_sources(step, kContext, kNoTars), {}, clock, plan));
    for (const auto& [path, item] : plan.ops()) out += fmt::format("{} {:o}{}\n", path.str(), item.op.attr.mode, item.op.kind == DeltaOp::Kind::implicit_dir ? " as it is" : "");
  }
  EXPECT_EQ(out, "t 40755\nt/z 100600\nd 40700 as it is\nd/f 100600\n");
}

TEST(Copy, FollowsASymlinkThatIsItselfASource) { EXPECT_EQ(planned(copy({"link"}, "/"), kContext, kEmpty), "replace link 644\n"); }

TEST(Copy, MatchesWildcardsInOrder) {
  EXPECT_EQ(planned(copy({"*.c"}, "/s/"), kContext, kEmpty), "mkdir s 755\nreplace s/a.c 600\nreplace s/b.c 644\n");
  EXPECT_EQ(planned(copy({"d*/s?b/[xyz]"}, "/s/"), kContext, kEmpty), "mkdir s 755\nreplace s/y 755\n");
  EXPECT_EQ(planned(copy({"*.none"}, "/s/"), kContext, kEmpty), "");
}

TEST(Copy, PutsSeveralSourcesIntoADirectoryThatIsThere) {
  EXPECT_EQ(planned(copy({"a.c", "b.c"}, "/t"), kContext, tree({memory_dir("t")})), "parent t 755\nreplace t/a.c 600\nreplace t/b.c 644\n");
}

TEST(Copy, KeepsWhatFollowsThePivotAlsoWhereWildcardsStandBeforeIt) {
  const LayerPtr deep = tree({memory_dir("a"), memory_dir("a/b1"), memory_dir("a/b1/c"), memory_file("a/b1/c/x", ""), memory_dir("a/b2"),
                              memory_dir("a/b2/c"), memory_dir("a/b2/c/d"), memory_file("a/b2/c/d/y", "")});
  const auto parents = [&](const char* pattern) {
    CopyStep step = copy({pattern}, "/o/");
    step.parents = true;
    return planned(step, deep, kEmpty);
  };
  EXPECT_EQ(parents("a/b*/./c/x"), "mkdir o 755\nmkdir o/c 755\nreplace o/c/x 644\n");
  EXPECT_EQ(parents("a/b*/./c/**/y"), "mkdir o 755\nmkdir o/c 755\nmkdir o/c/d 755\nreplace o/c/d/y 644\n");
  EXPECT_EQ(parents("a/**/./d/y"), "mkdir o 755\nmkdir o/d 755\nreplace o/d/y 644\n");
  EXPECT_EQ(parents("a/b*/./none"), "mkdir o 755\n") << "the destination is made where nothing is matched";
}

TEST(Copy, GivesDirectoriesThatItMakesTheModeOfAnOctalChmod) {
  EXPECT_EQ(planned(copy({"a.c"}, "/p/q/z"), kContext, kEmpty, {.mode = *ModeChange::parse("0770")}), "mkdir p 770\nmkdir p/q 770\nreplace p/q/z 770\n");
  EXPECT_EQ(planned(copy({"a.c"}, "/p/z"), kContext, kEmpty, {.mode = *ModeChange::parse("go=")}), "mkdir p 755\nreplace p/z 600\n");
}

TEST(Copy, LeavesDirectoriesThatATarballOnlyImpliesAsTheyAre) {
  const LayerPtr root = tree({memory_dir("keep", 0700), memory_symlink("l", "/real"), memory_dir("real", 0711)});
  // "keep/f", "l/x/y" and "new/f" of a tarball without entries for the directories.
  Source tar{.written = "t.tar", .unpacked = true};
  const LayerPtr files = tree({memory_dir("keep"), memory_file("keep/f", ""), memory_dir("l"), memory_dir("l/x", 0750), memory_file("l/x/y", ""),
                               memory_dir("new"), memory_file("new/f", "")});
  tar.entries = collect_sources(copy({"/"}, "/"), files, kNoTars)->front().entries;
  for (SourceEntry& entry : tar.entries) entry.attr.is_implied = entry.attr.is_dir() && entry.inside.str() != "l/x";
  const LayerView view(*root);
  DeltaPlan plan(view);
  StepClock clock(TimeRule{}, 0);
  ASSERT_TRUE(plan_copy(copy({"t.tar"}, "/"), {tar}, {}, clock, plan));
  std::string out;
  for (const auto& [path, item] : plan.ops()) out += fmt::format("{} {:o}{}\n", path.str(), item.op.attr.mode & 07777, item.op.kind == DeltaOp::Kind::implicit_dir ? " as it is" : "");
  EXPECT_EQ(out, "keep 700 as it is\nkeep/f 644\nnew 755\nnew/f 644\nreal 711 as it is\nreal/x 750\nreal/x/y 644\n");
}

TEST(Copy, CannotBeLedOutOfItsRoot) {
  EXPECT_EQ(planned(copy({"../../a.c"}, "/../../x"), kContext, kEmpty), "replace x 600\n");
  EXPECT_EQ(planned(copy({"l/x"}, "/"), tree({memory_symlink("l", "/../.."), memory_file("x", "")}), kEmpty), "replace x 644\n");
}

TEST(Copy, SaysWhichSourceIsMissing) {
  EXPECT_EQ(planned(copy({"none"}, "/"), kContext, kEmpty), "error: failed to compute cache key: failed to calculate checksum of ref context: \"/none\": not found; does .dockerignore leave it out?");
}

TEST(Copy, GivesOwnersAndModes) {
  CopyRules rules{.owner = CopyRules::Owner{5, 6}, .mode = *ModeChange::parse("go=,u+x")};
  EXPECT_EQ(planned(copy({"d"}, "/n/t"), kContext, kEmpty, rules),
            "mkdir n 755 5:6\nmkdir n/t 755 5:6\nreplace n/t/l 777 5:6 -> x\nmkdir n/t/sub 700 5:6\nreplace n/t/sub/y 700 5:6\nreplace n/t/x 700 5:6\n");
}

TEST(Copy, LeavesOutWhatIsExcluded) {
  CopyStep step = copy({"d", "*.c"}, "/t/");
  step.excludes = {"sub", "x*", "!x"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\nreplace t/a.c 600\nreplace t/b.c 644\nreplace t/l 777 -> x\nreplace t/x 644\n");
}

TEST(Copy, KeepsWhatAnExceptionBringsBackOutOfAnExcludedDirectory) {
  CopyStep step = copy({"d"}, "/t/");
  step.excludes = {"*", "!sub/y"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\nmkdir t/sub 750\nreplace t/sub/y 755\n");
  step.excludes = {"*", "!none"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\n");
}

TEST(Copy, ExcludesNoSourceItself) {
  for (const char* pattern : {"*", "d"}) {
    CopyStep step = copy({"d"}, "/out/");
    step.excludes = {pattern, "!x"};
    EXPECT_NE(planned(step, kContext, kEmpty).find("mkdir out 755\n"), std::string::npos) << pattern;
    EXPECT_NE(planned(step, kContext, kEmpty).find("replace out/x 644\n"), std::string::npos) << pattern;
  }
  CopyStep step = copy({"*.c", "d*"}, "/out/");
  step.excludes = {"*"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir out 755\nreplace out/a.c 600\nreplace out/b.c 644\n");
}

TEST(Copy, ExcludesFromTheRootOrThePivotWhereParentsAreKept) {
  CopyStep step = copy({"d"}, "/t/");
  step.parents = true;
  step.excludes = {"sub", "d/x"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\nmkdir t/d 700\nreplace t/d/l 777 -> x\nmkdir t/d/sub 750\nreplace t/d/sub/y 755\n");
  step.excludes = {"d"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\n");
  step.excludes = {"d", "!d/sub/y"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\nmkdir t/d 700\nmkdir t/d/sub 750\nreplace t/d/sub/y 755\n");
  step.sources = {"d/./sub"};
  step.excludes = {"sub/y"};
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\nmkdir t/sub 750\n");
}

TEST(Copy, SaysThatASymlinkLeadsNowhereAlsoWhereAWildcardMatchedIt) {
  const LayerPtr links = tree({memory_symlink("l1", "none"), memory_file("l2", "")});
  EXPECT_NE(planned(copy({"l*"}, "/"), links, kEmpty).find("\"/l1\": not found"), std::string::npos);
  CopyStep step = copy({"l*"}, "/");
  step.parents = true;
  EXPECT_EQ(planned(step, links, kEmpty), "replace l1 777 -> none\nreplace l2 644\n");
}

TEST(Copy, ChangesNoModeOfWhatComesOutOfATarball) {
  const LayerPtr files = tree({memory_dir("d", 0711), memory_file("d/f", "", 0640)});
  CopyStep step = copy({"t.tar"}, "/out/");
  step.add = step.unpack = true;
  const auto sources = collect_sources(step, tree({memory_file("t.tar", "")}), [&](const RelPath&) { return std::optional(files); });
  ASSERT_TRUE(sources) << sources.error().message();
  const LayerView view(*kEmpty);
  DeltaPlan plan(view);
  StepClock clock(TimeRule{}, 0);
  ASSERT_TRUE(plan_copy(step, *sources, {.mode = *ModeChange::parse("0777")}, clock, plan));
  std::string out;
  for (const auto& [path, item] : plan.ops()) out += fmt::format("{} {:o}\n", path.str(), item.op.attr.mode & 07777);
  EXPECT_EQ(out, "out 755\nout/d 711\nout/d/f 640\n");
}

TEST(Copy, KeepsParentsWhenAsked) {
  CopyStep step = copy({"d/sub/y", "d/./sub"}, "/t/");
  step.parents = true;
  EXPECT_EQ(planned(step, kContext, kEmpty), "mkdir t 755\nmkdir t/d 700\nmkdir t/d/sub 750\nreplace t/d/sub/y 755\nmkdir t/sub 750\nreplace t/sub/y 755\n");
}

TEST(Copy, KeepsHardLinks) {
  MemoryEntry second = memory_file("d/b", "");
  second.hardlink_to = "d/a";
  EXPECT_EQ(planned(copy({"d"}, "/"), tree({memory_file("d/a", "x"), second}), kEmpty), "replace a 644\nlink b 644 to a\n");
}

TEST(Copy, RefusesToMixFilesAndDirectories) {
  EXPECT_EQ(planned(copy({"d"}, "/f"), kContext, tree({memory_file("f", "")})), "error: cannot copy to non-directory: /f: d is a directory");
  EXPECT_EQ(planned(copy({"d"}, "/"), kContext, tree({memory_dir("x")})), "error: cannot replace to directory /x with file");
  EXPECT_EQ(planned(copy({"d"}, "/"), kContext, tree({memory_file("sub", "")})), "error: cannot copy to non-directory: /sub: the source is a directory");
  EXPECT_EQ(planned(copy({"a.c"}, "/f/g"), kContext, tree({memory_file("f", "")})), "error: /f is no directory");
}

TEST(Copy, RefusesNamesThatWouldDelete) {
  EXPECT_TRUE(planned(copy({"d"}, "/t"), tree({memory_file("a", "")}), kEmpty).starts_with("error: "));
  test::TempDir dir;
  dir.write(".wh.x", "");
  EXPECT_NE(planned(copy({"."}, "/"), *open_context(dir.path(), {}), kEmpty).find("stand for deleted files"), std::string::npos);
}

TEST(Copy, RefusesDirectoriesWhoseNamesWouldDelete) {
  test::TempDir dir;
  dir.write(".wh.etc/f", "");
  EXPECT_NE(planned(copy({"."}, "/"), *open_context(dir.path(), {}), kEmpty).find("/.wh.etc cannot be in an image"), std::string::npos);
  EXPECT_NE(planned(copy({"a.c"}, "/.wh.etc/"), kContext, kEmpty).find("/.wh.etc cannot be in an image"), std::string::npos);
  EXPECT_NE(planned(copy({"d"}, "/x/.wh.etc/y"), kContext, kEmpty).find("/x/.wh.etc cannot be in an image"), std::string::npos);
}

TEST(Copy, RefusesNamesThatNobodyCouldOpen) {
  EXPECT_NE(planned(copy({"a.c"}, "/" + std::string(256, 'a') + "/"), kContext, kEmpty).find("its last name has 256 bytes"), std::string::npos);
  EXPECT_EQ(planned(copy({"a.c"}, "/" + std::string(255, 'a')), kContext, kEmpty), "replace " + std::string(255, 'a') + " 600\n");
}

TEST(Copy, EndsLoopsOfSymlinks) {
  EXPECT_EQ(planned(copy({"a"}, "/"), tree({memory_symlink("a", "b"), memory_symlink("b", "a")}), kEmpty), "error: /a: too many levels of symbolic links");
}

// Of a tarball whose "lib" and "usr/lib" come to be one directory, since the image has a symlink there.
std::string unpacked_where_lib_is_usr_lib(std::vector<MemoryEntry> entries) {
  const LayerPtr root = tree({memory_symlink("lib", "usr/lib"), memory_dir("usr"), memory_dir("usr/lib")});
  Source tar{.written = "t.tar", .unpacked = true};
  tar.entries = collect_sources(copy({"/"}, "/"), tree(std::move(entries)), kNoTars)->front().entries;
  for (SourceEntry& entry : tar.entries) entry.attr.is_implied = entry.inside.str() == "lib" || entry.inside.str() == "usr" || entry.inside.str() == "usr/lib";
  const LayerView view(*root);
  DeltaPlan plan(view);
  StepClock clock(TimeRule{}, 0);
  if (auto done = plan_copy(copy({"t.tar"}, "/"), {tar}, {}, clock, plan); !done) return "error: " + done.error().message();
  std::string out;
  for (const auto& [path, item] : plan.ops()) {
    if (item.op.kind == DeltaOp::Kind::hardlink) out += fmt::format("{} is {}\n", path.str(), item.op.link_to.str());
    if (item.content) out += fmt::format("{} {}\n", path.str(), item.content->attr.size);
  }
  return out;
}

TEST(Copy, LinksNothingToAFileWhoseNameAnotherTookMeanwhile) {
  const auto link = [](const char* name) {
    MemoryEntry entry = memory_file(name, "");
    entry.hardlink_to = "lib/d/x";
    return entry;
  };
  const MemoryEntry first = memory_file("lib/d/x", "four");
  // A file instead of the directory that the first name lies in; another file by the first name; the directory itself is the link.
  EXPECT_EQ(unpacked_where_lib_is_usr_lib({memory_dir("lib"), memory_dir("lib/d"), first, memory_dir("usr"), memory_dir("usr/lib"), memory_file("usr/lib/d", "1"), link("usr/lib/z")}),
            "usr/lib/d 1\nusr/lib/z 4\n");
  EXPECT_EQ(unpacked_where_lib_is_usr_lib({memory_dir("lib"), memory_dir("lib/d"), first, memory_dir("usr"), memory_dir("usr/lib"), memory_dir("usr/lib/d"), memory_file("usr/lib/d/x", "1"), link("usr/lib/z")}),
            "usr/lib/d/x 1\nusr/lib/z 4\n");
  EXPECT_EQ(unpacked_where_lib_is_usr_lib({memory_dir("lib"), memory_dir("lib/d"), first, memory_dir("usr"), memory_dir("usr/lib"), link("usr/lib/d")}), "usr/lib/d 4\n");
  EXPECT_EQ(unpacked_where_lib_is_usr_lib({memory_dir("lib"), memory_dir("lib/d"), first, memory_dir("usr"), memory_dir("usr/lib"), link("usr/lib/z")}), "usr/lib/d/x 4\nusr/lib/z is usr/lib/d/x\n");
}

TEST(Copy, RefusesPathsThatNobodyCouldOpen) {
  std::vector<MemoryEntry> entries;
  std::string path = "a";
  for (; path.size() < 9000; path += "/a") entries.push_back(memory_dir(path));
  EXPECT_TRUE(planned(copy({"a"}, "/"), tree(std::move(entries)), kEmpty).ends_with("cannot be copied: its path has 4097 bytes, and no path has more than 4095"));
}

TEST(DeltaPlan, GivesALinkedFileToItsHeirWhenItIsReplaced) {
  const LayerView below(*kEmpty);
  DeltaPlan plan(below);
  const auto file = [&](const char* name) { return inline_source({name, name})->entries.front(); };
  const RelPath a = *RelPath::parse("a"), b = *RelPath::parse("b"), c = *RelPath::parse("c");
  ASSERT_TRUE(plan.put(a, file("one").attr, file("one")));
  ASSERT_TRUE(plan.put_hardlink(b, a));
  ASSERT_TRUE(plan.put_hardlink(c, a));

  ASSERT_TRUE(plan.put(a, file("two").attr, file("two")));

  EXPECT_EQ(plan.ops().at(b).op.kind, DeltaOp::Kind::replace);
  EXPECT_EQ(plan.ops().at(b).content->content, Digest::of("one"));
  EXPECT_EQ(plan.ops().at(c).op.link_to, b);
}

TEST(Context, ShowsEverythingAsRootsWithoutWhatIsIgnored) {
  test::TempDir dir;
  dir.write("keep/a", "1");
  dir.write("keep/b.o", "2");
  dir.write("drop/only/this", "3");
  dir.write("drop/not", "4");
  const LayerPtr context = *open_context(dir.path(), *dockerfile::IgnoreRules::parse("**/*.o\ndrop\n!drop/only/this\n"));
  EXPECT_EQ(planned(copy({"."}, "/"), context, kEmpty),
            "mkdir drop 755\nmkdir drop/only 755\nreplace drop/only/this 644\nmkdir keep 755\nreplace keep/a 644\n");
  EXPECT_TRUE(planned(copy({"keep/b.o"}, "/"), context, kEmpty).starts_with("error: "));
}

TEST(Context, HidesAnIgnoredDirectoryWhoseExceptionIsNotThere) {
  test::TempDir dir;
  dir.write("d/file1", "");
  const LayerPtr context = *open_context(dir.path(), *dockerfile::IgnoreRules::parse("**\n!d/file2\n"));
  EXPECT_TRUE(planned(copy({"d"}, "/"), context, kEmpty).starts_with("error: "));
}

TEST(Context, LeadsNobodyOutOfItByASymlinkOnTheWay) {
  test::TempDir dir;
  dir.write("outside/x.tar", "");
  dir.mkdir("context");
  std::filesystem::create_symlink(dir / "outside", dir / "context/d");
  std::filesystem::create_symlink(dir / "outside/x.tar", dir / "context/x.tar");
  for (const char* path : {"d/x.tar", "x.tar"}) {
    const auto file = open_context_file(dir / "context", *RelPath::parse(path));
    ASSERT_FALSE(file) << path;
    EXPECT_TRUE(file.error().is(ELOOP) || file.error().is(ENOTDIR)) << path << file.error().message();
  }
}

TEST(Context, ShowsTheTarballThatWasOpenedWhateverItsNameStandsForByThen) {
  test::TempDir dir;
  for (const char* name : {"first", "second"}) {
    dir.write(std::string(name) + "/" + name, "");
    ASSERT_EQ(std::system(fmt::format("tar -C {0}/{1} -cf {0}/{1}.tar {1}", dir.path(), name).c_str()), 0);
  }
  LayerOpener layers(dir / "index");
  Fd file = *open_context_file(dir.path(), *RelPath::parse("first.tar"));
  std::filesystem::rename(dir / "second.tar", dir / "first.tar");
  const auto tar = open_tarball(std::move(file), layers);
  ASSERT_TRUE(tar && *tar);
  EXPECT_TRUE(walk(***tar, *RelPath::parse("first")));
  EXPECT_FALSE(walk(***tar, *RelPath::parse("second")));
}

TEST(Context, UnpacksNoTarballThatMeansSomethingAsALayerAlone) {
  test::TempDir dir;
  LayerOpener layers(dir / "index");
  const auto opened = [&](const std::string& make) -> std::string {
    EXPECT_EQ(std::system(fmt::format("cd {} && rm -rf t && mkdir -p t/d && {}", dir.path(), make).c_str()), 0);
    const auto tar = open_tarball(*open_context_file(dir.path(), *RelPath::parse("t.tar")), layers);
    return tar ? *tar ? "a tarball" : "none" : tar.error().message();
  };
  EXPECT_EQ(opened("touch t/d/f && ln t/d/f t/d/g && tar -C t -cf t.tar ."), "a tarball");
  EXPECT_EQ(opened("touch t/d/.wh.f && tar -C t -cf t.tar ."), "/d/f in it is told to be deleted: names that begin with .wh. stand for deleted files");
  EXPECT_EQ(opened("touch t/d/.wh..wh..opq && tar -C t -cf t.tar ."), "/d in it holds .wh..wh..opq, which deletes files of a layer below: a tarball that is unpacked has none");
  EXPECT_EQ(opened("touch t/.wh..wh..opq && tar -C t -cf t.tar ."), "/ in it holds .wh..wh..opq, which deletes files of a layer below: a tarball that is unpacked has none");
  EXPECT_EQ(opened("touch t/d/f && ln t/d/f t/d/g && tar -C t -cf t.tar d/f d/g && tar -f t.tar --delete d/f"), "/d/g in it is a hard link to /d/f, which is not in it");
}

TEST(Context, NoticesAFileThatChangesWhileItIsCopied) {
  test::TempDir dir;
  dir.write("a", "before");
  const auto sources = collect_sources(copy({"a"}, "/"), *open_context(dir.path(), {}), kNoTars);
  ASSERT_TRUE(sources);
  dir.write("a", "behind");
  const auto file = open_entry(sources->front().entries.front());
  ASSERT_TRUE(file) << file.error().message();
  std::byte buffer[16];
  const auto got = (*file)->pread(buffer, 0);
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(EBUSY));
}

}  // namespace
}  // namespace acetate::build
