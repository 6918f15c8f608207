// IndexFile: the bytes of a layer index, mapped, of which nothing is handed out before its checksum was seen.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/sys/memory.h"
#include "layers/tar/index_format.h"

namespace acetate {

class IndexFile {
 public:
  // Maps an index. A file that somebody other than its owner could write, or whose owner is neither we nor
  // root, is copied into a sealed memory file first: nobody can change or shorten it under us then. `path` is
  // for messages, and is removed if damage is found later, so that the next open makes a new index; empty when
  // there is none. `note`, where one is given, is a file that is made then, for an index that is not ours to remove.
  //
  // ENOTSUP, bare: an index of another version. EBADMSG, bare: no index, of another kind, or damaged as far as is
  // checked here: the header, the checksums' own checksum, the section table; and all of it up to `verified_whole` bytes.
  static Result<std::unique_ptr<const IndexFile>> open(FdRef fd, std::string path,
                                                      lix::IndexKind kind = lix::IndexKind::layer,
                                                      std::uint64_t verified_whole = kVerifiedWhole,
                                                      std::string note = {});

  // Up to here damage means a new index and not an EIO later: that of some 5,000 files. A larger one is verified as it is
  // read, so that a mount costs the same however many files there are: 9 MiB for 60,000 would take 2 ms.
  static constexpr std::uint64_t kVerifiedWhole = std::uint64_t{1} << 20;

  const lix::Header& header() const noexcept { return header_; }

  // Bytes of a section. The first touch of a group of 64 KiB verifies it; after that no lock, no allocation
  // and no system call. EIO where they are damaged (logged once) or lie outside the section.
  Result<std::span<const std::byte>> bytes(lix::SectionId id, std::uint64_t offset, std::uint64_t length) const {
    const Span& section = sections_[static_cast<std::size_t>(id)];
    if (!in_bounds(offset, length, section.length)) [[unlikely]] return damaged();
    const std::uint64_t at = section.offset + offset;
    if (length != 0) {
      const std::uint64_t last = group_of(at + length - 1);
      for (std::uint64_t group = group_of(at); group <= last; ++group)
        if (!is_verified(group)) [[unlikely]] TRY(verify(group));
      // Pages may have left memory since, and may not be had again: touched here, they are there for the caller.
      for (std::uint64_t page = at / kPage * kPage; page < at + length; page += kPage)
        (void)*static_cast<const volatile std::byte*>(&all()[std::max(page, at)]);
      if (mapping_.failed()) [[unlikely]] return damaged();
    }
    return all().subspan(at, length);
  }

  std::uint64_t count(lix::SectionId id) const noexcept { return sections_[static_cast<std::size_t>(id)].count; }

  // One record, copied out.
  template <class T>
  Result<T> record(lix::SectionId id, std::uint64_t number) const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (number >= count(id)) [[unlikely]] return damaged();
    const auto raw = TRY(bytes(id, number * sizeof(T), sizeof(T)));
    T value;
    std::memcpy(&value, raw.data(), sizeof value);
    if (mapping_.failed()) [[unlikely]] return damaged();  // its page may have gone since it was looked at
    return value;
  }

  // Every group against its checksum.
  bool verify_all() const;

  // Whoever finds that the records contradict each other says so here: logged once, and the file is removed, or its note made.
  Error damaged() const;

 private:
  struct Span {
    std::uint64_t offset = 0, length = 0, count = 0;
  };
  static constexpr std::size_t kSectionIds = 12;
  static constexpr std::uint64_t kPage = 4096;

  IndexFile() = default;
  bool is_of_another_version() const;
  bool read_header(lix::IndexKind kind);
  bool read_sections();

  std::span<const std::byte> all() const noexcept { return mapping_.bytes(); }
  static std::uint64_t group_of(std::uint64_t offset) noexcept {
    return (offset - lix::kHeaderBytes) / lix::kGroupBytes;
  }
  bool is_verified(std::uint64_t group) const noexcept {
    return (verified_[group / 64].load(std::memory_order_acquire) >> (group % 64) & 1U) != 0;
  }
  Result<void> verify(std::uint64_t group) const;
  bool sum_matches(std::uint64_t group) const;

  sys::Mapping mapping_;
  std::string path_, note_;
  lix::Header header_{};
  Span sections_[kSectionIds];
  std::uint64_t groups_ = 0;
  std::unique_ptr<std::atomic<std::uint64_t>[]> verified_;
  mutable std::atomic<bool> reported_ = false;
};

}  // namespace acetate
