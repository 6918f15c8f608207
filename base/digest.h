// Digest: what some bytes are known by, "sha256:<64 hex>" or "sha512:<128 hex>" as OCI writes it. Those that we make are SHA-256.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate {

class Digest {
 public:
  enum class Algorithm : std::uint8_t { sha256, sha512 };
  static constexpr std::array kAlgorithms{Algorithm::sha256, Algorithm::sha512};
  static constexpr std::size_t size_of(Algorithm algorithm) noexcept { return algorithm == Algorithm::sha512 ? 64 : 32; }
  static constexpr std::size_t kHeadBytes = 32;

  // A SHA-256 of zeroes, which is no digest of anything.
  constexpr Digest() = default;
  // `bytes`: size_of() the algorithm.
  Digest(Algorithm algorithm, std::span<const std::byte> bytes);

  // "sha256:" and exactly 64 lower-case hex digits, or "sha512:" and 128 (OCI image-spec descriptor.md#digests); anything else is
  // EINVAL with words, other registered algorithms ENOTSUP with words.
  static Result<Digest> parse(std::string_view text);
  // The one whose hex() this is: the number of digits tells the algorithm. So files may be named by hex() alone.
  static std::optional<Digest> from_hex(std::string_view hex);
  static Digest of(std::span<const std::byte> bytes, Algorithm algorithm = Algorithm::sha256);
  static Digest of(std::string_view text, Algorithm algorithm = Algorithm::sha256);

  Algorithm algorithm() const noexcept { return algorithm_; }
  std::span<const std::byte> bytes() const noexcept;
  // What our own formats have room for, to say which blob they are of: a SHA-256, or the first half of a SHA-512.
  std::span<const std::byte, kHeadBytes> head() const noexcept { return std::span(bytes_).first<kHeadBytes>(); }
  std::string hex() const;
  std::string str() const;

  auto operator<=>(const Digest&) const = default;

 private:
  Algorithm algorithm_ = Algorithm::sha256;
  std::array<std::byte, 64> bytes_{};  // zeroes behind what the algorithm has
};

// "sha256", as OCI writes it.
std::string_view name_of(Digest::Algorithm algorithm) noexcept;
// ENOTSUP with words for one that we do not know.
Result<Digest::Algorithm> parse_algorithm(std::string_view name);

// A digest that is fed piece by piece. Not thread-safe. finish() may be called once.
class Hasher {
 public:
  explicit Hasher(Digest::Algorithm algorithm);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  Digest::Algorithm algorithm() const noexcept;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

class Sha256 : public Hasher {
 public:
  Sha256() : Hasher(Digest::Algorithm::sha256) {}
};

}  // namespace acetate

template <>
struct std::hash<acetate::Digest> {
  std::size_t operator()(const acetate::Digest& digest) const noexcept;
};
