#include "layers/stream/source.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

std::string read_text(const ByteSource& source, std::size_t count, std::uint64_t offset) {
  test::Bytes into(count);
  auto got = source.pread(into, offset);
  return got ? std::string(as_text(std::span(into).first(*got))) : got.error().message();
}

TEST(Source, OfAFileReadsUpToItsEnd) {
  test::TempDir dir;
  dir.write("f", "0123456789");
  const auto source = *file_source(*sys::open(dir / "f", O_RDONLY));

  EXPECT_EQ(source->size(), 10u);
  EXPECT_EQ(read_text(*source, 4, 3), "3456");
  EXPECT_EQ(read_text(*source, 100, 8), "89");
  EXPECT_EQ(read_text(*source, 1, 10), "");
  EXPECT_EQ(read_text(*source, 1, ~std::uint64_t{0}), "");
  EXPECT_EQ(source->plain()->offset, 0u);
}

TEST(Source, OfASliceSeesNothingElse) {
  test::TempDir dir;
  dir.write("f", "0123456789");
  const auto source = *file_source(*sys::open(dir / "f", O_RDONLY), 2, 5);

  EXPECT_EQ(source->size(), 5u);
  EXPECT_EQ(read_text(*source, 100, 0), "23456");
  EXPECT_EQ(read_text(*source, 100, 4), "6");
  EXPECT_EQ(source->plain()->offset, 2u);
}

TEST(Source, RefusesASliceThatIsNotThere) {
  test::TempDir dir;
  dir.write("f", "0123456789");
  for (const auto& [offset, length] : {std::pair<std::uint64_t, std::uint64_t>{6, 5}, {11, 0}, {2, ~0ull}}) {
    const auto source = file_source(*sys::open(dir / "f", O_RDONLY), offset, length);
    ASSERT_FALSE(source);
    EXPECT_TRUE(source.error().is(EINVAL));
  }
  EXPECT_TRUE(file_source(*sys::open(dir.path(), O_RDONLY)).error().is(EINVAL));
}

TEST(Source, OfAFileThatShrankFailsInsteadOfEnding) {
  test::TempDir dir;
  dir.write("f", "0123456789");
  const auto source = *file_source(*sys::open(dir / "f", O_RDONLY));
  dir.write("f", "0123");

  std::array<std::byte, 10> into;
  const auto got = source->pread(into, 0);
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(EIO));
}

TEST(Source, OfMemoryReadsLikeAFile) {
  const auto source = memory_source(test::bytes_of("0123456789"));
  EXPECT_EQ(source->size(), 10u);
  EXPECT_EQ(read_text(*source, 4, 3), "3456");
  EXPECT_EQ(read_text(*source, 100, 8), "89");
  EXPECT_EQ(read_text(*source, 1, 11), "");
  EXPECT_FALSE(source->plain());
}

}  // namespace
}  // namespace acetate
