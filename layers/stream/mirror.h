// Mirror: decoded spans of one blob in a sparse file, so that what one process has decoded no other decodes again.
// docs/mirror.md is the table of its bytes.
//
// A span is there when its record says so, and a block of it when its checksum is that of the bytes: torn writes, lost pages
// and a kill in the middle are then nothing but absence, and no write needs a sync. Whoever takes spans away
// (MirrorStore) holds a write lock on their record meanwhile; whoever stores or pins one holds a read lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"
#include "layers/stream/mirror_format.h"
#include "layers/stream/source.h"
#include "layers/stream/span_cache.h"

namespace acetate {

// A span by its number in the checkpoint table, and where its plain bytes begin and end.
struct SpanPlace {
  std::size_t number = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Thread-safe. Several may have one file open, in many processes.
class Mirror : public std::enable_shared_from_this<Mirror> {
 public:
  // What the file is of.
  struct Of {
    Digest blob;
    std::uint64_t plain_size = 0;
    std::uint64_t spans = 0;
    std::uint64_t cut = 0;  // the fingerprint of the index whose spans these are
  };
  // An empty file becomes a mirror. EBADMSG, bare: it is one of something else, or none. `stored` hears of every
  // span that is written; with it the file has a name, and once that is gone nothing more is stored, for nobody would take it away again.
  static Result<std::shared_ptr<Mirror>> open(Fd file, const Of& of, std::function<void(std::uint64_t)> stored = {});
  // Without a name, for streams that can only be decoded from their beginning, where nothing may be kept.
  static Result<std::shared_ptr<Mirror>> unnamed(const Of& of);

  // The bytes of a span, in the file, from which they are not taken away as long as somebody has them; null when they are not there.
  // Whether a part of them is what was stored is_true() says, when it is wanted.
  SpanBytes load(const SpanPlace& place) const;
  // What was found there is wrong: it is not there until it is stored again.
  void distrust(const SpanPlace& place) const;
  // Never fails: what cannot be kept is decoded again. A full disk ends storing, told once in the log.
  void store(const SpanPlace& place, std::span<const std::byte> bytes) const;
  // Whether a span is there, as far as can be told without reading it.
  bool holds(const SpanPlace& place) const { return record_of(place).has_value(); }
  // Nothing more is stored.
  bool is_full() const noexcept { return full_.load(std::memory_order_relaxed); }
  // A span that is there, from `offset` (inside it) on, not to be taken away while the pin lives.
  std::optional<ByteSource::Stretch> stretch(const SpanPlace& place, std::uint64_t offset) const;

 private:
  Mirror(Fd file, const Of& of, std::function<void(std::uint64_t)> stored);
  std::optional<mirror_format::Record> record_of(const SpanPlace& place) const;
  std::optional<std::vector<std::uint64_t>> block_sums_of(const SpanPlace& place, const mirror_format::Record& record) const;
  void touch(const SpanPlace& place, mirror_format::Record record) const;
  bool is_known(const SpanPlace& place, const mirror_format::Record& record) const;
  void know(const SpanPlace& place, const mirror_format::Record& record) const;
  void trust(const SpanPlace& place) const;
  bool has_lost_its_name() const;
  bool pin(std::size_t number) const;
  std::shared_ptr<const void> pinned(std::size_t number) const;  // for as long as it lives; null: it could not be
  void unpin(std::size_t number) const noexcept;

  Fd file_;
  Of of_;
  std::function<void(std::uint64_t)> stored_;
  mutable std::atomic<bool> full_ = false;
  mutable Mutex mutex_;
  mutable std::vector<std::uint32_t> pins_ GUARDED_BY(mutex_);    // by span: its record is locked while not 0
  mutable std::vector<std::uint64_t> known_ GUARDED_BY(mutex_);   // by span: the checksum we have seen to be true of all of it
  mutable std::vector<bool> distrusted_ GUARDED_BY(mutex_);       // by span
};

}  // namespace acetate
