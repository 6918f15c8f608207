// OpenSSL's EVP interface, which picks the processor's SHA instructions by itself.
#include "base/digest.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <new>

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
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Context() {
    // The only ways these fail are memory and a library without SHA-256; neither leaves anything to do.
    if (md == nullptr || EVP_DigestInit_ex(md, EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(md); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->md, bytes.data(), bytes.size());
}

Digest Sha256::finish() {
  Digest digest;
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->md, reinterpret_cast<unsigned char*>(digest.sha256.data()), &size);
  return digest;
}

}  // namespace acetate

std::size_t std::hash<acetate::Digest>::operator()(const acetate::Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.sha256.data(), sizeof value);
  return value;
}
