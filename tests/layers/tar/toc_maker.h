// Blobs with a table of contents, made as their makers make them, so that every lie can be in the table.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "layers/stream/format.h"
#include "layers/tar/toc_place.h"
#include "tests/layers/stream/packed_data.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::test {

using Json = nlohmann::ordered_json;

inline std::string digest_of(std::string_view bytes) { return Digest::of(bytes).str(); }

// A blob as its makers write it: headers and contents in pieces, each file's content at the beginning of its own
// pieces, then the table.
class TocMaker {
 public:
  explicit TocMaker(Format format) : format_(format) {}

  void dir(const std::string& name) {
    tar_.dir(name);
    entries_.push_back({{"type", "dir"}, {"name", name + "/"}, {"mode", 0755}, {"modtime", kTime}});
  }
  void file(const std::string& name, const std::string& content, std::size_t chunk = 100'000) {
    tar_.header({.name = name, .size = content.size()});
    piece();
    for (std::size_t at = 0; at < content.size() || at == 0; at += chunk) {
      const std::string part = content.substr(at, chunk);
      Json entry{{"type", at == 0 ? "reg" : "chunk"}, {"name", name}};
      if (at == 0) entry.update({{"mode", 0644}, {"size", content.size()}, {"digest", digest_of(content)}, {"modtime", kTime}});
      if (!content.empty()) entry.update({{"offset", blob_.size()}, {"chunkOffset", at}, {"chunkDigest", digest_of(part)}});
      if (content.size() > chunk) entry["chunkSize"] = part.size();
      entries_.push_back(entry);
      if (at + chunk < content.size()) {
        put(part);
      } else {
        rest_ = part;
        rest_.resize((content.size() + 511) / 512 * 512 - at);
      }
    }
  }
  void other(const Json& entry, const TarMaker& tar) {
    piece();
    rest_ += tar.bytes();
    entries_.push_back(entry);
  }

  // Several files in one piece, as estargz packs small ones: `names` with their names for content.
  void files_in_one_piece(const std::vector<std::string>& names) {
    piece();
    const std::size_t offset = blob_.size();
    TarMaker tar;
    for (const std::string& name : names) {
      tar.header({.name = name, .size = name.size()});
      entries_.push_back({{"type", "reg"}, {"name", name}, {"mode", 0644}, {"size", name.size()}, {"modtime", kTime},
                          {"digest", digest_of(name)}, {"chunkDigest", digest_of(name)}, {"offset", offset},
                          {"innerOffset", tar.size()}});
      tar.body(name);
    }
    put(tar.bytes());
  }

  Json& entries() { return entries_; }
  // The whole blob; `footer` bytes of footer.
  std::string end(std::size_t footer) {
    piece();
    const std::string json = Json{{"version", 1}, {"entries", entries_}}.dump();
    if (format_ == Format::gzip) {
      const std::size_t toc = blob_.size();
      put(TarMaker().file("stargz.index.json", json).end());
      const std::string payload = fmt::format("{:016x}STARGZ", toc);
      const std::string field = footer == 47 ? payload : std::string("SG\x16\0", 4) + payload;
      append(blob_, bytes_of({"\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10}));
      blob_.push_back(static_cast<std::byte>(field.size()));
      blob_.push_back(std::byte{0});
      append(blob_, bytes_of(field));
      append(blob_, bytes_of({"\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13}));
    } else {
      put(std::string(1024, '\0'));
      const Bytes manifest = zstd_of(as_bytes(json));
      const std::size_t toc = skippable(manifest);
      ByteWriter numbers;
      for (const std::uint64_t number : {toc, manifest.size(), json.size(), std::size_t{1}}) numbers.put(number);
      if (footer == 64)
        for (int i = 0; i < 3; ++i) numbers.put(std::uint64_t{0});
      numbers.put(footer == 64 ? std::string_view("GNUlInUx") : "GnUlInUx");
      skippable({numbers.bytes().begin(), numbers.bytes().end()});
    }
    return std::string(as_text(blob_));
  }

 private:
  static constexpr const char* kTime = "1970-01-01T00:00:00Z";

  void put(const std::string& bytes) { append(blob_, format_ == Format::gzip ? gzip_of(as_bytes(bytes)) : zstd_of(as_bytes(bytes))); }
  // What was written since, as a piece of its own.
  void piece() {
    const std::string headers = tar_.bytes();
    tar_ = TarMaker();
    const std::string bytes = std::exchange(rest_, "");
    if (!bytes.empty()) put(bytes);
    if (!headers.empty()) put(headers);
  }
  std::size_t skippable(const Bytes& content) {
    append(blob_, bytes_of({"\x50\x2a\x4d\x18", 4}));
    const auto size = static_cast<std::uint32_t>(content.size());
    append(blob_, std::as_bytes(std::span(&size, 1)));
    append(blob_, content);
    return blob_.size() - content.size();
  }

  Format format_;
  Bytes blob_;
  TarMaker tar_;
  std::string rest_;
  Json entries_ = Json::array();
};

// Something of every kind of entry.
inline TocMaker toc_sample(Format format) {
  TocMaker made(format);
  made.dir("d");
  made.file("d/small", "content");
  made.file("d/empty", "");
  made.file("d/big", std::string(as_text(sample_bytes(250'000, 3))));
  made.other({{"type", "symlink"}, {"name", "s"}, {"linkName", "d/small"}, {"mode", 0777}}, TarMaker().symlink("s", "d/small"));
  made.other({{"type", "hardlink"}, {"name", "h"}, {"linkName", "d/small"}}, TarMaker().hardlink("h", "d/small"));
  made.other({{"type", "hardlink"}, {"name", "below"}, {"linkName", "usr/x"}}, TarMaker().hardlink("below", "usr/x"));
  made.other({{"type", "reg"}, {"name", "d/.wh.gone"}, {"mode", 0644}}, TarMaker().file("d/.wh.gone", ""));
  made.other({{"type", "reg"}, {"name", "x"}, {"mode", 0644}, {"xattrs", {{"user.a", "dmFsdWU="}}}},
             TarMaker().pax({{"SCHILY.xattr.user.a", "value"}}).file("x", ""));
  return made;
}

// What a manifest says of the blob's table: of eStargz the digest of the JSON, of zstd:chunked that of the packed bytes.
inline Digest toc_digest(const std::string& blob) {
  const SourcePtr source = source_of(blob);
  const TocPlace place = **find_toc(*source);
  if (place.format == Format::gzip) return Digest::of(*read_toc(source, place));
  return Digest::of(std::string_view(blob).substr(place.offset, place.length));
}

}  // namespace acetate::test
