// Strings in one arena, each kept once. The arena is a section of the layer index as it stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/seed.h"
#include "layers/tar/probe_table.h"

namespace acetate {

// A place in a BytePool.
struct PoolText {
  std::uint32_t at = 0;
  std::uint32_t bytes = 0;
  bool operator==(const PoolText&) const = default;
};

// Precondition of intern(): the pool stays below 4 GiB, which the limits on a tarball's metadata see to.
class BytePool {
 public:
  // `alignment` of where every text begins: a power of two.
  explicit BytePool(std::size_t alignment = 1) : alignment_(alignment) {}

  PoolText intern(std::string_view text) {
    const auto hash = static_cast<std::uint32_t>(xxh3(text, process_seed()));
    if (const auto known = table_.find(hash, [&](std::uint32_t i) { return view(texts_[i]) == text; }))
      return texts_[*known];
    bytes_.resize((bytes_.size() + alignment_ - 1) & ~(alignment_ - 1));
    const PoolText made{static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(text.size())};
    bytes_.append(text);
    table_.insert(hash, static_cast<std::uint32_t>(texts_.size()));
    texts_.push_back(made);
    return made;
  }
  // Valid until the next intern().
  std::string_view view(PoolText text) const noexcept {
    return std::string_view(bytes_).substr(text.at, text.bytes);
  }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::size_t alignment_;
  std::string bytes_;
  std::vector<PoolText> texts_;
  ProbeTable table_;
};

}  // namespace acetate
