#include "layers/tar/toc_layer.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdio>
#include <cstdint>
#include <ctime>
#include <limits>
#include <utility>
#include <vector>

#include "layers/stream/chunk_source.h"
#include "layers/tar/index_store.h"
#include "layers/tar/tar_layer.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_entry.h"
#include "layers/tar/toc_names.h"

namespace acetate {

namespace {

// "2020-01-02T03:04:05.25Z". eStargz has whole seconds only.
Result<timespec> time_of(const std::string& text) {
  if (text.empty()) return timespec{};
  std::tm utc{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (rest == nullptr) return fail(EBADMSG, "its time '{}' is none", printable(text));
  long nanoseconds = 0;
  if (*rest == '.') {
    ++rest;
    for (long worth = 100'000'000; *rest >= '0' && *rest <= '9'; ++rest, worth /= 10) nanoseconds += (*rest - '0') * worth;
  }
  std::int64_t offset = 0;
  int hours = 0, minutes = 0;
  char sign = '+';
  if (std::sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) == 3 && (sign == '+' || sign == '-')) {
    offset = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
  } else if (std::string_view(rest) != "Z") {
    return fail(EBADMSG, "its time '{}' is none", printable(text));
  }
  return timespec{::timegm(&utc) - offset, nanoseconds};
}

Result<mode_t> type_of(const std::string& type) {
  static constexpr std::pair<std::string_view, mode_t> kTypes[] = {
      {"dir", S_IFDIR},  {"reg", S_IFREG},   {"symlink", S_IFLNK}, {"hardlink", S_IFREG},
      {"char", S_IFCHR}, {"block", S_IFBLK}, {"fifo", S_IFIFO}};
  for (const auto& [name, mode] : kTypes)
    if (type == name) return mode;
  return fail(EBADMSG, "its type '{}' is not known", printable(type));
}

// Puts the tree together: files are known whole only when the entry after their last chunk comes.
class Builder {
 public:
  explicit Builder(const TarLimits& limits) : tree_(limits) {}

  Result<void> add(const TocEntry& entry) {
    auto added = take(entry);
    if (!added) return std::move(added).error().within(fmt::format("table of contents, '{}'", printable(entry.name)));
    return {};
  }
  Result<void> finish() {
    TRY(settle());
    return tree_.finish();
  }

  TarTree take_tree() { return std::move(tree_); }
  std::vector<Chunk> take_chunks() { return std::move(chunks_); }
  std::uint64_t plain_size() const noexcept { return plain_size_; }

 private:
  Result<void> take(const TocEntry& entry);
  Result<void> add_chunk(const TocEntry& entry);
  Result<void> settle();

  TarTree tree_;
  std::vector<Chunk> chunks_;
  std::uint64_t plain_size_ = 0;
  std::optional<TarEntry> file_;  // not settled
  std::uint64_t covered_ = 0;     // of its bytes, by chunks
};

Result<void> Builder::take(const TocEntry& entry) {
  if (entry.type == "chunk") {
    if (!file_) return fail(EBADMSG, "a chunk of no file");
    return add_chunk(entry);
  }
  TRY(settle());
  if (is_toc_name(entry.name)) return {};
  if (entry.uid > 0xffffffffU || entry.gid > 0xffffffffU) return fail(EBADMSG, "its owner is no user or group id");
  TarEntry made;
  made.path = entry.name;
  made.mode = TRY(type_of(entry.type)) | static_cast<mode_t>(entry.mode & 07777);
  made.uid = static_cast<std::uint32_t>(entry.uid);
  made.gid = static_cast<std::uint32_t>(entry.gid);
  made.mtime = TRY(time_of(entry.modtime));
  made.xattrs = entry.xattrs;
  if (entry.type == "hardlink") made.hardlink = entry.link;
  if (entry.type == "symlink") made.symlink = entry.link;
  if (entry.type == "char" || entry.type == "block")
    made.rdev = makedev(static_cast<unsigned>(entry.major), static_cast<unsigned>(entry.minor));
  if (entry.type != "reg") return tree_.add(made);

  // As of a tarball's: a file has no more, whatever zeros it consists of.
  if (entry.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return fail(EBADMSG, "'{}' has a size of {} bytes, which no file has", printable(made.path), entry.size);
  made.size = entry.size;
  made.data = plain_size_;
  file_ = std::move(made);
  covered_ = 0;
  return entry.size > 0 ? add_chunk(entry) : Result<void>();
}

Result<void> Builder::add_chunk(const TocEntry& entry) {
  TarEntry& file = *file_;
  if (entry.chunk_offset != covered_ || covered_ >= file.size) return fail(EBADMSG, "its chunks leave a gap or overlap");
  const std::uint64_t rest = file.size - covered_;
  const std::uint64_t length = entry.chunk_size == 0 ? rest : entry.chunk_size;
  if (length > rest) return fail(EBADMSG, "its chunks are longer than it is");
  covered_ += length;
  if (entry.chunk_type == "zeros") {
    file.sparse = true;
    return {};
  }
  const std::string& digest = !entry.chunk_digest.empty() ? entry.chunk_digest : length == file.size ? entry.digest : "";
  Chunk chunk{.plain_offset = plain_size_, .length = length, .packed_offset = entry.offset,
              .inner_offset = entry.inner_offset, .digest = {}};
  if (digest.empty()) return fail(EBADMSG, "a chunk has no digest, so nothing says what it should be");
  chunk.digest = TRY(Digest::parse(digest));
  if (!file.extents.empty()) chunks_.back().goes_on = true;
  file.extents.push_back({covered_ - length, plain_size_, length});
  chunks_.push_back(chunk);
  plain_size_ += length;
  return {};
}

Result<void> Builder::settle() {
  if (!file_) return {};
  TarEntry file = *std::exchange(file_, std::nullopt);
  if (covered_ != file.size)
    return fail(EBADMSG, "'{}' has {} bytes, its chunks {}", printable(file.path), file.size, covered_);
  if (!file.sparse) file.extents.clear();
  return tree_.add(file);
}

}  // namespace

Result<TocLayer> toc_layer(const SourcePtr& packed, const TocPlace& place, const TocOptions& options) {
  const std::string json = TRY(read_toc(packed, place, options.digest));
  Builder builder(options.limits);
  TRY(read_toc_entries(json, [&](const TocEntry& entry) { return builder.add(entry); }));
  TRY(builder.finish());

  FirstPassResult pass;
  pass.format = Format::plain;
  pass.blob = Digest::of(json);
  pass.packed_size = pass.plain_size = builder.plain_size();
  const LayerIndexPtr index = TRY(index_in_memory(IndexImage::build({builder.take_tree(), std::move(pass)})));
  TocLayer made{.layer = nullptr, .bytes = nullptr, .entries = index->facts().entries, .plain_bytes = builder.plain_size()};
  made.bytes = TRY(chunk_source(packed, place.format, builder.take_chunks(), place.offset, *options.cache));
  made.layer = make_tar_layer(index, made.bytes, {.programs_whole_at_open = options.programs_whole_at_open});
  return made;
}

}  // namespace acetate
