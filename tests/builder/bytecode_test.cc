#include "builder/bytecode.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <ctime>

#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

class Text : public FileView {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  std::uint64_t size() const override { return text_.size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    const std::size_t some = offset >= text_.size() ? 0 : std::min<std::size_t>(into.size(), text_.size() - offset);
    std::memcpy(into.data(), text_.data() + offset, some);
    return some;
  }

 private:
  std::string text_;
};

std::string little(std::uint32_t value) {
  std::string text;
  for (int n = 0; n < 4; ++n, value >>= 8) text += static_cast<char>(value & 0xff);
  return text;
}

// As Python 3.11 writes it.
std::string compiled(std::uint32_t time, std::uint32_t size, std::uint32_t magic = 3495, std::uint32_t flags = 0) {
  return little(magic | 0x0a0d0000) + little(flags) + little(time) + little(size) + "code";
}

RelPath path(std::string_view text) { return *RelPath::parse(text); }

bool belongs(const Bytecode& known, std::string_view where, std::string content) {
  const auto source = known.source_of(path(where), Text(std::move(content)));
  return source && source->has_value();
}

TEST(Bytecode, BelongsToASourceOfTheSameTimeAndSize) {
  Bytecode known;
  known.learn(path("a/x.py"), {.mode = S_IFREG | 0644, .size = 7, .mtime = {.tv_sec = 1000, .tv_nsec = 5}}, false);
  EXPECT_TRUE(belongs(known, "a/__pycache__/x.cpython-311.pyc", compiled(1000, 7)));
  EXPECT_TRUE(belongs(known, "a/__pycache__/x.cpython-311.opt-2.pyc", compiled(1000, 7)));
  EXPECT_TRUE(belongs(known, "a/x.pyc", compiled(1000, 7)));
  EXPECT_FALSE(belongs(known, "a/x.pyc", compiled(1001, 7))) << "stale as it is";
  EXPECT_FALSE(belongs(known, "a/x.pyc", compiled(1000, 8)));
  EXPECT_FALSE(belongs(known, "a/x.pyc", compiled(1000, 7, 3495, 3))) << "by a checksum";
  EXPECT_FALSE(belongs(known, "a/x.pyc", compiled(1000, 7, 3379))) << "3.6 has no flags";
  EXPECT_FALSE(belongs(known, "a/x.pyc", compiled(1000, 7, 62211))) << "2.7";
  EXPECT_FALSE(belongs(known, "a/x.pyc", "short"));
  EXPECT_FALSE(belongs(known, "a/y.pyc", compiled(1000, 7)));
  EXPECT_FALSE(belongs(known, "__pycache__/x.cpython-311.pyc", compiled(1000, 7)));
  EXPECT_FALSE(belongs(known, "a/x.so", compiled(1000, 7)));
}

TEST(Bytecode, IsTheSameButForTheTime) {
  const Text before(compiled(1000, 7));
  const auto after = with_source_time(before, {.tv_sec = 0x01020304});
  std::string whole(before.size(), '\0');
  const auto read = after->pread(std::as_writable_bytes(std::span(whole)), 0);
  ASSERT_TRUE(read);
  ASSERT_EQ(*read, whole.size());
  EXPECT_EQ(whole, compiled(0x01020304, 7));
  // In any pieces.
  std::string pieces;
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    char piece[3];
    const auto got = after->pread(std::as_writable_bytes(std::span(piece)), at);
    ASSERT_TRUE(got);
    pieces.append(piece, *got);
  }
  EXPECT_EQ(pieces, whole);
}

TEST_F(BuildTest, LetsCompiledPythonBelongToItsSourceAsTheLayerHasIt) {
  dockerfile("FROM scratch\nRUN compile x\n");
  const std::string first = build();
  const std::string content = content_of("__pycache__/x.cpython-311.pyc");
  EXPECT_EQ(content, compiled(static_cast<std::uint32_t>(time_of("x.py")), 6));
  BuildOptions how = options();
  how.build_dir = dir_ / "another";
  for (const std::time_t now = std::time(nullptr); std::time(nullptr) == now;) ::usleep(10'000);
  EXPECT_EQ(build(how), first) << "compiled at another time";
}

}  // namespace
}  // namespace acetate::build
