// OpenSSL's own SHA-256 and SHA-512, which pick the processor's instructions by themselves. EVP, the interface above it, reads a configuration file
// and makes providers before the first byte is hashed, and brings all of libcrypto into a program that wants one function of it:
// 2 ms of each start.
#include "base/digest.h"

// The functions are the interface of 1.1, which later versions keep and call deprecated.
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <variant>

namespace acetate {

namespace {

using Algorithm = Digest::Algorithm;

constexpr const char* kForms = "sha256:<64 hex digits> or sha512:<128>";

static_assert(std::is_trivially_copyable_v<Digest>);

int nibble(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) noexcept { return algorithm == Algorithm::sha512 ? "sha512" : "sha256"; }

Result<Algorithm> parse_algorithm(std::string_view name) {
  for (const auto algorithm : Digest::kAlgorithms)
    if (name == name_of(algorithm)) return algorithm;
  return fail(ENOTSUP, "digests by \"{}\" are not supported, only by sha256 and sha512", name);
}

Digest::Digest(Algorithm algorithm, std::span<const std::byte> bytes) : algorithm_(algorithm) {
  assert(bytes.size() == size_of(algorithm) && "a digest has as many bytes as its algorithm makes");
  std::ranges::copy(bytes, bytes_.begin());
}

Result<Digest> Digest::parse(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view algorithm = text.substr(0, colon);
  if (colon != text.npos && (algorithm == "sha384" || algorithm == "blake3"))
    return fail(ENOTSUP, "digest '{}': only sha256 and sha512 are supported", text);
  const auto digest = colon == text.npos ? std::nullopt : from_hex(text.substr(colon + 1));
  if (!digest || name_of(digest->algorithm()) != algorithm) return fail(EINVAL, "'{}' is not a digest ({})", text, kForms);
  return *digest;
}

std::optional<Digest> Digest::from_hex(std::string_view hex) {
  Digest digest;
  if (hex.size() == 2 * size_of(Algorithm::sha512))
    digest.algorithm_ = Algorithm::sha512;
  else if (hex.size() != 2 * size_of(Algorithm::sha256))
    return std::nullopt;
  for (std::size_t i = 0; i < hex.size() / 2; ++i) {
    const int high = nibble(hex[2 * i]);
    const int low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes_[i] = static_cast<std::byte>(high * 16 + low);
  }
  return digest;
}

Digest Digest::of(std::span<const std::byte> bytes, Algorithm algorithm) {
  Hasher hash(algorithm);
  hash.update(bytes);
  return hash.finish();
}

Digest Digest::of(std::string_view text, Algorithm algorithm) {
  return of(std::as_bytes(std::span(text.data(), text.size())), algorithm);
}

std::span<const std::byte> Digest::bytes() const noexcept { return std::span(bytes_).first(size_of(algorithm_)); }

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes().size());
  for (const std::byte byte : bytes()) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::string Digest::str() const { return std::string(name_of(algorithm_)) + ":" + hex(); }

struct Hasher::Context {
  std::variant<SHA256_CTX, SHA512_CTX> sha;
  // None of the functions can fail: they work in this memory alone.
  explicit Context(Algorithm algorithm) {
    if (algorithm == Algorithm::sha512)
      SHA512_Init(&sha.emplace<SHA512_CTX>());
    else
      SHA256_Init(&sha.emplace<SHA256_CTX>());
  }
};

Hasher::Hasher(Algorithm algorithm) : context_(std::make_unique<Context>(algorithm)) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

Algorithm Hasher::algorithm() const noexcept {
  return std::holds_alternative<SHA512_CTX>(context_->sha) ? Algorithm::sha512 : Algorithm::sha256;
}

void Hasher::update(std::span<const std::byte> bytes) {
  if (auto* sha512 = std::get_if<SHA512_CTX>(&context_->sha))
    SHA512_Update(sha512, bytes.data(), bytes.size());
  else
    SHA256_Update(std::get_if<SHA256_CTX>(&context_->sha), bytes.data(), bytes.size());
}

Digest Hasher::finish() {
  std::array<std::byte, 64> digest{};
  auto* out = reinterpret_cast<unsigned char*>(digest.data());
  if (auto* sha512 = std::get_if<SHA512_CTX>(&context_->sha))
    SHA512_Final(out, sha512);
  else
    SHA256_Final(out, std::get_if<SHA256_CTX>(&context_->sha));
  return {algorithm(), std::span(digest).first(Digest::size_of(algorithm()))};
}

}  // namespace acetate

std::size_t std::hash<acetate::Digest>::operator()(const acetate::Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.head().data(), sizeof value);
  return value;
}
