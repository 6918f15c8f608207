#include "layers/tar/layer_index.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/rel_path.h"
#include "layers/tar/index_sections.h"

namespace acetate {

using lix::SectionId;

LayerIndex::LayerIndex(std::unique_ptr<const IndexFile> file, const Digest& blob) : file_(std::move(file)) {
  const lix::Header& header = file_->header();
  facts_.blob = blob;
  facts_.diff_id = Digest(Digest::Algorithm::sha256, header.diff_id);
  facts_.packed_bytes = header.packed_bytes;
  facts_.plain_bytes = header.plain_bytes;
  facts_.entries = header.entries;
  facts_.format = static_cast<Format>(header.format);
  facts_.inodes = file_->count(SectionId::inodes);
  facts_.spans = file_->count(SectionId::checkpoints);
  facts_.index_bytes = header.file_bytes;
  facts_.window_bytes = file_->count(SectionId::windows);
  facts_.string_bytes = file_->count(SectionId::strings);
  facts_.fingerprint = header.group_sums_sum;
}

Result<std::shared_ptr<const LayerIndex>> LayerIndex::open(FdRef fd, std::string path, const Digest& blob,
                                                           lix::IndexKind kind, std::uint64_t verified_whole, std::string note) {
  // Before the memory is taken: TRY returns out of the middle of an expression, and nobody would own it yet.
  auto file = TRY(IndexFile::open(fd, std::move(path), kind, verified_whole, std::move(note)));
  std::shared_ptr<const LayerIndex> index(new LayerIndex(std::move(file), blob));
  const lix::Header& header = index->file_->header();
  if (!std::ranges::equal(header.blob, blob.head()) || header.format > 0xff) return Error(EBADMSG);
  const auto root = index->inode(kRoot);
  if (!root) return Error(EBADMSG);
  if (!S_ISDIR(root->mode)) return Error(EBADMSG);
  return index;
}

Result<lix::Inode> LayerIndex::inode(std::uint32_t number) const {
  const lix::Inode inode = TRY(file_->record<lix::Inode>(SectionId::inodes, number));
  const bool type_known = S_ISREG(inode.mode) || S_ISDIR(inode.mode) || S_ISLNK(inode.mode) || S_ISFIFO(inode.mode) ||
                          S_ISCHR(inode.mode) || S_ISBLK(inode.mode) || S_ISSOCK(inode.mode);
  if (!type_known || (inode.flags & ~std::uint32_t{lix::kKnownInodeFlags}) != 0 || inode.mtime_ns >= 1'000'000'000)
    [[unlikely]] return file_->damaged();
  return inode;
}

Result<std::string_view> LayerIndex::string(std::uint64_t at, std::uint64_t bytes) const {
  return as_text(TRY(file_->bytes(SectionId::strings, at, bytes)));
}

// A dirent of `dir`, checked against it.
Result<lix::Dirent> LayerIndex::dirent(std::uint32_t number, std::uint32_t dir) const {
  const lix::Dirent entry = TRY(file_->record<lix::Dirent>(SectionId::dirents, number));
  const auto marker = static_cast<Marker>(entry.marker);
  const bool marker_known = marker == Marker::none || marker == Marker::whiteout || marker == Marker::link_to;
  if (entry.parent != dir || !marker_known || entry.name_bytes == 0 ||
      entry.inode >= file_->count(SectionId::inodes) || (entry.type == DT_DIR && entry.inode <= dir))
    [[unlikely]] return file_->damaged();
  return entry;
}

Result<LayerIndex::Found> LayerIndex::lookup(std::uint32_t dir, std::string_view name) const {
  const lix::Inode parent = TRY(inode(dir));
  if (!S_ISDIR(parent.mode)) return Error(ENOTDIR);
  const std::uint32_t hash = lix::name_hash(file_->header().name_seed, dir, name);
  const std::uint64_t slots = file_->count(SectionId::slots);
  for (std::uint64_t probe = 0; probe < slots; ++probe) {
    const auto slot = TRY(file_->record<lix::Slot>(SectionId::slots, (hash + probe) & (slots - 1)));
    if (slot.item == 0) return Error(ENOENT);
    if (slot.hash != hash) continue;
    // Another directory's name may have the same hash.
    const auto raw = TRY(file_->record<lix::Dirent>(SectionId::dirents, slot.item - 1));
    if (raw.parent != dir || TRY(string(raw.name, raw.name_bytes)) != name) continue;
    const lix::Dirent entry = TRY(dirent(slot.item - 1, dir));
    Found found{.number = entry.inode, .marker = static_cast<Marker>(entry.marker)};
    if (found.marker == Marker::whiteout) return found;
    found.inode = TRY(inode(entry.inode));
    const bool is_link = (found.inode.flags & lix::kLinkTo) != 0;
    if (dirent_type(found.inode.mode) != entry.type || is_link != (found.marker == Marker::link_to))
      [[unlikely]] return file_->damaged();
    if ((found.inode.flags & lix::kOpaque) != 0 && entry.type == DT_DIR) found.marker = Marker::opaque;
    return found;
  }
  return file_->damaged();  // a table without a free slot is none of ours
}

Result<void> LayerIndex::list(std::uint32_t dir, const std::function<bool(const Listed&)>& each) const {
  const lix::Inode parent = TRY(inode(dir));
  if (!S_ISDIR(parent.mode)) return Error(ENOTDIR);
  const std::uint64_t first = lix::low_half(parent.data);
  const std::uint64_t count = lix::high_half(parent.data);
  if (!in_bounds(first, count, file_->count(SectionId::dirents))) return file_->damaged();
  for (std::uint64_t i = first; i < first + count; ++i) {
    const lix::Dirent entry = TRY(dirent(static_cast<std::uint32_t>(i), dir));
    const std::string_view name = TRY(string(entry.name, entry.name_bytes));
    // A name with a slash in it, or "..", would be a path where a kernel expects none.
    constexpr std::size_t kLongestName = 255;
    if (!RelPath::is_name(name) || name.size() > kLongestName) return file_->damaged();
    const Listed listed{name, entry.type, static_cast<Marker>(entry.marker), entry.inode};
    if (!each(listed)) break;
  }
  return {};
}

Result<std::string_view> LayerIndex::text(const lix::Inode& inode) const {
  return string(lix::low_half(inode.data), lix::high_half(inode.data));
}

Result<void> LayerIndex::xattrs(
    const lix::Inode& inode, const std::function<bool(std::string_view, std::string_view)>& each) const {
  if (inode.xattrs == 0) return {};
  std::uint64_t at = std::uint64_t{inode.xattrs - 1} * 8;
  const auto number = [&]() -> Result<std::uint32_t> {
    std::uint32_t value;
    std::memcpy(&value, TRY(file_->bytes(SectionId::xattrs, at, sizeof value)).data(), sizeof value);
    at += sizeof value;
    return value;
  };
  const auto text = [&](std::uint32_t bytes) -> Result<std::string_view> {
    const auto raw = TRY(file_->bytes(SectionId::xattrs, at, bytes));
    at += bytes;
    return as_text(raw);
  };
  const std::uint32_t count = TRY(number());
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t name_bytes = TRY(number());
    const std::uint32_t value_bytes = TRY(number());
    const std::string_view name = TRY(text(name_bytes));
    if (!each(name, TRY(text(value_bytes)))) break;
  }
  return {};
}

Result<std::optional<Digest>> LayerIndex::content_id(const lix::Inode& inode) const {
  if (inode.content_id == 0) return std::optional<Digest>();
  using Bytes = std::array<std::byte, Digest::kHeadBytes>;
  return std::optional(Digest(Digest::Algorithm::sha256, TRY(file_->record<Bytes>(SectionId::content_ids, inode.content_id - 1))));
}

Result<lix::Source> LayerIndex::source(std::uint32_t number) const {
  return file_->record<lix::Source>(SectionId::sources, number);
}

Result<lix::Extent> LayerIndex::extent(const lix::Inode& inode, std::uint32_t i) const {
  const lix::Extent extent = TRY(file_->record<lix::Extent>(SectionId::extents, inode.data + i));
  if (!in_bounds(extent.file_offset, extent.length, inode.size) ||
      !in_bounds(extent.plain_offset, extent.length, facts_.plain_bytes) || extent.length == 0)
    return file_->damaged();
  return extent;
}

Result<void> LayerIndex::write_with(std::span<const Checkpoint> table, FdRef out) const {
  lix::Header header = file_->header();
  header.section_count = 0;
  std::ranges::fill(header.sections, lix::SectionRecord{});
  SectionWriter sections(out, header);
  const auto copy = [&](SectionId id, std::size_t item_bytes) -> Result<void> {
    sections.begin(id, static_cast<std::uint32_t>(item_bytes));
    return sections.append(TRY(file_->bytes(id, 0, file_->count(id) * item_bytes)));
  };
  TRY(copy(SectionId::inodes, sizeof(lix::Inode)));
  TRY(copy(SectionId::dirents, sizeof(lix::Dirent)));
  TRY(copy(SectionId::slots, sizeof(lix::Slot)));
  TRY(copy(SectionId::strings, 1));
  TRY(copy(SectionId::xattrs, 1));
  TRY(copy(SectionId::extents, sizeof(lix::Extent)));
  TRY(sections.checkpoints(table));
  TRY(copy(SectionId::content_ids, Digest::kHeadBytes));
  TRY(sections.windows(table));
  return sections.finish();
}

// Reads checkpoints where they lie, windows included.
class IndexCheckpoints final : public CheckpointTable {
 public:
  explicit IndexCheckpoints(std::shared_ptr<const LayerIndex> index) : index_(std::move(index)) {}
  std::size_t count() const override { return file().count(SectionId::checkpoints); }
  Result<CheckpointView> at(std::size_t i) const override {
    const auto record = TRY(this->record(i));
    const auto window = TRY(file().bytes(SectionId::windows, record.window, record.window_bytes));
    return CheckpointView{record.plain_offset, record.packed_bit, window, digest_of(record)};
  }
  Result<SpanMark> mark(std::size_t i) const override {
    const auto record = TRY(this->record(i));
    return SpanMark{record.plain_offset, record.packed_bit, digest_of(record)};
  }

 private:
  Result<lix::CheckpointRecord> record(std::size_t i) const { return file().record<lix::CheckpointRecord>(SectionId::checkpoints, i); }
  static std::optional<Digest> digest_of(const lix::CheckpointRecord& record) {
    if ((record.flags & lix::kDigestKnown) == 0) return std::nullopt;
    return Digest(Digest::Algorithm::sha256, record.digest);
  }
  const IndexFile& file() const noexcept { return *index_->file_; }
  std::shared_ptr<const LayerIndex> index_;
};

CheckpointTablePtr LayerIndex::checkpoints(std::shared_ptr<const LayerIndex> index) {
  return std::make_shared<IndexCheckpoints>(std::move(index));
}

}  // namespace acetate
