// SectionWriter: writes the sections of a layer index one after another, with a checksum for every 64 KiB, and
// its header at the end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "layers/stream/checkpoint.h"
#include "layers/tar/index_format.h"

namespace acetate {

class SectionWriter {
 public:
  // `header`: without sections, sizes and checksums; those are filled in.
  SectionWriter(FdRef out, lix::Header& header) : out_(out), header_(header) {}

  // The section before ends here.
  void begin(lix::SectionId id, std::uint32_t item_bytes);
  Result<void> append(std::span<const std::byte> bytes);
  // The two sections of a table of checkpoints.
  Result<void> checkpoints(std::span<const Checkpoint> table);
  Result<void> windows(std::span<const Checkpoint> table);
  // The group checksums, then the header.
  Result<void> finish();

 private:
  Result<void> flush();
  void pad();
  void end_section();

  static constexpr std::size_t kBufferBytes = 16 * lix::kGroupBytes;

  FdRef out_;
  lix::Header& header_;
  std::uint64_t at_ = lix::kHeaderBytes;  // where the next byte goes
  std::vector<std::byte> buffer_;         // the last bytes before `at_`, not written yet
  std::vector<std::uint64_t> sums_;
};

}  // namespace acetate
