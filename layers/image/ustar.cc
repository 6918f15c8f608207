#include "layers/image/ustar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace acetate::image {

namespace {

class Header {
 public:
  void text(std::size_t offset, std::string_view value) {
    std::memcpy(&bytes_[offset], value.data(), value.size());
  }
  void octal(std::size_t offset, int digits, std::uint64_t value) {
    text(offset, fmt::format("{:0{}o}", value, digits));
  }
  void size(std::uint64_t value) {
    if (value < (std::uint64_t{1} << 33)) return octal(kSize, 11, value);
    bytes_[kSize] = std::byte{0x80};
    for (std::size_t i = 0; i < 8; ++i)
      bytes_[kSize + 11 - i] = static_cast<std::byte>(value >> (8 * i) & 0xff);
  }
  std::array<std::byte, 512> sealed() {
    std::memset(&bytes_[kChecksum], ' ', 8);
    unsigned sum = 0;
    for (const auto byte : bytes_) sum += std::to_integer<unsigned>(byte);
    octal(kChecksum, 6, sum);
    bytes_[kChecksum + 6] = std::byte{0};
    return bytes_;
  }

  static constexpr std::size_t kMode = 100, kUid = 108, kGid = 116, kSize = 124, kTime = 136, kChecksum = 148,
                               kType = 156, kMagic = 257, kMajor = 329, kMinor = 337;

 private:
  std::array<std::byte, 512> bytes_{};
};

std::array<std::byte, 512> header(std::string_view name, std::string_view type, unsigned mode,
                                  std::uint64_t size) {
  Header h;
  h.text(0, name.substr(0, kMostName));
  h.octal(Header::kMode, 7, mode);
  h.octal(Header::kUid, 7, 0);
  h.octal(Header::kGid, 7, 0);
  h.size(size);
  h.octal(Header::kTime, 11, 0);
  h.text(Header::kType, type);
  h.text(Header::kMagic, {"ustar\0"
                          "00",
                          8});
  h.octal(Header::kMajor, 7, 0);
  h.octal(Header::kMinor, 7, 0);
  return h.sealed();
}

}  // namespace

std::array<std::byte, 512> ustar_file(std::string_view name, std::uint64_t size) {
  return header(name, "0", 0644, size);
}
std::array<std::byte, 512> ustar_dir(std::string_view name) { return header(name, "5", 0755, 0); }

std::string long_name(std::string_view name) {
  // "LENGTH path=NAME\n", where the length is also of its own digits.
  std::string record;
  for (std::size_t length = 1; length != record.size();) {
    length = std::max<std::size_t>(record.size(), 1);
    record = fmt::format("{} path={}\n", length, name);
  }
  const auto before = header("pax", "x", 0644, record.size());
  record.resize((record.size() + 511) / 512 * 512);
  return std::string(as_text(before)) + record;
}

}  // namespace acetate::image
