// The walk over headers is libarchive's: magic, checksums, number fields, GNU long names, all four spellings of
// sparse maps. What it cannot give a file system is read from the raw headers (pax_records.h).
//
// Facts of libarchive this rests on (3.6.2, held by the tests): right after archive_read_next_header()
// archive_filter_bytes(a, 0) is the offset of the entry's data in the plain stream, sparse maps that lie in the
// data included; archive_read_header_position() is where its first (extended) header began.
#include "layers/tar/tar_scan.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "layers/stream/inflater.h"
#include "layers/tar/header_tap.h"
#include "layers/tar/pax_records.h"

namespace acetate {

namespace {

struct ArchiveDeleter {
  void operator()(archive* a) const noexcept { archive_read_free(a); }
};

class Scanner {
 public:
  Scanner(FirstPass& pass, const TarScanOptions& options) : tap_(pass), tree_(options.limits) {}

  Result<TarTree> run();

 private:
  static la_ssize_t read_block(archive* a, void* self, const void** block);
  // Where the next header begins; nothing after the last entry.
  Result<std::optional<std::uint64_t>> next_header();
  Result<void> take_entry(std::uint64_t header);
  Result<void> read_stat(const EntryHeaders& headers);
  void read_extents(bool stores_holes);
  Result<void> pass_stored_holes();
  // The entry before ends where this one begins: only now is it known to be whole.
  Result<void> settle(std::uint64_t next_header);
  Error damaged(const char* what);
  Error within_entry(Error error) const;

  HeaderTap tap_;
  TarTree tree_;
  std::unique_ptr<archive, ArchiveDeleter> archive_;
  archive_entry* header_ = nullptr;  // libarchive's; of the entry it stands at
  std::optional<Error> source_error_;
  PaxRecords global_;
  std::optional<TarEntry> entry_;    // read, not settled
  bool stores_holes_ = false;        // of entry_
};

la_ssize_t Scanner::read_block(archive* a, void* self, const void** block) {
  auto& scanner = *static_cast<Scanner*>(self);
  auto bytes = scanner.tap_.next();
  if (!bytes) {
    archive_set_error(a, bytes.error().code(), "reading failed");
    scanner.source_error_ = std::move(bytes).error();
    return -1;
  }
  *block = bytes->data();
  return static_cast<la_ssize_t>(bytes->size());
}

Result<TarTree> Scanner::run() {
  archive_.reset(archive_read_new());
  archive* a = archive_.get();
  if (a == nullptr) return Error(ENOMEM);
  // Without the empty format no bytes at all would be an error; they are a tar without entries.
  if (archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_support_format_empty(a) != ARCHIVE_OK)
    return Error(ENOMEM);
  if (archive_read_open(a, this, nullptr, read_block, nullptr) != ARCHIVE_OK) {
    if (source_error_) return *std::move(source_error_);
    if (archive_errno(a) == ENOMEM) return Error(ENOMEM);
    return fail(EBADMSG, "not a tar archive");
  }
  for (;;) {
    const auto header = TRY(next_header());
    TRY(settle(header.value_or(static_cast<std::uint64_t>(archive_read_header_position(a)))));
    if (!header) break;
    TRY(take_entry(*header));
  }
  TRY(tree_.finish());
  return std::move(tree_);
}

Result<std::optional<std::uint64_t>> Scanner::next_header() {
  archive* a = archive_.get();
  const int status = archive_read_next_header(a, &header_);
  if (status == ARCHIVE_EOF) return std::optional<std::uint64_t>();
  // WARN: a name that does not fit the locale, or pax records it did not understand. Both are read again.
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
    if (source_error_) return *std::move(source_error_);
    return damaged(archive_error_string(a));
  }
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(archive_read_header_position(a)));
}

Error Scanner::damaged(const char* what) {
  const std::string_view said = what == nullptr ? "damaged header" : what;
  const auto at = static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
  const std::string after = entry_ ? fmt::format(", in or after '{}'", printable(entry_->path)) : "";
  if (said.starts_with("Truncated"))
    return fail(EBADMSG, "the tar is cut off: it ends at byte {} in the middle of an entry{}", at, after);
  if (said.find("too large") != std::string_view::npos)
    return fail(EFBIG, "the tar has a header of more than 1 MiB before byte {}{}", at, after);
  return fail(EBADMSG, "the tar is damaged before byte {}{} ({})", at, after, said);
}

Error Scanner::within_entry(Error error) const {
  return std::move(error).within(
      fmt::format("entry '{}' (data at byte {} of the tar)", printable(entry_->path), entry_->data));
}

Result<void> Scanner::take_entry(std::uint64_t header) {
  const auto data = static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
  const char* known_path = archive_entry_pathname(header_);
  entry_.emplace();
  entry_->path = known_path == nullptr ? "" : known_path;
  entry_->data = data;

  auto headers = read_entry_headers(tap_.kept(header, data), global_);
  if (!headers) return within_entry(std::move(headers).error());
  if (headers->records.path) entry_->path = *headers->records.path;
  if (const auto& trouble = headers->records.acl_trouble)
    log::info("entry '{}' is taken without its ACL: {}", printable(entry_->path), *trouble);
  if (auto stat = read_stat(*headers); !stat) return within_entry(std::move(stat).error());
  stores_holes_ = headers->records.stores_holes;
  tap_.forget_before(data + (entry_->sparse ? 0 : entry_->size));
  return {};
}

Result<void> Scanner::read_stat(const EntryHeaders& headers) {
  const PaxRecords& records = headers.records;
  TarEntry& entry = *entry_;
  const auto text = [](const char* known, const std::optional<std::string>& record) {
    return record ? *record : std::string(known == nullptr ? "" : known);
  };
  const auto id = [](la_int64_t known, const std::optional<std::uint32_t>& record) -> Result<std::uint32_t> {
    if (record) return *record;
    if (known < 0 || known > std::numeric_limits<std::uint32_t>::max())
      return fail(EINVAL, "its owner {} is no user or group id", known);
    return static_cast<std::uint32_t>(known);
  };

  entry.mode = archive_entry_mode(header_);
  entry.uid = TRY(id(archive_entry_uid(header_), records.uid));
  entry.gid = TRY(id(archive_entry_gid(header_), records.gid));
  entry.mtime = records.mtime.value_or(timespec{archive_entry_mtime(header_), archive_entry_mtime_nsec(header_)});
  entry.xattrs = records.xattrs;
  // As the kernel has it: symlinks have no ACL, and only what is made in a directory inherits one.
  std::erase_if(entry.xattrs, [&](const Xattr& xattr) {
    return (xattr.name == "system.posix_acl_default" && !S_ISDIR(entry.mode)) ||
           (xattr.name == "system.posix_acl_access" && S_ISLNK(entry.mode));
  });
  const la_int64_t size = archive_entry_size(header_);
  if (size < 0) return fail(EBADMSG, "its size is negative");
  entry.size = static_cast<std::uint64_t>(size);

  if (headers.typeflag == '1') {
    entry.hardlink = text(archive_entry_hardlink(header_), records.linkpath);
  } else if (S_ISLNK(entry.mode)) {
    entry.symlink = text(archive_entry_symlink(header_), records.linkpath);
  } else if (S_ISCHR(entry.mode) || S_ISBLK(entry.mode)) {
    entry.rdev = makedev(static_cast<unsigned>(archive_entry_rdevmajor(header_)),
                         static_cast<unsigned>(archive_entry_rdevminor(header_)));
  } else if (S_ISREG(entry.mode)) {
    read_extents(records.stores_holes);
    if (records.stores_holes) TRY(pass_stored_holes());
  } else if (!S_ISDIR(entry.mode) && !S_ISFIFO(entry.mode)) {
    return fail(EINVAL, "it is of a type that no layer can hold (mode {:o})", entry.mode);
  }
  return {};
}

// libarchive skips a file as if its holes were never stored, and then takes whatever it comes to for a header. Reading
// it skips all.
Result<void> Scanner::pass_stored_holes() {
  const void* block = nullptr;
  std::size_t count = 0;
  la_int64_t offset = 0;
  for (;;) {
    const int status = archive_read_data_block(archive_.get(), &block, &count, &offset);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
      return source_error_ ? *std::move(source_error_) : damaged(archive_error_string(archive_.get()));
  }
}

// The map of a sparse file: what is stored lies in one piece, in the order of the map, its holes left out or not.
void Scanner::read_extents(bool stores_holes) {
  TarEntry& entry = *entry_;
  if (archive_entry_sparse_reset(header_) == 0) return;
  entry.sparse = true;
  std::uint64_t at = entry.data;
  la_int64_t offset = 0, length = 0;
  while (archive_entry_sparse_next(header_, &offset, &length) == ARCHIVE_OK) {
    if (length <= 0) continue;  // GNU tar closes its maps with an empty stretch at the end of the file
    if (stores_holes) at = entry.data + static_cast<std::uint64_t>(offset);
    entry.extents.push_back({static_cast<std::uint64_t>(offset), at, static_cast<std::uint64_t>(length)});
    at += static_cast<std::uint64_t>(length);
  }
}

Result<void> Scanner::settle(std::uint64_t next_header) {
  if (!entry_) return {};
  TarEntry& entry = *entry_;
  const std::uint64_t stored = next_header < entry.data ? 0 : next_header - entry.data;
  const auto in_blocks = [](std::uint64_t bytes) { return bytes / 512 + (bytes % 512 != 0 ? 1 : 0); };
  if (S_ISREG(entry.mode) && !entry.hardlink) {
    std::uint64_t mapped = entry.size;
    if (!entry.sparse && stored == 0 && entry.size > 0) {
      entry.sparse = true;  // a map without any data: one hole
      mapped = 0;
    } else if (entry.sparse && !stores_holes_) {
      mapped = 0;
      for (const lix::Extent& extent : entry.extents) mapped += extent.length;
    }
    if (in_blocks(mapped) != in_blocks(stored))
      return within_entry(
          fail(EBADMSG, "{} bytes are stored for it, but its header speaks of {}", stored, mapped));
  }
  if (auto added = tree_.add(entry); !added) return within_entry(std::move(added).error());
  return {};
}

}  // namespace

namespace {

Result<TarScan> scan_with(SourcePtr packed, const TarScanOptions& options) {
  FirstPass pass = TRY(FirstPass::open(std::move(packed), options.pass));
  TarTree tree = TRY(Scanner(pass, options).run());
  // The digests cover what stands after the end mark too.
  FirstPassResult result = TRY(pass.finish());
  return TarScan{std::move(tree), std::move(result)};
}

}  // namespace

Result<TarScan> scan_tar(SourcePtr packed, const TarScanOptions& options) {
  auto scan = scan_with(packed, options);
  if (scan || !scan.error().is(EBADMSG) || options.pass.engine == InflateEngine::zlib || !has_fast_inflater() ||
      TRY(detect_format(*packed)) != Format::gzip)
    return scan;
  // Fast decoders have been wrong before, on rare streams; what they make then looks like damage. zlib decides.
  TarScanOptions careful = options;
  careful.pass.engine = InflateEngine::zlib;
  auto again = scan_with(std::move(packed), careful);
  if (again) log::warn("the fast gzip decoder failed on layer {}, and zlib did not: {}", again->pass.blob.str(),
                       scan.error().message());
  return again;
}

std::string printable(std::string_view raw) {
  constexpr std::size_t kLongest = 200;
  std::string text;
  for (const char c : raw.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", byte);
    }
  }
  if (raw.size() > kLongest) text += "…";
  return text;
}

}  // namespace acetate
