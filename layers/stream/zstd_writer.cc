#include "layers/stream/zstd_writer.h"

#include <zstd.h>

#include <vector>

namespace acetate {

struct ZstdWriter::State {
  Out out;
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::vector<std::byte> packed = std::vector<std::byte>(ZSTD_CStreamOutSize());

  ~State() { ZSTD_freeCCtx(context); }
  Result<void> run(std::span<const std::byte> plain, ZSTD_EndDirective end);
};

ZstdWriter::ZstdWriter(Out out, int level) : state_(std::make_unique<State>()) {
  state_->out = std::move(out);
  if (state_->context == nullptr) return;
  ZSTD_CCtx_setParameter(state_->context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(state_->context, ZSTD_c_checksumFlag, 1);
}

ZstdWriter::ZstdWriter(ZstdWriter&&) noexcept = default;
ZstdWriter& ZstdWriter::operator=(ZstdWriter&&) noexcept = default;
ZstdWriter::~ZstdWriter() = default;

Result<void> ZstdWriter::State::run(std::span<const std::byte> plain, ZSTD_EndDirective end) {
  if (context == nullptr) return fail(ENOMEM, "libzstd could not begin to compress");
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  for (bool more = true; more;) {
    ZSTD_outBuffer made{packed.data(), packed.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context, &made, &in, end);
    if (ZSTD_isError(left)) return fail(EINVAL, "libzstd: {}", ZSTD_getErrorName(left));
    if (made.pos > 0) TRY(out(std::span(packed).first(made.pos)));
    more = end == ZSTD_e_end ? left != 0 : in.pos < in.size;
  }
  return {};
}

Result<void> ZstdWriter::write(std::span<const std::byte> plain) { return state_->run(plain, ZSTD_e_continue); }

Result<void> ZstdWriter::finish() { return state_->run({}, ZSTD_e_end); }

}  // namespace acetate
