// Tarballs made byte by byte, so that every dialect and every mistake can be in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/stream/source.h"

namespace acetate::test {

// A header's fields; the rest is as GNU tar would write them.
struct TarHeader {
  std::string name;
  char type = '0';
  std::string link = {};
  std::uint64_t size = 0;
  unsigned mode = 0644;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::int64_t mtime = 0;
  unsigned major = 0;
  unsigned minor = 0;
};

using PaxList = std::vector<std::pair<std::string, std::string>>;

class TarMaker {
 public:
  // One header block, without what follows it.
  TarMaker& header(const TarHeader& fields);
  // Bytes, filled up to a block.
  TarMaker& body(std::string_view bytes);

  TarMaker& file(const std::string& name, std::string_view content, unsigned mode = 0644);
  TarMaker& dir(const std::string& name, unsigned mode = 0755);
  TarMaker& symlink(const std::string& name, const std::string& target);
  TarMaker& hardlink(const std::string& name, const std::string& target);
  // An extended header for the next entry, or ('g') for all that follow.
  TarMaker& pax(const PaxList& records, char type = 'x');
  // GNU 'L' or 'K'.
  TarMaker& gnu_long(char type, const std::string& text);

  // With the two zero blocks, or as it is.
  std::string end() const { return bytes_ + std::string(1024, '\0'); }
  const std::string& bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

SourcePtr source_of(std::string_view bytes);

}  // namespace acetate::test
