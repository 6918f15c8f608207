#include "layers/tar/tar_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace acetate {

namespace {

// A stretch of the tar, or fewer bytes than it must have: EIO.
Result<void> read_exactly(const ByteSource& plain, std::span<std::byte> into, std::uint64_t offset) {
  const std::size_t count = TRY(plain.pread(into, offset));
  if (count != into.size())
    return fail(EIO, "the layer ends at byte {}, a file in it goes on", offset + count);
  return {};
}

std::optional<Extent> plain_extent(const SourcePtr& plain, std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || offset >= plain->size()) return std::nullopt;
  auto where = plain->stretch(offset, length);
  if (!where) return std::nullopt;
  // Nothing is ever evicted from the tarball itself; the pin then keeps its descriptor open.
  return Extent{.fd = where->fd, .fd_offset = where->fd_offset, .length = where->length,
                .pin = where->pin != nullptr ? std::move(where->pin) : plain};
}

class WholeFile final : public FileView {
 public:
  WholeFile(SourcePtr plain, const lix::Inode& inode)
      : plain_(std::move(plain)), data_(inode.data), size_(inode.size) {}

  std::uint64_t size() const override { return size_; }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= size_) return std::size_t{0};
    into = into.first(std::min<std::uint64_t>(into.size(), size_ - offset));
    TRY(read_exactly(*plain_, into, data_ + offset));
    return into.size();
  }
  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= size_) return std::size_t{0};
    return plain_->pread_at_hand(into.first(std::min<std::uint64_t>(into.size(), size_ - offset)), data_ + offset);
  }
  std::optional<Extent> extent(std::uint64_t offset) const override {
    if (offset >= size_) return std::nullopt;
    return plain_extent(plain_, data_ + offset, size_ - offset);
  }

 private:
  SourcePtr plain_;
  std::uint64_t data_;
  std::uint64_t size_;
};

class SparseFile final : public FileView {
 public:
  SparseFile(const LayerIndex& index, SourcePtr plain, const lix::Inode& inode)
      : index_(index), plain_(std::move(plain)), inode_(inode) {}

  std::uint64_t size() const override { return inode_.size; }

  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= inode_.size) return std::size_t{0};
    into = into.first(std::min<std::uint64_t>(into.size(), inode_.size - offset));
    std::size_t filled = 0;
    while (filled < into.size()) {
      const Piece piece = TRY(piece_at(offset + filled));
      const auto part = into.subspan(filled, std::min<std::uint64_t>(piece.length, into.size() - filled));
      if (piece.plain_offset) {
        TRY(read_exactly(*plain_, part, *piece.plain_offset));
      } else {
        std::memset(part.data(), 0, part.size());
      }
      filled += part.size();
    }
    return filled;
  }

  std::optional<Extent> extent(std::uint64_t offset) const override {
    if (offset >= inode_.size) return std::nullopt;
    const auto piece = piece_at(offset);
    if (!piece || !piece->plain_offset) return std::nullopt;
    return plain_extent(plain_, *piece->plain_offset, piece->length);
  }

  Segment segment(std::uint64_t offset) const override {
    const auto piece = piece_at(offset);
    // Where the map cannot be read it is data, so that pread() is asked and says why.
    if (!piece) return {offset, inode_.size - offset, false};
    return {offset, piece->length, !piece->plain_offset};
  }

 private:
  // What `offset` lies in, from there on.
  struct Piece {
    std::optional<std::uint64_t> plain_offset;  // nothing: a hole
    std::uint64_t length;                       // never 0
  };
  // `offset` < size.
  Result<Piece> piece_at(std::uint64_t offset) const {
    // The first extent that begins after it; the one before may hold it.
    std::uint32_t low = 0, high = inode_.extent_count;
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (TRY(index_.extent(inode_, middle)).file_offset <= offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    std::uint64_t end = inode_.size;
    if (low < inode_.extent_count) {
      end = TRY(index_.extent(inode_, low)).file_offset;
      if (end <= offset) return Error(EIO);  // extents out of order: damaged
    }
    if (low == 0) return Piece{std::nullopt, end - offset};
    const lix::Extent before = TRY(index_.extent(inode_, low - 1));
    if (before.file_offset > offset) return Error(EIO);
    const std::uint64_t inside = offset - before.file_offset;
    if (inside >= before.length) return Piece{std::nullopt, end - offset};
    return Piece{before.plain_offset + inside, std::min(before.length - inside, end - offset)};
  }

  const LayerIndex& index_;
  SourcePtr plain_;
  lix::Inode inode_;
};

}  // namespace

Result<std::unique_ptr<FileView>> open_tar_file(const LayerIndex& index, SourcePtr plain, const lix::Inode& inode) {
  if ((inode.flags & lix::kSparse) != 0)
    return std::unique_ptr<FileView>(std::make_unique<SparseFile>(index, std::move(plain), inode));
  if (!in_bounds(inode.data, inode.size, index.facts().plain_bytes)) return Error(EIO);
  return std::unique_ptr<FileView>(std::make_unique<WholeFile>(std::move(plain), inode));
}

Result<bool> is_program(const FileView& file) {
  constexpr std::string_view kElf = "\x7f" "ELF";
  static_assert(kElf.size() == kProgramMark);
  std::array<std::byte, kProgramMark> begin{};
  return file.size() > begin.size() && TRY(file.pread(begin, 0)) == begin.size() && as_text(begin) == kElf;
}

}  // namespace acetate
