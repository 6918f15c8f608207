#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "layers/stream/packer.h"

namespace acetate {

namespace {

class GzipPacker final : public Packer {
 public:
  GzipPacker(Out out, int level) : out_(std::move(out)) {
    constexpr int kGzip = 16;  // added to the window's bits: a gzip header and trailer, not zlib's
    error_ = deflateInit2(&stream_, level, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY);
    header_.os = 255;
    if (error_ == Z_OK) error_ = deflateSetHeader(&stream_, &header_);
  }
  ~GzipPacker() override { deflateEnd(&stream_); }

  Result<void> write(std::span<const std::byte> plain) override {
    if (plain.empty()) return {};
    return run(plain, Z_NO_FLUSH);
  }
  Result<void> finish() override { return run({}, Z_FINISH); }

 private:
  Result<void> run(std::span<const std::byte> plain, int flush);

  Out out_;
  z_stream stream_{};
  gz_header header_{};
  int error_ = Z_OK;
  std::vector<std::byte> packed_ = std::vector<std::byte>(128 << 10);
};

Result<void> GzipPacker::run(std::span<const std::byte> plain, int flush) {
  if (error_ != Z_OK) return fail(error_ == Z_MEM_ERROR ? ENOMEM : EINVAL, "zlib could not begin to compress");
  do {
    // avail_in is 32 bits wide; a longer piece goes in several.
    const std::size_t part = std::min<std::size_t>(plain.size(), 1U << 30);
    const bool last = part == plain.size();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(plain.data()));
    stream_.avail_in = static_cast<uInt>(part);
    plain = plain.subspan(part);
    int state = Z_OK;
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(packed_.data());
      stream_.avail_out = static_cast<uInt>(packed_.size());
      state = deflate(&stream_, last ? flush : Z_NO_FLUSH);
      if (state == Z_STREAM_ERROR) return fail(EINVAL, "zlib lost its state");
      const std::size_t made = packed_.size() - stream_.avail_out;
      if (made > 0) TRY(out_(std::span(packed_).first(made)));
    } while (stream_.avail_out == 0 && state != Z_STREAM_END);
  } while (!plain.empty());
  return {};
}

}  // namespace

std::unique_ptr<Packer> gzip_packer(Packer::Out out, int level) { return std::make_unique<GzipPacker>(std::move(out), level); }

}  // namespace acetate
