// gzip, written: one member, the same bytes for the same input and zlib, whenever and wherever it is made.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"

namespace acetate {

// Not thread-safe. The header holds no name and no time (RFC 1952: MTIME 0, OS 255), so that a layer's digest
// depends on nothing but its content.
class GzipWriter {
 public:
  // Gets the packed bytes as they come; what it says when it fails is what write() or finish() says.
  using Out = std::function<Result<void>(std::span<const std::byte>)>;

  explicit GzipWriter(Out out, int level = 6);
  GzipWriter(GzipWriter&&) noexcept;
  GzipWriter& operator=(GzipWriter&&) noexcept;
  ~GzipWriter();

  Result<void> write(std::span<const std::byte> plain);
  // Once, last.
  Result<void> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace acetate
