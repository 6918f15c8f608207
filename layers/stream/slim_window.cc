// No inflater tells what it refers to. But what it copies out of a window is what stands there: of a window in which every byte tells where
// it is, what comes out tells which of them were used. Two bytes are needed for 32,768 places, so the same is decoded twice; and a third
// time with the first ones inverted, since what changes then, and nothing else, comes from the window.
#include "layers/stream/slim_window.h"

#include <algorithm>

#include "layers/stream/decoder.h"
#include "layers/stream/window.h"

namespace acetate {

namespace {

constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;

// Nothing further on refers to anything before it.
Result<std::vector<std::byte>> decoded_after(const SourcePtr& packed, std::uint64_t packed_bit, std::span<const std::byte> window) {
  const auto decoder = TRY(gzip_decoder_inside(PackedReader(packed, packed_bit / 8, kPackedBuffer), 0, static_cast<unsigned>(packed_bit % 8),
                                               window, InflateEngine::zlib));
  std::vector<std::byte> plain(kWindowBytes);
  std::size_t done = 0;
  while (done < plain.size()) {
    const std::size_t got = TRY(decoder->read(std::span(plain).subspan(done), Decoder::Stop::anywhere));
    if (got == 0) break;
    done += got;
  }
  plain.resize(done);
  return plain;
}

}  // namespace

Result<std::vector<std::byte>> slim_window(const SourcePtr& packed, std::uint64_t packed_bit, std::span<const std::byte> window) {
  const auto decoded = [&](auto&& byte_at) -> Result<std::vector<std::byte>> {
    std::vector<std::byte> marked(window.size());
    for (std::size_t i = 0; i < marked.size(); ++i) marked[i] = static_cast<std::byte>(byte_at(i));
    return decoded_after(packed, packed_bit, marked);
  };
  const auto low = TRY(decoded([](std::size_t i) { return i & 0xffU; }));
  const auto high = TRY(decoded([](std::size_t i) { return i >> 8U; }));
  const auto inverted = TRY(decoded([](std::size_t i) { return ~i & 0xffU; }));
  std::vector<std::byte> slim(window.size());
  for (std::size_t i = 0; i < low.size(); ++i) {
    if (low[i] == inverted[i]) continue;
    const std::size_t place = std::to_integer<std::size_t>(high[i]) << 8U | std::to_integer<std::size_t>(low[i]);
    slim[place] = window[place];
  }
  return slim;
}

}  // namespace acetate
