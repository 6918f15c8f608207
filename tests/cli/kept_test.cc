#include "cli/kept.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "cli/commit.h"
#include "cli/kept_changes.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::ElementsAre;

image::Image some_image() {
  image::Image image{.config = {}, .layers = {}, .name = "app", .manifest_digest = {}};
  image.config.env = {"A=b"};
  image.layers.push_back({.spec = {.path = "/layers/one.tar"}, .digest = Digest::of("one"), .media_type = "type", .size = 3});
  return image;
}

TEST(Kept, IsTakenUpAgainWithWhatItLiesOn) {
  const test::TempDir dir;
  {
    auto made = Kept::make(dir / "containers", "box", some_image());
    ASSERT_TRUE(made) << made.error().message();
    KeptRecord record = made->record();
    record.command = {"sh", "-c", "x"};
    record.labels = {{"k", "v"}};
    record.exit_code = 3;
    ASSERT_TRUE(made->save(std::move(record)));
  }

  const auto again = Kept::open(dir / "containers", "box", Kept::Use::write);

  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->record().image.lowers(), some_image().lowers());
  EXPECT_THAT(again->record().image.config.env, ElementsAre("A=b"));
  EXPECT_THAT(again->record().command, ElementsAre("sh", "-c", "x"));
  EXPECT_EQ(again->record().exit_code, 3);
  EXPECT_FALSE(again->record().finished.empty());
  EXPECT_TRUE(dir.exists("containers/box/upper"));
}

TEST(Kept, HasNotFinishedWhenItIsStartedAgain) {
  const test::TempDir dir;
  {
    auto kept = Kept::make(dir / "containers", "box", some_image());
    ASSERT_TRUE(kept) << kept.error().message();
    for (const std::optional<int> code : {std::optional<int>(3), std::optional<int>()}) {
      KeptRecord record = kept->record();
      record.exit_code = code;
      ASSERT_TRUE(kept->save(std::move(record)));
    }
  }

  const auto all = list_kept(dir / "containers");

  ASSERT_TRUE(all);
  EXPECT_FALSE(all->at(0).running);
  EXPECT_FALSE(all->at(0).record.exit_code);
  EXPECT_EQ(all->at(0).record.finished, "");
}

TEST(Kept, BelongsToOneAtATime) {
  const test::TempDir dir;
  const auto made = Kept::make(dir / "containers", "box", some_image());
  ASSERT_TRUE(made);

  const auto other = Kept::open(dir / "containers", "box", Kept::Use::read);

  ASSERT_FALSE(other);
  EXPECT_TRUE(other.error().is(EBUSY));
  const auto all = list_kept(dir / "containers");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1U);
  EXPECT_TRUE(all->at(0).running);
}

TEST(Kept, IsRemovedWholeWhenNobodyHasIt) {
  const test::TempDir dir;
  {
    const auto made = Kept::make(dir / "containers", "box", some_image());
    ASSERT_TRUE(made);
    dir.write("containers/box/upper/a/b", "x");
    EXPECT_TRUE(Kept::remove(dir / "containers", "box").error().is(EBUSY));
  }

  const auto removed = Kept::remove(dir / "containers", "box");

  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_FALSE(dir.exists("containers/box"));
  EXPECT_TRUE(list_kept(dir / "containers")->empty());
  EXPECT_TRUE(Kept::remove(dir / "containers", "box").error().is(ENOENT));
  EXPECT_TRUE(Kept::remove(dir / "containers", "..").error().is(ENOENT));
}

TEST(Kept, TakesNothingOverFromAnInterruptedRemoval) {
  const test::TempDir dir;
  dir.write("containers/box/upper/stale", "x");

  EXPECT_TRUE(list_kept(dir / "containers")->empty());
  const auto made = Kept::make(dir / "containers", "box", some_image());
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().is(EEXIST));
  EXPECT_TRUE(dir.exists("containers/box/upper/stale"));

  ASSERT_TRUE(Kept::remove(dir / "containers", "box"));
  EXPECT_TRUE(Kept::make(dir / "containers", "box", some_image()));
}

TEST(Kept, IsNotDisturbedByWhoeverListsIt) {
  const test::TempDir dir;
  ASSERT_TRUE(Kept::make(dir / "containers", "box", some_image()));

  const auto reader = Kept::open(dir / "containers", "box", Kept::Use::read);

  ASSERT_TRUE(reader);
  EXPECT_FALSE(list_kept(dir / "containers")->at(0).running) << "reading is not running";
  EXPECT_TRUE(Kept::open(dir / "containers", "box", Kept::Use::read));
  EXPECT_TRUE(Kept::open(dir / "containers", "box", Kept::Use::write).error().is(EBUSY));
}

TEST(Kept, GetsNothingMadeInItByWhoeverListsIt) {
  const test::TempDir dir;
  ASSERT_TRUE(Kept::make(dir / "containers", "box", some_image()));
  ASSERT_TRUE(sys::unlink({kWorkingDir, (dir / "containers/box/lock").c_str()}));  // as a removal does

  ASSERT_TRUE(list_kept(dir / "containers"));

  EXPECT_FALSE(dir.exists("containers/box/lock"));
}

TEST(Kept, NamesTheLayersThatAStoreMustNotLose) {
  const test::TempDir dir;
  EXPECT_TRUE(layers_of_kept(dir / "containers")->empty());
  ASSERT_TRUE(Kept::make(dir / "containers", "box", some_image()));

  EXPECT_THAT(*layers_of_kept(dir / "containers"), ElementsAre(Digest::of("one")));

  dir.write("containers/torn/container.json", "{");
  EXPECT_FALSE(layers_of_kept(dir / "containers")) << "what it needs is not known";
}

TEST(Kept, HasANameThatIsOneComponent) {
  const test::TempDir dir;
  for (const char* name : {"", ".", "..", "a/b", "-x", ".x", "a b", "ä"}) EXPECT_FALSE(Kept::make(dir / "containers", name, some_image())) << name;
  EXPECT_TRUE(Kept::open(dir / "containers", "../x", Kept::Use::read).error().is(ENOENT));
}

TEST(Kept, SaysThatADamagedRecordIsOne) {
  const test::TempDir dir;
  dir.write("containers/box/container.json", "{\"name\": 1}");

  const auto opened = Kept::open(dir / "containers", "box", Kept::Use::read);

  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message().find("damaged"), std::string::npos);
}

TEST(Kept, IsNotMixedWithAnotherImage) {
  const KeptRecord record{.name = "box", .image = some_image(), .command = {}, .labels = {}, .created = {}, .finished = {}};
  image::Image other = some_image();
  EXPECT_TRUE(check_same_image(record, other));
  other.name = "renamed";
  EXPECT_TRUE(check_same_image(record, other));
  other.layers[0].digest = Digest::of("two");
  EXPECT_FALSE(check_same_image(record, other));
}

TEST(KeptChanges, AreAddedChangedAndDeletedAsDockerTellsThem) {
  const test::TempDir dir;
  dir.write("base/etc/file", "x");
  dir.write("base/gone/a", "x");
  dir.write("base/full/a", "x");
  dir.write("base/full/b", "x");
  dir.write("base/touched/below/file", "x");
  image::Image image{.config = {}, .layers = {}, .name = "base", .manifest_digest = {}};
  image.layers.push_back({.spec = {.path = dir / "base"}, .digest = {}, .media_type = {}, .size = 0});
  auto kept = Kept::make(dir / "containers", "box", image);
  ASSERT_TRUE(kept);
  dir.write("containers/box/upper/etc/file", "y");
  dir.write("containers/box/upper/etc/new", "y");
  dir.write("containers/box/upper/.wh.gone", "");
  dir.write("containers/box/upper/full/.wh..wh..opq", "");
  dir.write("containers/box/upper/full/b", "new");
  dir.write("containers/box/upper/made/x", "");
  // Copied up for a mount point that is gone again: nothing changed there.
  dir.mkdir("containers/box/upper/touched");
  dir.mkdir("containers/box/upper/touched/below");

  const auto below = tree_below(image);
  ASSERT_TRUE(below) << below.error().message();
  const auto changes = list_changes(*kept, **below);

  ASSERT_TRUE(changes) << changes.error().message();
  std::vector<std::string> lines;
  for (const Change& change : *changes) lines.push_back(fmt::format("{} {}", change.kind, change.path));
  EXPECT_THAT(lines, ElementsAre("C /etc", "C /etc/file", "A /etc/new", "C /full", "D /full/a", "C /full/b", "D /gone", "A /made", "A /made/x"));
}

TEST(CommitChange, IsADockerfilesInstruction) {
  image::Config config;
  for (const char* change : {"CMD [\"a\", \"b\"]", "ENTRYPOINT echo x", "ENV A=1 B=2", "ENV A=3", "LABEL k=v", "USER app", "WORKDIR /srv", "EXPOSE 80 53/udp", "VOLUME /data", "STOPSIGNAL QUIT"})
    ASSERT_TRUE(change_config(config, change)) << change;

  EXPECT_THAT(config.cmd, ElementsAre("a", "b"));
  EXPECT_THAT(config.entrypoint, ElementsAre("/bin/sh", "-c", "echo x"));
  EXPECT_THAT(config.env, ElementsAre("B=2", "A=3"));
  EXPECT_EQ(config.labels.at("k"), "v");
  EXPECT_EQ(config.user, "app");
  EXPECT_EQ(config.working_dir, "/srv");
  EXPECT_THAT(config.exposed_ports, ElementsAre("80/tcp", "53/udp"));
  EXPECT_THAT(config.volumes, ElementsAre("/data"));
  EXPECT_EQ(config.stop_signal, "QUIT");
  for (const char* wrong : {"", "RUN x", "ENV A", "LABEL =x"}) EXPECT_FALSE(change_config(config, wrong)) << wrong;
}

}  // namespace
}  // namespace acetate::cli
