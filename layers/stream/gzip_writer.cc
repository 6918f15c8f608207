#include "layers/stream/gzip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace acetate {

struct GzipWriter::State {
  Out out;
  z_stream stream{};
  gz_header header{};
  int error = Z_OK;
  std::vector<std::byte> packed = std::vector<std::byte>(128 << 10);

  ~State() { deflateEnd(&stream); }
  Result<void> run(std::span<const std::byte> plain, int flush);
};

GzipWriter::GzipWriter(Out out, int level) : state_(std::make_unique<State>()) {
  constexpr int kGzip = 16;  // added to the window's bits: a gzip header and trailer, not zlib's
  state_->out = std::move(out);
  state_->error = deflateInit2(&state_->stream, level, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY);
  state_->header.os = 255;
  if (state_->error == Z_OK) state_->error = deflateSetHeader(&state_->stream, &state_->header);
}

GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;
GzipWriter& GzipWriter::operator=(GzipWriter&&) noexcept = default;
GzipWriter::~GzipWriter() = default;

Result<void> GzipWriter::State::run(std::span<const std::byte> plain, int flush) {
  if (error != Z_OK) return fail(error == Z_MEM_ERROR ? ENOMEM : EINVAL, "zlib could not begin to compress");
  do {
    // avail_in is 32 bits wide; a longer piece goes in several.
    const std::size_t part = std::min<std::size_t>(plain.size(), 1U << 30);
    const bool last = part == plain.size();
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(plain.data()));
    stream.avail_in = static_cast<uInt>(part);
    plain = plain.subspan(part);
    int state = Z_OK;
    do {
      stream.next_out = reinterpret_cast<Bytef*>(packed.data());
      stream.avail_out = static_cast<uInt>(packed.size());
      state = deflate(&stream, last ? flush : Z_NO_FLUSH);
      if (state == Z_STREAM_ERROR) return fail(EINVAL, "zlib lost its state");
      const std::size_t made = packed.size() - stream.avail_out;
      if (made > 0) TRY(out(std::span(packed).first(made)));
    } while (stream.avail_out == 0 && state != Z_STREAM_END);
  } while (!plain.empty());
  return {};
}

Result<void> GzipWriter::write(std::span<const std::byte> plain) {
  if (plain.empty()) return {};
  return state_->run(plain, Z_NO_FLUSH);
}

Result<void> GzipWriter::finish() { return state_->run({}, Z_FINISH); }

}  // namespace acetate
