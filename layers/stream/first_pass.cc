#include "layers/stream/first_pass.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "layers/stream/decoder.h"
#include "layers/stream/digester.h"
#include "layers/stream/recent_bytes.h"
#include "layers/stream/window.h"

namespace acetate {

namespace {

constexpr std::size_t kPackedBuffer = std::size_t{256} << 10;
constexpr std::size_t kDrainBuffer = std::size_t{256} << 10;

Result<std::unique_ptr<Decoder>> open_decoder(Format format, PackedReader packed, InflateEngine engine) {
  switch (format) {
    case Format::plain: return plain_decoder(std::move(packed));
    case Format::gzip: return gzip_decoder(std::move(packed), 0, Check::everything, engine);
    case Format::zstd: return zstd_decoder(std::move(packed), 0);
    case Format::xz:
    case Format::bzip2:
      return fail(ENOTSUP,
                  "layers packed with {} cannot be read at any offset yet; repack the image with gzip or zstd "
                  "(skopeo copy --dest-compress-format zstd)",
                  describe(format));
    case Format::unknown: break;
  }
  return fail(EBADMSG, "this is no layer: neither a tar, nor one packed with gzip or zstd");
}

}  // namespace

struct FirstPass::State {
  Format format = Format::unknown;
  FirstPassOptions options;
  Digester digester;
  std::unique_ptr<Decoder> decoder;
  RecentBytes recent;
  std::vector<Checkpoint> checkpoints;
  std::uint64_t last_start = 0;  // plain offset of the last checkpoint that has a start
  std::optional<Error> failed;

  bool has_spans() const noexcept { return format != Format::plain; }
  std::uint64_t since_span() const { return decoder->plain_offset() - checkpoints.back().plain_offset; }
  std::uint64_t since_start() const { return decoder->plain_offset() - last_start; }

  Result<std::size_t> read(std::span<std::byte> into);
  Result<std::size_t> read_in_span(std::span<std::byte> into);
  void begin_span(const std::optional<StartPoint>& start);
};

Result<FirstPass> FirstPass::open(SourcePtr packed, FirstPassOptions options) {
  if (options.span_bytes < 1 || options.span_bytes > kMaxSpanBytes / 2) {
    return fail(EINVAL, "checkpoints every {} bytes: must be from 1 to {}", options.span_bytes, kMaxSpanBytes / 2);
  }
  auto state = std::make_unique<State>();
  state->options = options;
  state->format = TRY(detect_format(*packed));
  Digester& digester = state->digester;
  PackedReader reader(std::move(packed), 0, kPackedBuffer,
                      [&digester](std::span<const std::byte> bytes) { digester.packed(bytes); });
  state->decoder = TRY(open_decoder(state->format, std::move(reader), options.engine));
  if (state->has_spans()) {
    state->checkpoints.push_back({.plain_offset = 0, .packed_bit = 0, .window = {}, .digest = {}});
  }
  return FirstPass(std::move(state));
}

FirstPass::FirstPass(std::unique_ptr<State> state) : state_(std::move(state)) {}
FirstPass::FirstPass(FirstPass&&) noexcept = default;
FirstPass& FirstPass::operator=(FirstPass&&) noexcept = default;
FirstPass::~FirstPass() = default;

Format FirstPass::format() const noexcept { return state_->format; }
std::uint64_t FirstPass::plain_offset() const noexcept { return state_->decoder->plain_offset(); }
std::uint64_t FirstPass::packed_offset() const noexcept { return state_->decoder->packed().position(); }

Result<std::size_t> FirstPass::read(std::span<std::byte> into) {
  if (state_->failed) return state_->failed->clone();
  if (into.empty()) return std::size_t{0};
  auto got = state_->read(into);
  if (!got) state_->failed = got.error().clone();
  return got;
}

Result<std::size_t> FirstPass::State::read(std::span<std::byte> into) {
  for (;;) {
    const std::size_t got =
        has_spans() ? TRY(read_in_span(into)) : TRY(decoder->read(into, Decoder::Stop::anywhere));
    if (got > 0 || decoder->at_end()) return got;
  }
}

// Reads up to where something may have to happen: to the first place where a start is wanted; then from legal
// start to legal start until one is there; and never past the longest span.
Result<std::size_t> FirstPass::State::read_in_span(std::span<std::byte> into) {
  const bool want_start = since_start() >= options.span_bytes;
  std::uint64_t room = 2 * options.span_bytes - since_span();
  if (!want_start) room = std::min(room, options.span_bytes - since_start());
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), room)));

  const std::size_t got =
      TRY(decoder->read(into, want_start ? Decoder::Stop::at_starts : Decoder::Stop::anywhere));
  digester.plain(into.first(got));
  recent.append(into.first(got));

  if (decoder->start() && since_start() > 0) {
    begin_span(decoder->start());
  } else if (since_span() == 2 * options.span_bytes) {
    begin_span(std::nullopt);
  }
  return got;
}

// Right after a split that found no start, a start makes the new span one that has it.
void FirstPass::State::begin_span(const std::optional<StartPoint>& start) {
  if (since_span() > 0) {
    digester.end_span();
    checkpoints.push_back({.plain_offset = decoder->plain_offset(), .window = {}, .digest = {}});
  }
  if (!start) return;
  Checkpoint& here = checkpoints.back();
  here.packed_bit = start->packed_bit;
  if (start->needs_window) here.window = pack_window(recent.window());
  last_start = here.plain_offset;
}

Result<FirstPassResult> FirstPass::finish() {
  std::vector<std::byte> buffer(kDrainBuffer);
  while (TRY(read(buffer)) > 0) {
  }
  State& state = *state_;
  FirstPassResult result;
  result.format = state.format;
  result.plain_size = state.decoder->plain_offset();

  PackedReader& packed = state.decoder->packed();
  const std::uint64_t end_of_data = packed.position();
  for (;;) {
    const auto ahead = TRY(packed.ahead());
    if (ahead.empty()) break;
    packed.move(static_cast<std::ptrdiff_t>(ahead.size()));
  }
  result.packed_size = packed.position();
  result.trailing_bytes = result.packed_size - end_of_data;

  // A last span without bytes (a start right before the end) is none, unless it is the only one.
  state.digester.end_span();
  auto& checkpoints = state.checkpoints;
  if (checkpoints.size() > 1 && checkpoints.back().plain_offset == result.plain_size) checkpoints.pop_back();
  Digester::Digests digests = state.digester.finish();
  for (std::size_t i = 0; i < checkpoints.size(); ++i) checkpoints[i].digest = digests.spans[i];
  result.blob = digests.packed;
  result.diff_id = state.format == Format::plain ? digests.packed : digests.plain;  // hashed once
  result.checkpoints = std::move(checkpoints);
  return result;
}

}  // namespace acetate
