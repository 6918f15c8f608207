// The bytes of a layer index (.lix), version 1, as C structs; the table with every field's meaning is
// docs/layer-index.md, and the two change together.
//
// Little-endian, read in place. A record read from a file is copied out and checked before it is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/hash.h"

namespace acetate::lix {

inline constexpr char kMagic[8] = {'A', 'C', 'E', 'T', 'L', 'I', 'X', '\n'};
inline constexpr std::uint16_t kMajor = 2;
inline constexpr std::uint16_t kMinor = 0;
inline constexpr std::uint64_t kHeaderBytes = 4096;
// What one checksum covers: small enough to be checked at a first touch (some microseconds), large enough that
// the checksums of a million files' index are 13 KiB.
inline constexpr std::uint64_t kGroupBytes = 64 * 1024;
inline constexpr std::uint32_t kMaxSections = 32;

// Sections by id. A reader ignores ids it does not know; those named here must all be there, empty or not.
enum class SectionId : std::uint32_t {
  inodes = 1,
  dirents = 2,
  slots = 3,
  strings = 4,
  xattrs = 5,
  extents = 6,
  checkpoints = 7,
  windows = 8,
  group_sums = 9,
  content_ids = 10,
  sources = 11,  // of compiled stacks only
};

enum class IndexKind : std::uint32_t {
  layer = 0,
  stack = 1,  // the merged tree of several layers; data, targets and xattrs are read from them
};

struct SectionRecord {
  std::uint32_t id;
  std::uint32_t item_bytes;
  std::uint64_t offset;
  std::uint64_t length;
  std::uint64_t reserved;
};
static_assert(sizeof(SectionRecord) == 32);

struct Header {
  char magic[8];
  std::uint16_t major;
  std::uint16_t minor;
  std::uint32_t incompatible;  // IndexKind: whoever looks for one kind cannot take another for it
  std::uint64_t file_bytes;
  std::byte blob[32];
  std::byte diff_id[32];
  std::uint64_t packed_bytes;
  std::uint64_t plain_bytes;
  std::uint32_t format;  // acetate::Format
  std::uint32_t section_count;
  std::uint64_t entries;
  std::uint64_t name_seed;
  std::uint64_t group_sums_sum;  // xxh3 of the section group_sums
  std::byte reserved[120];
  SectionRecord sections[kMaxSections];
  std::byte rest[kHeaderBytes - 256 - sizeof(SectionRecord) * kMaxSections - 8];
  std::uint64_t sum;  // xxh3 of all header bytes before it
};
static_assert(sizeof(Header) == kHeaderBytes);
static_assert(offsetof(Header, sections) == 256);
static_assert(offsetof(Header, sum) == kHeaderBytes - 8);

enum InodeFlags : std::uint32_t {
  kOpaque = 1U << 0,       // a directory that hides what is below
  kLinkTo = 1U << 1,       // a hard link to a path the layer does not hold; `data` is where its text is
  kSparse = 1U << 2,       // `data` is the first of `extent_count` extents
  kImplied = 1U << 3,      // a directory that has no entry of its own
  kKnownInodeFlags = kOpaque | kLinkTo | kSparse | kImplied,
};

// `data`: regular file: offset in the plain stream; sparse: first extent; directory: first dirent, low half,
// and their number, high half; symlink and kLinkTo: where the text is in `strings`, low half, and its length,
// high half; device: rdev.
struct Inode {
  std::uint64_t size;
  std::uint64_t data;
  std::int64_t mtime;
  std::uint32_t mtime_ns;
  std::uint32_t mode;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint32_t nlink;
  std::uint32_t blocks;  // of 512 bytes, of sparse files; capped
  std::uint32_t xattrs;  // 0: none; else 1 + where the list begins in `xattrs`, in units of 8 bytes
  std::uint32_t flags;
  std::uint32_t extent_count;
  std::uint32_t content_id;  // 0: not known; else 1 + the number of the digest in `content_ids`
};
static_assert(sizeof(Inode) == 64);

struct Dirent {
  std::uint32_t name;  // where it begins in `strings`
  std::uint16_t name_bytes;
  std::uint8_t type;    // DT_*
  std::uint8_t marker;  // acetate::Marker: none, whiteout or link_to
  std::uint32_t inode;  // of a whiteout: 0
  std::uint32_t parent;
};
static_assert(sizeof(Dirent) == 16);

// A slot of the open-addressing table over all dirents: home is hash modulo the number of slots (a power of
// two), then the next and the next.
struct Slot {
  std::uint32_t hash;
  std::uint32_t item;  // 0: free; else 1 + the dirent's number
};
static_assert(sizeof(Slot) == 8);

// A stretch of data of a sparse file; rising and never overlapping within one file.
struct Extent {
  std::uint64_t file_offset;
  std::uint64_t plain_offset;
  std::uint64_t length;
};
static_assert(sizeof(Extent) == 24);

struct CheckpointRecord {
  std::uint64_t plain_offset;
  std::uint64_t packed_bit;
  std::uint64_t window;  // where it begins in `windows`
  std::uint32_t window_bytes;
  std::uint32_t flags;
  std::byte digest[32];
};
static_assert(sizeof(CheckpointRecord) == 64);
inline constexpr std::uint32_t kDigestKnown = 1U << 0;

// Whose object an inode of a compiled stack is.
struct Source {
  std::uint64_t ino;     // Attr::ino of the stack
  std::uint32_t layer;   // from the top
  std::uint32_t inode;   // in that layer's index
};
static_assert(sizeof(Source) == 16);

static_assert(std::is_trivially_copyable_v<Header> && std::is_trivially_copyable_v<Inode>);

// The seed comes from the blob's digest, so whoever makes a layer cannot choose names that all hash alike.
inline std::uint32_t name_hash(std::uint64_t seed, std::uint32_t dir, std::string_view name) noexcept {
  return static_cast<std::uint32_t>(xxh3(name, seed ^ (dir * std::uint64_t{0x9e3779b97f4a7c15})));
}

constexpr std::uint64_t pack_halves(std::uint32_t low, std::uint32_t high) noexcept {
  return low | std::uint64_t{high} << 32;
}
constexpr std::uint32_t low_half(std::uint64_t both) noexcept { return static_cast<std::uint32_t>(both); }
constexpr std::uint32_t high_half(std::uint64_t both) noexcept { return static_cast<std::uint32_t>(both >> 32); }

}  // namespace acetate::lix
