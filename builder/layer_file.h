// A layer being written into the cache: operations in, a tar named by its digest out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "builder/cache.h"
#include "layers/delta.h"

namespace acetate::build {

// Nothing of it is seen before commit(), and nothing is left when it is dropped.
class LayerFile {
 public:
  static Result<std::unique_ptr<LayerFile>> begin(const Cache& cache);
  virtual ~LayerFile() = default;
  // As read_upper() tells them: parents before children, a link's target before the link.
  virtual Result<void> add(const DeltaOp& op, const FileView* content) = 0;
  // Its bytes synced, and published with one link; success says the layer is there, not that this call put it.
  virtual Result<CachedLayer> commit() = 0;
};

// The same of a tar that is one already, from its first byte to its last.
class LayerCopy {
 public:
  static Result<std::unique_ptr<LayerCopy>> begin(const Cache& cache);
  virtual ~LayerCopy() = default;
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  // As LayerFile::commit().
  virtual Result<CachedLayer> commit() = 0;
};

}  // namespace acetate::build
