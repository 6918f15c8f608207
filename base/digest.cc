// OpenSSL's own SHA-256, which picks the processor's instructions by itself. EVP, the interface above it, reads a configuration file
// and makes providers before the first byte is hashed, and brings all of libcrypto into a program that wants one function of it:
// 2 ms of each start.
#include "base/digest.h"

// The functions are the interface of 1.1, which later versions keep and call deprecated.
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>

#include <cerrno>
#include <cstring>

namespace acetate {

namespace {

int nibble(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Result<Digest> Digest::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!text.starts_with(kPrefix)) {
    if (text.starts_with("sha512:") || text.starts_with("sha384:") || text.starts_with("blake3:"))
      return fail(ENOTSUP, "digest '{}': only sha256 is supported", text);
    return fail(EINVAL, "'{}' is not a digest (sha256:<64 hex digits>)", text);
  }
  const std::string_view hex = text.substr(kPrefix.size());
  if (hex.size() != 64) return fail(EINVAL, "'{}' is not a digest (sha256:<64 hex digits>)", text);
  Digest digest;
  for (std::size_t i = 0; i < 32; ++i) {
    const int high = nibble(hex[2 * i]);
    const int low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return fail(EINVAL, "'{}' is not a digest (sha256:<64 hex digits>)", text);
    digest.sha256[i] = static_cast<std::byte>(high * 16 + low);
  }
  return digest;
}

Digest Digest::of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Digest Digest::of(std::string_view text) { return of(std::as_bytes(std::span(text.data(), text.size()))); }

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(64, '0');
  for (std::size_t i = 0; i < 32; ++i) {
    const auto byte = std::to_integer<unsigned>(sha256[i]);
    text[2 * i] = kDigits[byte >> 4];
    text[2 * i + 1] = kDigits[byte & 15];
  }
  return text;
}

struct Sha256::Context {
  SHA256_CTX sha{};
  // None of the three can fail: they work in this memory alone.
  Context() { SHA256_Init(&sha); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  SHA256_Update(&context_->sha, bytes.data(), bytes.size());
}

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.sha256.data()), &context_->sha);
  return digest;
}

}  // namespace acetate

std::size_t std::hash<acetate::Digest>::operator()(const acetate::Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.sha256.data(), sizeof value);
  return value;
}
