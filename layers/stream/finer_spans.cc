#include "layers/stream/finer_spans.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "layers/stream/decoder.h"
#include "layers/stream/inflater.h"
#include "layers/stream/slim_window.h"
#include "layers/stream/window.h"

namespace acetate {

namespace {

constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;
// A checkpoint costs its window, and packed bytes are fetched in blocks of 64 KiB: what lies so close together is one piece, and none is
// shorter.
constexpr std::uint64_t kWorthCutting = std::uint64_t{128} << 10;

// Bytes of one span, and where in them decoding can begin.
struct Decoded {
  std::vector<std::byte> before;  // up to 32 KiB
  std::vector<std::byte> plain;
  struct Start {
    std::uint64_t offset;  // in `plain`
    StartPoint point;
  };
  std::vector<Start> starts;  // by rising offset
};

Result<std::unique_ptr<Decoder>> decoder_from(const PackedStream& stream, const CheckpointView& at, InflateEngine engine) {
  return decoder_at(stream.format, PackedReader(stream.packed, at.packed_bit / 8, kPackedBuffer), at, engine);
}

class Cutting {
 public:
  Cutting(const PackedStream& stream, std::uint64_t every, InflateEngine engine) : stream_(stream), every_(every), engine_(engine) {}

  Result<std::vector<Checkpoint>> run(std::span<const PlainRange> wanted) {
    for (std::size_t i = 0; i < stream_.checkpoints->count(); ++i) {
      const auto at = TRY(stream_.checkpoints->at(i));
      if (!at.digest) return fail(EBADMSG, "its span {} has no digest", i);
      const std::uint64_t end = TRY(end_of(i));
      if (at.plain_offset >= end || end - at.plain_offset > kMaxSpanBytes) return fail(EBADMSG, "its table of checkpoints is damaged");
      while (!wanted.empty() && wanted.front().end <= at.plain_offset) wanted = wanted.subspan(1);
      const bool is_wanted = !wanted.empty() && wanted.front().begin < end;
      if ((is_wanted || end - at.plain_offset > every_) && at.packed_bit != kNoStart && TRY(is_decoded_alone(i)))
        TRY(cut(at, end, wanted));
      else
        TRY(take(at));
    }
    return std::move(made_);
  }

 private:
  Result<std::uint64_t> end_of(std::size_t i) const {
    return i + 1 < stream_.checkpoints->count() ? TRY(stream_.checkpoints->mark(i + 1)).plain_offset : stream_.plain_size;
  }
  // The next one is not decoded by way of it.
  Result<bool> is_decoded_alone(std::size_t i) const {
    return i + 1 == stream_.checkpoints->count() || TRY(stream_.checkpoints->mark(i + 1)).has_start();
  }

  Result<void> take(const CheckpointView& at) {
    Checkpoint same{.plain_offset = at.plain_offset, .packed_bit = at.packed_bit, .window = {}, .digest = at.digest};
    if (!at.window.empty()) same.window = TRY(packed_window(at.packed_bit, TRY(unpack_window(at.window))));
    made_.push_back(std::move(same));
    return {};
  }

  Result<std::vector<std::byte>> packed_window(std::uint64_t packed_bit, std::span<const std::byte> window) const {
    return pack_window(TRY(slim_window(stream_.packed, packed_bit, window)));
  }

  // With all starts where something is wanted. Elsewhere those are enough that fill_up_to() looks for: a fast inflater is half as fast while
  // it looks for them.
  Result<Decoded> decoded(const CheckpointView& at, std::uint64_t end, bool is_wanted) const {
    Decoded made;
    if (!at.window.empty()) made.before = TRY(unpack_window(at.window));
    made.plain.resize(static_cast<std::size_t>(end - at.plain_offset));
    const auto decoder = TRY(decoder_from(stream_, at, engine_));
    for (std::size_t done = 0, next = is_wanted ? 0 : every_; done < made.plain.size();) {
      const auto rest = std::span(made.plain).subspan(done);
      const std::size_t got =
          TRY(done < next ? decoder->read(rest.first(std::min(rest.size(), next - done)), Decoder::Stop::anywhere) : decoder->read(rest, Decoder::Stop::at_starts));
      done += got;
      if (decoder->start() && done > 0 && done < made.plain.size()) {
        made.starts.push_back({done, *decoder->start()});
        if (!is_wanted) next = done + every_;
      }
      if (got == 0 && decoder->at_end()) return fail(EBADMSG, "it ends before the end its index tells");
    }
    if (Digest::of(made.plain) != at.digest)
      return fail(EBADMSG, "its bytes {} to {} are not those that were indexed", at.plain_offset, end);
    return made;
  }

  Result<void> cut(const CheckpointView& at, std::uint64_t end, std::span<const PlainRange> wanted) {
    const Decoded span = TRY(decoded(at, end, !wanted.empty() && wanted.front().begin < end));
    const auto cuts = where_to_cut(span, at.plain_offset, wanted);
    TRY(take(at));
    std::uint64_t begin = 0;
    for (const Decoded::Start* start : cuts) {
      close(span, begin, start->offset);
      begin = start->offset;
      Checkpoint next{.plain_offset = at.plain_offset + begin, .packed_bit = start->point.packed_bit, .window = {}, .digest = {}};
      if (start->point.needs_window) next.window = TRY(packed_window(next.packed_bit, window_at(span, begin)));
      made_.push_back(std::move(next));
    }
    close(span, begin, span.plain.size());
    return {};
  }

  // The span that was begun last ends.
  void close(const Decoded& span, std::uint64_t begin, std::uint64_t end) {
    made_.back().digest = Digest::of(std::span(span.plain).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  }

  static std::vector<std::byte> window_at(const Decoded& span, std::uint64_t offset) {
    const auto at = static_cast<std::size_t>(offset);
    const std::size_t here = std::min(at, kWindowBytes), there = std::min(span.before.size(), kWindowBytes - here);
    std::vector<std::byte> window(span.before.end() - static_cast<std::ptrdiff_t>(there), span.before.end());
    const auto from = span.plain.begin() + static_cast<std::ptrdiff_t>(at - here);
    window.insert(window.end(), from, from + static_cast<std::ptrdiff_t>(here));
    return window;
  }

  // At the last start before what is wanted and the first one behind it, and between those after so many bytes each.
  std::vector<const Decoded::Start*> where_to_cut(const Decoded& span, std::uint64_t plain_offset, std::span<const PlainRange> wanted) const {
    std::vector<const Decoded::Start*> cuts;
    const std::uint64_t size = span.plain.size();
    const auto first_at_or_after = [&](std::uint64_t offset) { return std::ranges::lower_bound(span.starts, offset, {}, &Decoded::Start::offset); };
    const auto soonest = [&] { return (cuts.empty() ? 0 : cuts.back()->offset) + kWorthCutting; };
    for (std::size_t i = 0; i < wanted.size() && wanted[i].begin < plain_offset + size; ++i) {
      const std::uint64_t begin = std::max(wanted[i].begin, plain_offset) - plain_offset;
      std::uint64_t end = wanted[i].end - plain_offset;
      while (i + 1 < wanted.size() && wanted[i + 1].begin <= plain_offset + end + kWorthCutting) end = std::max(end, wanted[++i].end - plain_offset);
      const auto behind_begin = first_at_or_after(begin + 1);
      if (behind_begin != span.starts.begin() && std::prev(behind_begin)->offset >= soonest()) cuts.push_back(&*std::prev(behind_begin));
      const auto behind_end = first_at_or_after(std::max(end, soonest()));
      if (behind_end != span.starts.end() && behind_end->offset + kWorthCutting <= size) cuts.push_back(&*behind_end);
    }
    std::vector<const Decoded::Start*> all;
    std::uint64_t last = 0;
    const auto fill_up_to = [&](std::uint64_t end) {
      while (last + every_ < end) {
        const auto next = first_at_or_after(last + every_);
        if (next == span.starts.end() || next->offset + kWorthCutting > end) return;
        all.push_back(&*next);
        last = next->offset;
      }
    };
    for (const Decoded::Start* start : cuts) {
      fill_up_to(start->offset);
      all.push_back(start);
      last = start->offset;
    }
    fill_up_to(size);
    return all;
  }

  const PackedStream& stream_;
  const std::uint64_t every_;
  const InflateEngine engine_;
  std::vector<Checkpoint> made_;
};

Result<void> read_all(Decoder& decoder, std::span<std::byte> into) {
  while (!into.empty()) {
    const std::size_t got = TRY(decoder.read(into, Decoder::Stop::anywhere));
    if (got == 0) return fail(EBADMSG, "it ends before the end its index tells");
    into = into.subspan(got);
  }
  return {};
}

Result<std::vector<Checkpoint>> spans_by(InflateEngine engine, const PackedStream& stream, std::span<const PlainRange> wanted, std::uint64_t every) {
  auto table = TRY(Cutting(stream, every, engine).run(wanted));
  TRY(verify_spans(stream, table, engine));
  return table;
}

}  // namespace

Result<void> verify_spans(const PackedStream& stream, std::span<const Checkpoint> table, InflateEngine engine) {
  std::unique_ptr<Decoder> decoder;
  std::vector<std::byte> plain;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const std::uint64_t begin = table[i].plain_offset, end = i + 1 < table.size() ? table[i + 1].plain_offset : stream.plain_size;
    if (begin >= end || end - begin > kMaxSpanBytes) return fail(EBADMSG, "its table of checkpoints is damaged");
    if (table[i].mark().has_start()) decoder = TRY(decoder_from(stream, table[i].view(), engine));
    if (decoder == nullptr) return fail(EBADMSG, "its table of checkpoints is damaged");
    plain.resize(static_cast<std::size_t>(end - begin));
    TRY(read_all(*decoder, plain));
    if (Digest::of(plain) != table[i].digest) return fail(EBADMSG, "its bytes {} to {} are not those that were indexed", begin, end);
  }
  return {};
}

Result<std::vector<Checkpoint>> finer_spans(const PackedStream& stream, std::span<const PlainRange> wanted, std::uint64_t every) {
  auto table = spans_by(InflateEngine::fastest, stream, wanted, every);
  if (table || !table.error().is(EBADMSG) || stream.format != Format::gzip || !has_fast_inflater()) return table;
  // As in first passes (tar_scan.cc): what a fast decoder got wrong looks like damage, and zlib decides.
  auto again = spans_by(InflateEngine::zlib, stream, wanted, every);
  if (again) log::warn("the fast gzip decoder failed on a layer, and zlib did not: {}", table.error().message());
  return again;
}

}  // namespace acetate
