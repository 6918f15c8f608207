// Packer: plain bytes in, packed ones out; the same bytes for the same input, level and library, whenever and wherever.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "base/result.h"

namespace acetate {

// Not thread-safe.
class Packer {
 public:
  // Gets the packed bytes as they come; what it says when it fails is what write() or finish() says.
  using Out = std::function<Result<void>(std::span<const std::byte>)>;

  Packer() = default;
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  virtual ~Packer() = default;

  virtual Result<void> write(std::span<const std::byte> plain) = 0;
  // Once, last.
  virtual Result<void> finish() = 0;
};

// One member, whose header holds no name and no time (RFC 1952: MTIME 0, OS 255), so that a layer's digest depends on nothing but
// its content.
std::unique_ptr<Packer> gzip_packer(Packer::Out out, int level = 6);
// One frame, with a checksum.
std::unique_ptr<Packer> zstd_packer(Packer::Out out, int level = 3);
// Hands on what it gets.
std::unique_ptr<Packer> no_packer(Packer::Out out);

}  // namespace acetate
