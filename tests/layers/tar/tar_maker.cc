#include "tests/layers/tar/tar_maker.h"

#include <fmt/format.h>

#include <cstring>

#include "base/bytes.h"

namespace acetate::test {

namespace {

// Octal where it fits, else base-256 in two's complement, as GNU tar has it.
std::string number(std::int64_t value, std::size_t width) {
  const std::int64_t limit = std::int64_t{1} << (3 * (width - 1));
  if (value >= 0 && (width >= 22 || value < limit)) return fmt::format("{:0{}o}", value, width - 1) + '\0';
  std::string field(width, value < 0 ? '\xff' : '\0');
  for (std::size_t i = 0; i < 8 && i < width; ++i)
    field[width - 1 - i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
  field[0] = static_cast<char>(static_cast<unsigned char>(field[0]) | 0x80U);
  return field;
}

void put(std::string& block, std::size_t at, std::string_view text, std::size_t width) {
  block.replace(at, std::min(text.size(), width), text.substr(0, width));
}

}  // namespace

TarMaker& TarMaker::header(const TarHeader& fields) {
  std::string block(512, '\0');
  put(block, 0, fields.name, 100);
  put(block, 100, number(fields.mode, 8), 8);
  put(block, 108, number(static_cast<std::int64_t>(fields.uid), 8), 8);
  put(block, 116, number(static_cast<std::int64_t>(fields.gid), 8), 8);
  put(block, 124, number(static_cast<std::int64_t>(fields.size), 12), 12);
  put(block, 136, number(fields.mtime, 12), 12);
  put(block, 148, "        ", 8);
  block[156] = fields.type;
  put(block, 157, fields.link, 100);
  put(block, 257, std::string_view("ustar\00000", 8), 8);
  put(block, 329, number(fields.major, 8), 8);
  put(block, 337, number(fields.minor, 8), 8);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, 148, fmt::format("{:06o}", sum) + std::string("\0 ", 2), 8);
  bytes_ += block;
  return *this;
}

TarMaker& TarMaker::body(std::string_view bytes) {
  bytes_ += bytes;
  bytes_.resize((bytes_.size() + 511) / 512 * 512);
  return *this;
}

TarMaker& TarMaker::file(const std::string& name, std::string_view content, unsigned mode) {
  return header({.name = name, .size = content.size(), .mode = mode}).body(content);
}
TarMaker& TarMaker::dir(const std::string& name, unsigned mode) {
  return header({.name = name, .type = '5', .mode = mode});
}
TarMaker& TarMaker::symlink(const std::string& name, const std::string& target) {
  return header({.name = name, .type = '2', .link = target, .mode = 0777});
}
TarMaker& TarMaker::hardlink(const std::string& name, const std::string& target) {
  return header({.name = name, .type = '1', .link = target});
}

TarMaker& TarMaker::pax(const PaxList& records, char type) {
  std::string body;
  for (const auto& [key, value] : records) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
    body += fmt::format("{} ", length) + key + "=" + value + "\n";
  }
  return header({.name = "PaxHeaders/x", .type = type, .size = body.size()}).body(body);
}

TarMaker& TarMaker::gnu_long(char type, const std::string& text) {
  return header({.name = "././@LongLink", .type = type, .size = text.size() + 1}).body(text + '\0');
}

SourcePtr source_of(std::string_view bytes) {
  const auto raw = as_bytes(bytes);
  return memory_source({raw.begin(), raw.end()});
}

}  // namespace acetate::test
