#include "layers/tar/estargz_writer.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/base64.h"
#include "base/bytes.h"
#include "layers/tar/tar_scan.h"

namespace acetate {

namespace {

using Json = nlohmann::ordered_json;
using Bytes = std::span<const std::byte>;

constexpr std::uint64_t kChunk = std::uint64_t{4} << 20;
constexpr std::size_t kBlock = 512;
constexpr std::array<std::byte, kBlock> kZeros{};

// A file's bytes in the plain stream.
struct File {
  std::uint64_t data = 0, size = 0;
  Json entry;
};

// The table's entries in an order in which nothing comes before what it needs: directories, then files as they lie in the tar, other
// names of them last.
class Table {
 public:
  explicit Table(const TarTree& tree) : tree_(tree) {
    for (std::uint32_t n = 0; n < tree.names().size(); ++n) children_[tree.names()[n].parent].push_back(n);
    for (auto& [parent, names] : children_)
      std::ranges::sort(names, {}, [&](std::uint32_t n) { return tree_.view(tree_.names()[n].text); });
  }

  Result<void> fill() {
    const auto& root = tree_.objects()[TarTree::kRoot];
    if ((root.flags & lix::kImplied) == 0) first.push_back(entry(root, "./", "dir"));
    if ((root.flags & lix::kOpaque) != 0) whiteout(".wh..wh..opq");
    TRY(below(TarTree::kRoot, ""));
    std::ranges::sort(files, {}, &File::data);
    return {};
  }

  std::vector<Json> first = {}, last = {};  // before the files, and after them
  std::vector<File> files = {};             // with bytes

 private:
  Result<void> below(std::uint32_t dir, const std::string& path) {
    const auto found = children_.find(dir);
    if (found == children_.end()) return {};
    for (const std::uint32_t n : found->second) {
      const TarTree::Name& name = tree_.names()[n];
      const std::string text(tree_.view(name.text));
      if (name.hidden) continue;
      if (name.whiteout) whiteout(path + ".wh." + text);
      if (name.object != TarTree::kNone) TRY(object(name.object, path + text));
    }
    return {};
  }

  Result<void> object(std::uint32_t number, const std::string& path) {
    const TarTree::Object& object = tree_.objects()[number];
    if (object.is_dir()) {
      if ((object.flags & lix::kImplied) == 0) first.push_back(entry(object, path + "/", "dir"));
      if ((object.flags & lix::kOpaque) != 0) whiteout(path + "/.wh..wh..opq");
      return below(number, path + "/");
    }
    const auto [known, is_new] = names_.emplace(number, path);
    if (!is_new || (object.flags & lix::kLinkTo) != 0) {
      Json link = entry(object, path, "hardlink");
      link["linkName"] = is_new ? std::string(tree_.view(object.text)) : known->second;
      last.push_back(std::move(link));
      return {};
    }
    if ((object.flags & lix::kSparse) != 0)
      return fail(ENOTSUP, "/{} is a sparse file: eStargz has no way to say where its bytes are; another compression does", printable(path));
    const mode_t type = object.mode & S_IFMT;
    Json made = entry(object, path, S_ISREG(type) ? "reg" : S_ISLNK(type) ? "symlink" : S_ISCHR(type) ? "char" : S_ISBLK(type) ? "block" : "fifo");
    if (S_ISLNK(type)) made["linkName"] = tree_.view(object.text);
    if (S_ISCHR(type) || S_ISBLK(type)) {
      made["devMajor"] = major(object.data);
      made["devMinor"] = minor(object.data);
    }
    if (!S_ISREG(type) || object.size == 0) {
      if (S_ISREG(type)) made["digest"] = Digest::of("").str();
      first.push_back(std::move(made));
      return {};
    }
    made["size"] = object.size;
    files.push_back({object.data, object.size, std::move(made)});
    return {};
  }

  void whiteout(const std::string& path) { first.push_back({{"name", path}, {"type", "reg"}, {"digest", Digest::of("").str()}}); }

  Json entry(const TarTree::Object& object, const std::string& path, const char* type) const {
    Json made{{"name", path}, {"type", type}};
    const std::time_t seconds = object.mtime;
    std::tm utc{};
    std::array<char, 32> time{};
    if (::gmtime_r(&seconds, &utc) != nullptr) made["modtime"] = std::string(time.data(), std::strftime(time.data(), time.size(), "%Y-%m-%dT%H:%M:%SZ", &utc));
    made["mode"] = object.mode & 07777;
    made["uid"] = object.uid;
    made["gid"] = object.gid;
    if (object.xattrs != 0) made["xattrs"] = xattrs(object.xattrs);
    return made;
  }

  // As TarTree::store_xattrs() writes them.
  Json xattrs(std::uint32_t place) const {
    Json all = Json::object();
    ByteReader list(std::as_bytes(std::span(tree_.xattrs().bytes())).subspan(std::size_t{place - 1} * 8));
    for (auto left = list.get<std::uint32_t>().value_or(0); left > 0; --left) {
      const auto name_bytes = list.get<std::uint32_t>(), value_bytes = list.get<std::uint32_t>();
      const auto name = list.take(name_bytes.value_or(0)), value = list.take(value_bytes.value_or(0));
      if (name && value) all[std::string(as_text(*name))] = base64_encode(as_text(*value));
    }
    return all;
  }

  const TarTree& tree_;
  std::map<std::uint32_t, std::vector<std::uint32_t>> children_;
  std::map<std::uint32_t, std::string> names_;  // of objects: the first
};

// Plain bytes into gzip members.
class Members {
 public:
  Members(const Packer::Out& out, int level) : out_(out), level_(level) {}

  Result<void> write(Bytes plain) {
    if (packer_ == nullptr)
      packer_ = gzip_packer([this](Bytes packed) {
        packed_ += packed.size();
        return out_(packed);
      }, level_);
    hash_.update(plain);
    plain_ += plain.size();
    return packer_->write(plain);
  }
  // Ends the member; where the next begins.
  Result<std::uint64_t> cut() {
    if (packer_ != nullptr) TRY(packer_->finish());
    packer_ = nullptr;
    return packed_;
  }
  Digest diff_id() { return hash_.finish(); }
  std::uint64_t plain() const noexcept { return plain_; }

 private:
  const Packer::Out& out_;
  int level_;
  std::unique_ptr<Packer> packer_;
  Sha256 hash_;
  std::uint64_t packed_ = 0, plain_ = 0;
};

// Goes through the tar once: cuts it where a chunk begins, and fills in where that is and what its bytes are.
class Chunker {
 public:
  Chunker(std::vector<File>& files, Members& members) : files_(files), members_(members) {
    for (const File& file : files) end_ = std::max(end_, (file.data + file.size + kBlock - 1) / kBlock * kBlock);
  }

  Result<void> add(Bytes bytes) {
    while (!bytes.empty()) {
      const std::uint64_t stop = next_stop();
      const Bytes part = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), stop - at_)));
      TRY(put(part));
      bytes = bytes.subspan(part.size());
      if (at_ == stop) TRY(turn());
    }
    return {};
  }

  // After the last byte. Of a tar that ends within a block, that is not zeros.
  Result<void> finish() { return put_gap(); }

  // In the order of the files; after finish().
  std::vector<Json> entries = {};

 private:
  // Where something begins or ends; a block's end where nothing does.
  std::uint64_t next_stop() const {
    if (in_chunk_) return chunk_ + chunk_size();
    const std::uint64_t block = (at_ / kBlock + 1) * kBlock;
    return file_ < files_.size() && at_ < files_[file_].data ? std::min(block, files_[file_].data) : block;
  }
  std::uint64_t chunk_size() const { return std::min(kChunk, files_[file_].data + files_[file_].size - chunk_); }

  Result<void> put(Bytes part) {
    at_ += part.size();
    if (in_chunk_) {
      chunk_hash_.update(part);
      file_hash_.update(part);
      return members_.write(part);
    }
    gap_.insert(gap_.end(), part.begin(), part.end());
    return {};
  }

  // A block between files, or what pads one's end, whole, however it was read. The tar's end is left out: the table comes before it.
  Result<void> put_gap() {
    const bool zeros = std::ranges::all_of(gap_, [](std::byte b) { return b == std::byte{0}; });
    if (zeros && at_ > end_) {
      zeros_ += gap_.size();
      gap_.clear();
      return {};
    }
    while (zeros_ > 0) {
      const std::size_t some = static_cast<std::size_t>(std::min<std::uint64_t>(zeros_, kBlock));
      TRY(members_.write(Bytes(kZeros).first(some)));
      zeros_ -= some;
    }
    TRY(members_.write(gap_));
    gap_.clear();
    return {};
  }

  Result<void> turn() {
    if (!in_chunk_) TRY(put_gap());
    if (in_chunk_) {
      Json& entry = entries.back();
      const std::uint64_t size = chunk_size();
      entry["chunkDigest"] = chunk_hash_.finish().str();
      if (size < files_[file_].size) entry["chunkSize"] = size;
      chunk_ += size;
      if (chunk_ == files_[file_].data + files_[file_].size) {
        entries[first_of_file_]["digest"] = file_hash_.finish().str();
        in_chunk_ = false;
        ++file_;
      } else {
        return begin_chunk();
      }
    }
    if (file_ == files_.size() || at_ != files_[file_].data) return {};
    in_chunk_ = true;
    chunk_ = at_;
    file_hash_ = {};
    first_of_file_ = entries.size();
    return begin_chunk();
  }

  Result<void> begin_chunk() {
    const File& file = files_[file_];
    Json entry = chunk_ == file.data ? file.entry : Json{{"name", file.entry["name"]}, {"type", "chunk"}};
    entry["offset"] = TRY(members_.cut());
    if (chunk_ != file.data) entry["chunkOffset"] = chunk_ - file.data;
    entries.push_back(std::move(entry));
    chunk_hash_ = {};
    return {};
  }

  std::vector<File>& files_;
  Members& members_;
  std::uint64_t at_ = 0, end_ = 0, zeros_ = 0;
  std::size_t file_ = 0, first_of_file_ = 0;  // the file that is next or at hand; its entry
  bool in_chunk_ = false;
  std::uint64_t chunk_ = 0;
  std::vector<std::byte> gap_;  // of the block at hand, outside of files
  Sha256 chunk_hash_, file_hash_;
};

// The header of the table's entry (POSIX ustar).
std::string table_header(std::size_t size) {
  std::string header(kBlock, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  put(0, "stargz.index.json");
  for (const std::size_t at : {std::size_t{108}, std::size_t{116}}) put(at, "0000000");
  put(100, "0000444");
  put(124, fmt::format("{:011o}", size));
  put(136, "00000000000");
  put(156, "0");
  put(257, std::string("ustar\0" "00", 8));
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header;
}

Result<std::string> text_of(const Json& table) {
  try {
    return table.dump();
  } catch (const Json::type_error&) {
    return fail(ENOTSUP, "a name in the layer is no UTF-8, and eStargz has no way to tell it: another compression does");
  }
}

// An empty gzip member whose extra field "SG" says where the table's member begins.
std::string footer(std::uint64_t table) {
  using namespace std::string_literals;
  return "\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0"s + fmt::format("{:016x}STARGZ", table) + "\x01\0\0\xff\xff\0\0\0\0\0\0\0\0"s;
}

}  // namespace

Result<Estargz> write_estargz(const SourcePtr& tar, const Packer::Out& out, int level, Digest::Algorithm source_by) {
  const TarScan scan = TRY(scan_tar(tar));
  Table table(scan.tree);
  TRY(table.fill());

  Members members(out, level);
  Chunker chunker(table.files, members);
  FirstPass pass = TRY(FirstPass::open(tar));
  std::vector<std::byte> buffer(1 << 20);
  Hasher given(source_by);
  while (const std::size_t got = TRY(pass.read(buffer))) {
    given.update(Bytes(buffer).first(got));
    TRY(chunker.add(Bytes(buffer).first(got)));
  }
  TRY(chunker.finish());

  Json entries = Json::array();
  for (auto* some : {&table.first, &chunker.entries, &table.last})
    for (Json& entry : *some) entries.push_back(std::move(entry));
  const std::string json = TRY(text_of(Json{{"version", 1}, {"entries", std::move(entries)}}));
  const std::uint64_t at = TRY(members.cut());
  TRY(members.write(as_bytes(table_header(json.size()))));
  std::string rest = json;
  rest.resize((json.size() + kBlock - 1) / kBlock * kBlock + 2 * kBlock);
  TRY(members.write(as_bytes(rest)));
  TRY(members.cut());
  TRY(out(as_bytes(footer(at))));
  return Estargz{.source = given.finish(), .diff_id = members.diff_id(), .toc = Digest::of(json), .plain_size = members.plain()};
}

}  // namespace acetate
