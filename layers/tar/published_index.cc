#include "layers/tar/published_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "layers/stream/finer_spans.h"
#include "layers/tar/index_bytes.h"
#include "layers/tar/tar_file.h"

namespace acetate {

namespace {

// A regular file that lies in one piece.
struct Placed {
  std::uint64_t begin = 0, end = 0;
  lix::Inode inode{};
};

// By where they lie.
Result<std::vector<Placed>> files_of(const LayerIndex& index) {
  std::vector<Placed> files;
  for (std::uint32_t number = 0; number < index.facts().inodes; ++number) {
    const lix::Inode inode = TRY(index.inode(number));
    if (!S_ISREG(inode.mode) || (inode.flags & (lix::kSparse | lix::kLinkTo)) != 0 || inode.size == 0) continue;
    if (inode.data > index.facts().plain_bytes || inode.size > index.facts().plain_bytes - inode.data) return fail(EBADMSG, "the layer index is damaged");
    files.push_back({inode.data, inode.data + inode.size, inode});
  }
  std::ranges::sort(files, {}, &Placed::begin);
  return files;
}

// Where `point` was noted without a length: to the end of its span.
Result<TracePoint> with_length(const LayerIndex& index, const CheckpointTable& spans, TracePoint point) {
  if (point.bytes != 0) return point;
  const std::size_t span = TRY(find_span(spans, point.offset));
  const std::uint64_t end = span + 1 < spans.count() ? TRY(spans.mark(span + 1)).plain_offset : index.facts().plain_bytes;
  point.bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(end - point.offset, std::numeric_limits<std::uint32_t>::max()));
  return point;
}

// So many bytes from where a file begins, for whoever comes to `point`.
TracePoint of_file(const Placed& file, const TracePoint& point, std::uint64_t bytes) {
  const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
  return {.offset = file.begin, .ms = point.ms, .missed = point.missed, .bytes = length};
}

}  // namespace

Result<std::vector<TracePoint>> points_for_others(const LayerIndexPtr& index, const SourcePtr& packed, std::vector<TracePoint> points) {
  if (points.empty() || index->facts().format == Format::plain) return points;
  const auto files = TRY(files_of(*index));
  const auto spans = LayerIndex::checkpoints(index);
  const auto bytes = TRY(plain_bytes(index, packed));
  std::vector<TracePoint> all;
  std::vector<bool> is_seen(files.size());
  for (const TracePoint& noted : points) {
    if (noted.offset >= index->facts().plain_bytes) continue;
    const TracePoint point = TRY(with_length(*index, *spans, noted));
    if (noted.bytes == 0) {  // of a span nobody knows which of its files it was
      all.push_back(point);
      continue;
    }
    std::vector<TracePoint> programs;
    auto file = std::ranges::upper_bound(files, point.offset, {}, &Placed::begin);
    if (file != files.begin()) --file;
    for (; file != files.end() && file->begin < point.end(); ++file) {
      const auto number = static_cast<std::size_t>(file - files.begin());
      if (file->end <= point.offset || is_seen[number]) continue;
      is_seen[number] = true;
      if (TRY(is_program(*TRY(open_tar_file(*index, bytes, file->inode)))))
        programs.push_back(of_file(*file, point, file->end - file->begin));
      else if (file->begin < point.offset)
        all.push_back(of_file(*file, point, kProgramMark));
    }
    all.push_back(point);
    all.insert(all.end(), programs.begin(), programs.end());
  }
  if (all.size() > kMostTracePoints) all.resize(kMostTracePoints);
  return all;
}

Result<void> write_index_for_others(const LayerIndexPtr& index, const SourcePtr& packed, const std::vector<TracePoint>& points, FdRef out) {
  const auto spans = LayerIndex::checkpoints(index);
  std::vector<PlainRange> wanted;
  for (const TracePoint& point : points) wanted.push_back({point.offset, std::min(point.end(), index->facts().plain_bytes)});
  std::erase_if(wanted, [](const PlainRange& range) { return range.begin >= range.end; });
  std::ranges::sort(wanted, {}, &PlainRange::begin);
  std::vector<PlainRange> merged;
  for (const PlainRange& range : wanted) {
    if (!merged.empty() && range.begin <= merged.back().end)
      merged.back().end = std::max(merged.back().end, range.end);
    else
      merged.push_back(range);
  }
  const auto finer = TRY(finer_spans({.packed = packed, .format = index->facts().format, .plain_size = index->facts().plain_bytes, .checkpoints = spans}, merged));
  return index->write_with(finer, out);
}

}  // namespace acetate
