// Digest: SHA-256 of some bytes, "sha256:<64 hex>" as OCI writes it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate {

struct Digest {
  std::array<std::byte, 32> sha256{};
  auto operator<=>(const Digest&) const = default;

  // "sha256:" and exactly 64 lower-case hex digits (OCI image-spec descriptor.md#digests); anything else is
  // EINVAL with words, other registered algorithms ENOTSUP with words.
  static Result<Digest> parse(std::string_view text);
  static Digest of(std::span<const std::byte> bytes);
  static Digest of(std::string_view text);

  std::string hex() const;
  std::string str() const { return "sha256:" + hex(); }
};

// A SHA-256 that is fed piece by piece. Not thread-safe. finish() may be called once.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace acetate

template <>
struct std::hash<acetate::Digest> {
  std::size_t operator()(const acetate::Digest& digest) const noexcept;
};
