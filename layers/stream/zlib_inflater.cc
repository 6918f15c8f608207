// Inflating with zlib: not the fastest, but it is everywhere and stops exactly between blocks (Z_BLOCK).
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "layers/stream/inflater.h"

namespace acetate {

namespace {

constexpr int kRaw = -15;  // window bits; negative: no header, no trailer

// zlib's interface is not const-correct for input (unless ZLIB_CONST); it never writes there.
Bytef* zlib_pointer(std::span<const std::byte> bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

uInt zlib_size(std::size_t size) {
  return static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
}

class ZlibInflater final : public Inflater {
 public:
  ZlibInflater() = default;
  ZlibInflater(const ZlibInflater&) = delete;
  ZlibInflater& operator=(const ZlibInflater&) = delete;
  ~ZlibInflater() override { ::inflateEnd(&stream_); }

  Result<void> open() {
    if (::inflateInit2(&stream_, kRaw) != Z_OK) return Error(ENOMEM);
    return {};
  }

  Result<void> begin() override {
    if (::inflateReset2(&stream_, kRaw) != Z_OK) return Error(EINVAL);
    return {};
  }

  Result<void> resume(unsigned bits, std::byte byte, std::span<const std::byte> window) override {
    TRY(begin());
    if (bits > 0 && ::inflatePrime(&stream_, static_cast<int>(bits), static_cast<int>(byte) >> (8 - bits)) != Z_OK) {
      return Error(EINVAL);
    }
    if (!window.empty() &&
        ::inflateSetDictionary(&stream_, zlib_pointer(window), zlib_size(window.size())) != Z_OK) {
      return Error(ENOMEM);
    }
    return {};
  }

  Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool stop_at_blocks) override {
    stream_.next_in = zlib_pointer(in);
    stream_.avail_in = zlib_size(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = zlib_size(out.size());

    const int code = ::inflate(&stream_, stop_at_blocks ? Z_BLOCK : Z_NO_FLUSH);

    Step step;
    step.consumed = stream_.next_in - zlib_pointer(in);
    step.produced = static_cast<std::size_t>(stream_.next_out - reinterpret_cast<Bytef*>(out.data()));
    switch (code) {
      case Z_STREAM_END: step.at = At::end; return step;
      case Z_OK:
      case Z_BUF_ERROR: break;  // no progress: the caller sees that
      case Z_MEM_ERROR: return Error(ENOMEM);
      default: return fail(EBADMSG, "{}", stream_.msg != nullptr ? stream_.msg : "invalid deflate data");
    }
    // zlib.h on data_type: +128 right after a block, +64 while in the last one, below 8 the unused bits.
    if ((stream_.data_type & 0xc0) == 0x80) {
      step.at = At::block_start;
      step.unused_bits = static_cast<unsigned>(stream_.data_type & 7);
    }
    return step;
  }

 private:
  z_stream stream_{};
};

}  // namespace

Result<std::unique_ptr<Inflater>> zlib_inflater() {
  auto inflater = std::make_unique<ZlibInflater>();
  TRY(inflater->open());
  return std::unique_ptr<Inflater>(std::move(inflater));
}

}  // namespace acetate
