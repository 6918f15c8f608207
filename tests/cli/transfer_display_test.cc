#include "cli/transfer_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace acetate::cli {
namespace {

using registry::TransferState;
using testing::HasSubstr;

image::Descriptor blob(std::uint64_t size) {
  return {.media_type = "x", .digest = Digest::of("blob"), .size = size};
}
const std::string kName = "Copying blob " + Digest::of("blob").hex().substr(0, 12);

TEST(TransferRow, ShowsBarSizesAndRate) {
  EXPECT_EQ(transfer_row(blob(2000000), TransferState::moving, 1000000, 0.5),
            kName + " [==========>         ] 1.0MB / 2.0MB 2.0MB/s");
  EXPECT_EQ(transfer_row(blob(100), TransferState::moving, 100, 0),
            kName + " [====================] 100B / 100B ");
  EXPECT_EQ(transfer_row(blob(0), TransferState::moving, 0, 0), kName + " [>                   ] 0B / 0B ");
  EXPECT_EQ(transfer_row(blob(7), TransferState::done, 7, 1), kName + " done");
}

TEST(TransferRow, CountsInThousandsAsDockerDoes) {
  EXPECT_EQ(short_size(999), "999B");
  EXPECT_EQ(short_size(1000), "1.0kB");
  EXPECT_EQ(short_size(45230000), "45.2MB");
  EXPECT_EQ(short_size(5e15), "5000.0TB");
}

TEST(TransferDisplay, WritesALineWhenABlobBeginsAndWhenItEnds) {
  std::ostringstream out;
  TransferDisplay display(out, TransferDisplay::Style::lines);
  const auto events = display.events();
  events(blob(1000), TransferState::moving, 1);
  events(blob(1000), TransferState::moving, 500);
  events(blob(1000), TransferState::done, 1000);
  display.finish();

  EXPECT_EQ(out.str(), kName + " (1.0kB)\n" + kName + " done\n");
}

TEST(TransferDisplay, DrawsOverItsBarsOnATerminal) {
  std::ostringstream out;
  TransferDisplay display(out, TransferDisplay::Style::bars);
  const auto events = display.events();
  events(blob(1000), TransferState::moving, 1);
  events(blob(1000), TransferState::done, 1000);

  EXPECT_THAT(out.str(), HasSubstr("\x1b[1A\r\x1b[K" + kName + " done\n"));
}

TEST(TransferDisplay, CanKeepSilent) {
  std::ostringstream out;
  TransferDisplay display(out, TransferDisplay::Style::silent);
  display.events()(blob(1), TransferState::done, 1);
  display.finish();
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace acetate::cli
