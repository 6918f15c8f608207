// zstd, written: one frame with a checksum, the same bytes for the same input, level and libzstd.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"

namespace acetate {

// Not thread-safe.
class ZstdWriter {
 public:
  // Gets the packed bytes as they come; what it says when it fails is what write() or finish() says.
  using Out = std::function<Result<void>(std::span<const std::byte>)>;

  explicit ZstdWriter(Out out, int level = 3);
  ZstdWriter(ZstdWriter&&) noexcept;
  ZstdWriter& operator=(ZstdWriter&&) noexcept;
  ~ZstdWriter();

  Result<void> write(std::span<const std::byte> plain);
  // Once, last.
  Result<void> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace acetate
