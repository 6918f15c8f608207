#include "layers/tar/index_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/sys/copy.h"
#include "base/sys/file.h"

namespace acetate {

namespace {

using lix::SectionId;

struct Known {
  SectionId id;
  std::uint32_t item_bytes;
  bool is_needed = true;
};
constexpr std::array kSections = {
    Known{SectionId::inodes, sizeof(lix::Inode)},
    Known{SectionId::dirents, sizeof(lix::Dirent)},
    Known{SectionId::slots, sizeof(lix::Slot)},
    Known{SectionId::strings, 1},
    Known{SectionId::xattrs, 1},
    Known{SectionId::extents, sizeof(lix::Extent)},
    Known{SectionId::checkpoints, sizeof(lix::CheckpointRecord)},
    Known{SectionId::windows, 1},
    Known{SectionId::group_sums, sizeof(std::uint64_t)},
    Known{SectionId::content_ids, 32},
    Known{SectionId::sources, sizeof(lix::Source), false},
};

// Nobody but us and root can change it: what is mapped then stays what it is.
bool is_trusted(const struct stat& st) {
  return (st.st_uid == ::geteuid() || st.st_uid == 0) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::uint64_t sum_of(const lix::Header& header) {
  return xxh3(std::as_bytes(std::span(&header, 1)).first(offsetof(lix::Header, sum)));
}

Result<sys::Mapping> map_copy(FdRef fd, std::uint64_t size) {
  const Fd copy = TRY(sys::memory_file("acetate-layer-index"));
  TRY(sys::truncate(copy.ref(), size));
  const std::uint64_t copied = TRY(sys::copy_range(fd, 0, copy.ref(), 0, size));
  if (copied != size) return Error(EBADMSG);
  TRY(sys::seal(copy.ref()));
  return sys::map_file(copy.ref(), size);
}

void leave_note(const std::string& path) {
  (void)sys::make_dirs(path.substr(0, path.rfind('/')), 0700);
  (void)sys::open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644);
}

}  // namespace

Result<std::unique_ptr<const IndexFile>> IndexFile::open(FdRef fd, std::string path, lix::IndexKind kind,
                                                         std::uint64_t verified_whole, std::string note) {
  const struct stat st = TRY(sys::stat(fd));
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (!S_ISREG(st.st_mode) || size < lix::kHeaderBytes) return Error(EBADMSG);

  std::unique_ptr<IndexFile> file(new IndexFile);
  file->path_ = std::move(path);
  file->note_ = std::move(note);
  auto mapping = is_trusted(st) ? sys::map_file(fd, size) : map_copy(fd, size);
  // A file system that cannot be mapped can still be read.
  if (!mapping && mapping.error().is(ENODEV)) mapping = map_copy(fd, size);
  if (!mapping) return std::move(mapping).error();
  file->mapping_ = *std::move(mapping);
  if (file->is_of_another_version()) return Error(ENOTSUP);
  if (!file->read_header(kind) || !file->read_sections()) return Error(EBADMSG);
  if (size <= verified_whole && !file->verify_all()) return Error(EBADMSG);
  return std::unique_ptr<const IndexFile>(std::move(file));
}

bool IndexFile::is_of_another_version() const {
  lix::Header header;
  std::memcpy(&header, all().data(), sizeof header);
  return std::memcmp(header.magic, lix::kMagic, sizeof header.magic) == 0 && header.major != lix::kMajor &&
         header.sum == sum_of(header);
}

bool IndexFile::read_header(lix::IndexKind kind) {
  std::memcpy(&header_, all().data(), sizeof header_);
  return std::memcmp(header_.magic, lix::kMagic, sizeof header_.magic) == 0 && header_.major == lix::kMajor &&
         header_.incompatible == static_cast<std::uint32_t>(kind) && header_.file_bytes == all().size() &&
         header_.section_count <= lix::kMaxSections &&
         header_.sum == sum_of(header_);
}

bool IndexFile::read_sections() {
  std::array<bool, kSectionIds> seen{};
  for (std::uint32_t i = 0; i < header_.section_count; ++i) {
    const lix::SectionRecord& record = header_.sections[i];
    for (const Known& known : kSections) {
      const auto id = static_cast<std::size_t>(known.id);
      if (record.id != id) continue;
      if (seen[id] || record.item_bytes != known.item_bytes || record.offset < lix::kHeaderBytes ||
          record.offset % 8 != 0 || !in_bounds(record.offset, record.length, all().size()) ||
          record.length % record.item_bytes != 0)
        return false;
      seen[id] = true;
      sections_[id] = {record.offset, record.length, record.length / record.item_bytes};
    }
  }
  for (const Known& known : kSections)
    if (known.is_needed && !seen[static_cast<std::size_t>(known.id)]) return false;

  // The checksums stand last, and every byte between the header and them belongs to a group.
  const Span& sums = sections_[static_cast<std::size_t>(SectionId::group_sums)];
  groups_ = (sums.offset - lix::kHeaderBytes + lix::kGroupBytes - 1) / lix::kGroupBytes;
  if (sums.count != groups_ || sums.offset + sums.length != all().size()) return false;
  if (xxh3(all().subspan(sums.offset, sums.length)) != header_.group_sums_sum) return false;
  for (const Known& known : kSections) {
    const Span& section = sections_[static_cast<std::size_t>(known.id)];
    if (known.id != SectionId::group_sums && section.offset + section.length > sums.offset) return false;
  }
  if (!std::has_single_bit(count(SectionId::slots)) || count(SectionId::inodes) == 0) return false;
  verified_ = std::make_unique<std::atomic<std::uint64_t>[]>(groups_ / 64 + 1);
  return true;
}

bool IndexFile::verify_all() const {
  for (std::uint64_t group = 0; group < groups_; ++group)
    if (!sum_matches(group)) return false;
  return !mapping_.failed();
}

bool IndexFile::sum_matches(std::uint64_t group) const {
  const Span& sums = sections_[static_cast<std::size_t>(SectionId::group_sums)];
  const std::uint64_t begin = lix::kHeaderBytes + group * lix::kGroupBytes;
  std::uint64_t expected;
  std::memcpy(&expected, all().data() + sums.offset + group * sizeof expected, sizeof expected);
  if (xxh3(all().subspan(begin, std::min(lix::kGroupBytes, sums.offset - begin))) != expected) return false;
  verified_[group / 64].fetch_or(std::uint64_t{1} << (group % 64), std::memory_order_release);
  return true;
}

Result<void> IndexFile::verify(std::uint64_t group) const {
  if (!sum_matches(group)) return damaged();
  return {};
}

Error IndexFile::damaged() const {
  if (!reported_.exchange(true)) {
    log::warn("layer index {} is damaged; files of its layer cannot be read until it is mounted again",
              path_.empty() ? "in memory" : path_);
    if (!path_.empty()) (void)sys::unlink({kWorkingDir, path_.c_str()});
    if (!note_.empty()) leave_note(note_);
  }
  return Error(EIO);
}

}  // namespace acetate
