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

}  // namespace

struct FirstPass::State {
  explicit State(const FirstPassOptions& wanted) : options(wanted), digester(wanted.blob_by, wanted.diff_id_by) {}

  Format format = Format::unknown;
  FirstPassOptions options;
  Digester digester;
  std::unique_ptr<Decoder> decoder;
  RecentBytes recent;
  std::vector<Checkpoint> checkpoints;
  std::uint64_t last_start = 0;  // plain offset of the last checkpoint that has a start
  std::optional<Error> failed;

  bool has_spans() const noexcept { return format != Format::plain; }
  // The plain bytes are the packed ones: one digest of them will do.
  bool is_hashed_once() const noexcept { return format == Format::plain && options.blob_by == options.diff_id_by; }
  std::uint64_t since_span() const { return decoder->plain_offset() - checkpoints.back().plain_offset; }
  std::uint64_t since_start() const { return decoder->plain_offset() - last_start; }

  Result<std::size_t> read(std::span<std::byte> into);
  Result<std::size_t> read_in_span(std::span<std::byte> into);
  Result<void> refuse_bombs() const;
  void begin_span(const std::optional<StartPoint>& start);
};

Result<FirstPass> FirstPass::open(SourcePtr packed, FirstPassOptions options) {
  if (options.span_bytes < 1 || options.span_bytes > kMaxSpanBytes / 2) {
    return fail(EINVAL, "checkpoints every {} bytes: must be from 1 to {}", options.span_bytes, kMaxSpanBytes / 2);
  }
  auto state = std::make_unique<State>(options);
  state->format = TRY(detect_format(*packed));
  Digester& digester = state->digester;
  PackedReader reader(std::move(packed), 0, kPackedBuffer,
                      [&digester, twice = state->format == Format::plain && !state->is_hashed_once()](std::span<const std::byte> bytes) {
                        digester.packed(bytes);
                        if (twice) digester.plain(bytes);
                      });
  if (state->format == Format::plain) {
    state->decoder = plain_decoder(std::move(reader));
  } else {
    state->decoder = TRY(decoder_at_start(state->format, std::move(reader), 0, Check::everything, options.engine));
  }
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
    TRY(refuse_bombs());
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

Result<void> FirstPass::State::refuse_bombs() const {
  const std::uint64_t plain = decoder->plain_offset();
  if (plain > options.most_plain_bytes)
    return fail(EFBIG, "it holds more than {} bytes, which no layer does", options.most_plain_bytes);
  const std::uint64_t packed = std::max<std::uint64_t>(decoder->packed().position(), 1);
  if (plain > options.ratio_free_bytes && plain / packed > options.most_ratio)
    return fail(EFBIG, "{} packed bytes hold more than {}: a layer that grows more than {}-fold is refused as a bomb",
                packed, plain, options.most_ratio);
  return {};
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
  result.diff_id = state.is_hashed_once() ? digests.packed : digests.plain;
  result.checkpoints = std::move(checkpoints);
  return result;
}

}  // namespace acetate
