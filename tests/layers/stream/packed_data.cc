#include "tests/layers/stream/packed_data.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>

namespace acetate::test {

namespace {

void demand(bool ok) {
  if (!ok) std::abort();
}

std::byte random_byte(std::mt19937_64& random) { return static_cast<std::byte>(random()); }

Bytes deflate_with(std::span<const std::byte> plain, const GzipMake& make, gz_header* header) {
  z_stream stream{};
  demand(::deflateInit2(&stream, make.level, Z_DEFLATED, 31, make.memory, make.strategy) == Z_OK);
  if (header != nullptr) demand(::deflateSetHeader(&stream, header) == Z_OK);
  Bytes packed;
  std::array<std::byte, 65536> chunk;
  std::size_t at = 0;
  for (bool last = false; !last;) {
    const std::size_t count = std::min(make.flush_every > 0 ? make.flush_every : plain.size(), plain.size() - at);
    last = at + count == plain.size();
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(plain.data() + at));
    stream.avail_in = static_cast<uInt>(count);
    at += count;
    do {
      stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
      stream.avail_out = static_cast<uInt>(chunk.size());
      const int code = ::deflate(&stream, last ? Z_FINISH : make.flush);
      demand(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR);
      append(packed, std::span(chunk).first(chunk.size() - stream.avail_out));
    } while (stream.avail_out == 0);
  }
  ::deflateEnd(&stream);
  return packed;
}

}  // namespace

void append(Bytes& to, std::span<const std::byte> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes bytes_of(std::string_view text) {
  Bytes bytes;
  append(bytes, std::as_bytes(std::span(text)));
  return bytes;
}

Bytes sample_bytes(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes;
  bytes.reserve(size + 4096);
  while (bytes.size() < size) {
    const std::size_t count = 1 + random() % 300;
    switch (random() % 5) {
      case 0:
        for (std::size_t i = 0; i < count; ++i) bytes.push_back(random_byte(random));
        break;
      case 1: bytes.insert(bytes.end(), count * 4, random_byte(random)); break;
      case 2:
        for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>('a' + random() % 16));
        break;
      default: {
        if (bytes.empty()) break;
        const std::size_t back = 1 + random() % std::min<std::size_t>(bytes.size(), 32768);
        for (std::size_t i = 0; i < count; ++i) bytes.push_back(bytes[bytes.size() - back]);
      }
    }
  }
  bytes.resize(size);
  return bytes;
}

Bytes noise_bytes(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (auto& b : bytes) b = random_byte(random);
  return bytes;
}

Bytes far_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes = noise_bytes(std::min<std::size_t>(size, 32768), seed);
  bytes.reserve(size);
  while (bytes.size() < size) bytes.push_back(bytes[bytes.size() - 32768]);
  return bytes;
}

Bytes gzip_of(std::span<const std::byte> plain, const GzipMake& make) { return deflate_with(plain, make, nullptr); }

Bytes gzip_with_fields(std::span<const std::byte> plain) {
  Bytes extra = noise_bytes(40000, 7);  // longer than a name would be, and with NULs in it
  Bytes name = bytes_of(std::string(3000, 'n')), comment = bytes_of("a comment");
  name.push_back(std::byte{0});
  comment.push_back(std::byte{0});
  gz_header header{};
  header.extra = reinterpret_cast<Bytef*>(extra.data());
  header.extra_len = static_cast<uInt>(extra.size());
  header.name = reinterpret_cast<Bytef*>(name.data());
  header.comment = reinterpret_cast<Bytef*>(comment.data());
  header.hcrc = 1;
  return deflate_with(plain, {}, &header);
}

Bytes bgzip_of(std::span<const std::byte> plain) {
  Bytes packed;
  for (std::size_t at = 0;; at += 0xff00) {
    const auto part = plain.subspan(std::min(at, plain.size())).first(std::min<std::size_t>(
        0xff00, plain.size() - std::min(at, plain.size())));
    std::array<Bytef, 6> extra{'B', 'C', 2, 0, 0, 0};
    gz_header header{};
    header.extra = extra.data();
    header.extra_len = extra.size();
    append(packed, deflate_with(part, {}, &header));
    if (part.empty()) return packed;
  }
}

Bytes members_of(std::span<const std::byte> plain, std::span<const std::size_t> sizes, const GzipMake& make) {
  Bytes packed;
  for (std::size_t at = 0, i = 0; at < plain.size(); ++i) {
    const std::size_t count = std::min(sizes[i % sizes.size()], plain.size() - at);
    append(packed, gzip_of(plain.subspan(at, count), make));
    at += count;
  }
  return packed;
}

Bytes zstd_of(std::span<const std::byte> plain, std::size_t frame_bytes) {
  if (frame_bytes == 0) frame_bytes = plain.size();
  ZSTD_CCtx* context = ::ZSTD_createCCtx();
  demand(!::ZSTD_isError(::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
  Bytes packed;
  do {
    const auto part = plain.first(std::min(frame_bytes, plain.size()));
    plain = plain.subspan(part.size());
    Bytes frame(::ZSTD_compressBound(part.size()));
    const std::size_t size = ::ZSTD_compress2(context, frame.data(), frame.size(), part.data(), part.size());
    demand(!::ZSTD_isError(size));
    append(packed, std::span(frame).first(size));
  } while (!plain.empty());
  ::ZSTD_freeCCtx(context);
  return packed;
}

Bytes zstd_skippable(std::size_t size) {
  Bytes frame = bytes_of({"\x5e\x2a\x4d\x18", 4});
  for (int i = 0; i < 4; ++i) frame.push_back(static_cast<std::byte>(size >> (8 * i)));
  append(frame, noise_bytes(size, 3));
  return frame;
}

Bytes xz_of(std::span<const std::byte> plain) {
  Bytes packed(::lzma_stream_buffer_bound(plain.size()));
  std::size_t size = 0;
  demand(::lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(plain.data()),
                                   plain.size(), reinterpret_cast<std::uint8_t*>(packed.data()), &size,
                                   packed.size()) == LZMA_OK);
  packed.resize(size);
  return packed;
}

Bytes bzip2_of(std::span<const std::byte> plain) {
  Bytes packed(plain.size() + plain.size() / 100 + 600);
  auto size = static_cast<unsigned>(packed.size());
  demand(::BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(packed.data()), &size,
                                    const_cast<char*>(reinterpret_cast<const char*>(plain.data())),
                                    static_cast<unsigned>(plain.size()), 1, 0, 0) == BZ_OK);
  packed.resize(size);
  return packed;
}

Result<Passed> pass(const Bytes& packed, FirstPassOptions options, std::size_t piece) {
  FirstPass first = TRY(FirstPass::open(memory_source(packed), options));
  Passed passed;
  Bytes buffer(piece);
  for (;;) {
    const std::size_t got = TRY(first.read(buffer));
    if (got == 0) break;
    append(passed.plain, std::span(buffer).first(got));
  }
  passed.result = TRY(first.finish());
  return passed;
}

}  // namespace acetate::test
