#include "layers/stream/format.h"

#include <gtest/gtest.h>

#include "tests/layers/stream/packed_data.h"

namespace acetate {
namespace {

using test::bytes_of;

// A v7 header: a name, and the checksum of everything.
test::Bytes old_tar_header() {
  test::Bytes head(512);
  head[0] = std::byte{'a'};
  const auto sum = bytes_of("000601\0 ");  // 'a' + 8 spaces = 97 + 256 = 353 = 0541
  std::copy(sum.begin(), sum.end(), head.begin() + 148);
  head[150] = std::byte{'0'};
  head[151] = std::byte{'5'};
  head[152] = std::byte{'4'};
  head[153] = std::byte{'1'};
  return head;
}

TEST(Format, IsToldByTheFirstBytes) {
  EXPECT_EQ(detect_format(test::gzip_of(bytes_of("x"))), Format::gzip);
  EXPECT_EQ(detect_format(test::zstd_of(bytes_of("x"))), Format::zstd);
  EXPECT_EQ(detect_format(test::zstd_skippable(4)), Format::zstd);
  EXPECT_EQ(detect_format(bytes_of({"\xfd" "7zXZ\0rest", 10})), Format::xz);
  EXPECT_EQ(detect_format(bytes_of("BZh91AY")), Format::bzip2);
  EXPECT_EQ(detect_format(old_tar_header()), Format::plain);
  EXPECT_EQ(detect_format(test::Bytes(512)), Format::plain) << "an end mark is an empty tar";
  EXPECT_EQ(detect_format(test::Bytes()), Format::plain) << "so is nothing";
}

TEST(Format, IsUnknownWhenNothingFits) {
  auto wrong_sum = old_tar_header();
  wrong_sum[0] = std::byte{'b'};
  EXPECT_EQ(detect_format(wrong_sum), Format::unknown);
  EXPECT_EQ(detect_format(bytes_of("hello")), Format::unknown);
  EXPECT_EQ(detect_format(test::Bytes(511)), Format::unknown);
  EXPECT_EQ(detect_format(bytes_of("\x1f\x8b")), Format::unknown);
}

TEST(Format, OfASourceReadsItsHead) {
  EXPECT_EQ(*detect_format(*memory_source(test::gzip_of(bytes_of("x")))), Format::gzip);
}

}  // namespace
}  // namespace acetate
