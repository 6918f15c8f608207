#include <zstd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "layers/stream/packer.h"

namespace acetate {

namespace {

class ZstdPacker final : public Packer {
 public:
  ZstdPacker(Out out, int level) : out_(std::move(out)) {
    if (context_ == nullptr) return;
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdPacker() override { ZSTD_freeCCtx(context_); }

  Result<void> write(std::span<const std::byte> plain) override { return run(plain, ZSTD_e_continue); }
  Result<void> finish() override { return run({}, ZSTD_e_end); }

 private:
  Result<void> run(std::span<const std::byte> plain, ZSTD_EndDirective end);

  Out out_;
  ZSTD_CCtx* context_ = ZSTD_createCCtx();
  std::vector<std::byte> packed_ = std::vector<std::byte>(ZSTD_CStreamOutSize());
};

Result<void> ZstdPacker::run(std::span<const std::byte> plain, ZSTD_EndDirective end) {
  if (context_ == nullptr) return fail(ENOMEM, "libzstd could not begin to compress");
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  for (bool more = true; more;) {
    ZSTD_outBuffer made{packed_.data(), packed_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context_, &made, &in, end);
    if (ZSTD_isError(left)) return fail(EINVAL, "libzstd: {}", ZSTD_getErrorName(left));
    if (made.pos > 0) TRY(out_(std::span(packed_).first(made.pos)));
    more = end == ZSTD_e_end ? left != 0 : in.pos < in.size;
  }
  return {};
}

}  // namespace

std::unique_ptr<Packer> zstd_packer(Packer::Out out, int level) { return std::make_unique<ZstdPacker>(std::move(out), level); }

}  // namespace acetate
