// libarchive's full pax format and not the "restricted" one: that drops the fraction of a second unless an
// entry needs an extended header for something else, so whether a time is exact would depend on the file's
// name.
#include "layers/tar/layer_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "layers/whiteout.h"

namespace acetate {

namespace {

constexpr std::size_t kBlock = 64 * 1024;
constexpr std::size_t kPiece = 256 * 1024;

struct FreeArchive {
  void operator()(struct archive* archive) const { ::archive_write_free(archive); }
};
struct FreeEntry {
  void operator()(struct archive_entry* entry) const { ::archive_entry_free(entry); }
};
using EntryPtr = std::unique_ptr<struct archive_entry, FreeEntry>;

// libarchive converts names from the locale's charset. For as long as this lives, that of this thread is
// UTF-8, so that a name's bytes stay what they are and the process's locale does not show in the archive.
class Utf8Locale {
 public:
  Utf8Locale() {
    if (locale() != nullptr) before_ = ::uselocale(locale());
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (locale() != nullptr) ::uselocale(before_);
  }

 private:
  // Kept: the C library reads its file anew for whoever asks when nobody has it.
  static locale_t locale() {
    static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
  }

  locale_t before_ = nullptr;
};

// A pax keyword ends at "="; libarchive would write these and others as %XX, which no reader of SCHILY.xattr
// takes back.
bool can_be_keyword(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 127 && c != '%' && c != '='; });
}

bool later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

}  // namespace

class LayerWriter::Impl {
 public:
  Impl(Out out, LayerWriterOptions options)
      : out_(std::move(out)), options_(options), archive_(::archive_write_new()), buffer_(kPiece) {}
  // Freeing an archive writes its end, which is nobody's wish when it was not asked for.
  ~Impl() {
    if (!is_finished_) refusal_ = Error(ECANCELED);
  }

  Result<void> add(const DeltaOp& op, const FileView* content);
  Result<void> finish();

 private:
  Result<void> open();
  Result<void> check(int code, const std::string& path);
  EntryPtr entry(const std::string& path, const Attr& attr) const;
  Result<void> add_xattrs(struct archive_entry* entry, const DeltaOp& op) const;
  Result<void> mark(const RelPath& dir, const std::string& name);
  Result<void> header(struct archive_entry* entry, const std::string& path);
  Result<void> bytes(const FileView& content, const std::string& path);
  static la_ssize_t on_bytes(struct archive* archive, void* self, const void* bytes, std::size_t count);

  const Out out_;
  const LayerWriterOptions options_;
  std::optional<Error> refusal_;  // what `out_` said; declared before the archive, which asks it to the end
  std::unordered_set<std::string> dirs_;
  std::unique_ptr<struct archive, FreeArchive> archive_;
  std::vector<std::byte> buffer_;
  bool is_open_ = false;
  bool is_finished_ = false;
};

la_ssize_t LayerWriter::Impl::on_bytes(struct archive* archive, void* self, const void* bytes,
                                       std::size_t count) {
  auto& impl = *static_cast<Impl*>(self);
  if (impl.refusal_) return -1;  // an archive that is given up still wants to write its end
  auto taken = impl.out_({static_cast<const std::byte*>(bytes), count});
  if (taken) return static_cast<la_ssize_t>(count);
  ::archive_set_error(archive, taken.error().code(), "%s", taken.error().message().c_str());
  impl.refusal_ = std::move(taken).error();
  return -1;
}

Result<void> LayerWriter::Impl::check(int code, const std::string& path) {
  if (refusal_) return refusal_->clone();
  // A warning says that a name is no UTF-8 and was written as raw bytes, as it should be.
  if (code == ARCHIVE_OK || code == ARCHIVE_WARN) return {};
  const int number = ::archive_errno(archive_.get());
  return fail(number > 0 ? number : EIO, "writing '/{}' into the layer: {}", path,
              ::archive_error_string(archive_.get()));
}

Result<void> LayerWriter::Impl::open() {
  if (is_open_) return {};
  struct archive* archive = archive_.get();
  TRY(check(::archive_write_set_format_pax(archive), ""));
  TRY(check(::archive_write_set_options(archive, "xattrheader=SCHILY"), ""));
  TRY(check(::archive_write_set_bytes_per_block(archive, kBlock), ""));
  TRY(check(::archive_write_set_bytes_in_last_block(archive, 1), ""));
  TRY(check(::archive_write_open(archive, this, nullptr, &on_bytes, nullptr), ""));
  is_open_ = true;
  return {};
}

EntryPtr LayerWriter::Impl::entry(const std::string& path, const Attr& attr) const {
  EntryPtr entry(::archive_entry_new());
  ::archive_entry_set_pathname(entry.get(), path.c_str());
  ::archive_entry_set_mode(entry.get(), attr.mode);
  ::archive_entry_set_uid(entry.get(), attr.uid);
  ::archive_entry_set_gid(entry.get(), attr.gid);
  ::archive_entry_set_size(entry.get(), 0);
  timespec mtime = attr.mtime;
  if (options_.clamp_mtime && later(mtime, *options_.clamp_mtime)) mtime = *options_.clamp_mtime;
  ::archive_entry_set_mtime(entry.get(), mtime.tv_sec, mtime.tv_nsec);
  return entry;
}

Result<void> LayerWriter::Impl::add_xattrs(struct archive_entry* entry, const DeltaOp& op) const {
  // Sorted: file systems list them in an order of their own.
  std::vector<const Xattr*> sorted;
  for (const Xattr& xattr : op.xattrs) sorted.push_back(&xattr);
  std::sort(sorted.begin(), sorted.end(), [](const Xattr* a, const Xattr* b) { return a->name < b->name; });
  // libarchive gives them back last first.
  for (auto xattr = sorted.rbegin(); xattr != sorted.rend(); ++xattr) {
    if (!can_be_keyword((*xattr)->name))
      return fail(ENOTSUP,
                  "'/{}' has the extended attribute '{}', whose name a layer cannot hold; remove it with "
                  "setfattr -x",
                  op.path.str(), (*xattr)->name);
    ::archive_entry_xattr_add_entry(entry, (*xattr)->name.c_str(), (*xattr)->value.data(),
                                    (*xattr)->value.size());
  }
  return {};
}

Result<void> LayerWriter::Impl::header(struct archive_entry* entry, const std::string& path) {
  return check(::archive_write_header(archive_.get(), entry), path);
}

// An empty file whose name says something.
Result<void> LayerWriter::Impl::mark(const RelPath& dir, const std::string& name) {
  const std::string path = dir.is_root() ? name : dir.str() + "/" + name;
  Attr attr{.mode = S_IFREG};
  if (options_.clamp_mtime) attr.mtime = *options_.clamp_mtime;
  return header(entry(path, attr).get(), path);
}

Result<void> LayerWriter::Impl::bytes(const FileView& content, const std::string& path) {
  for (std::uint64_t offset = 0; offset < content.size();) {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, content.size() - offset));
    const std::size_t count =
        TRY_WITHIN(content.pread(std::span(buffer_).first(wanted), offset), "reading '/{}'", path);
    if (count == 0) return fail(EIO, "'/{}' ends at {} of its {} bytes", path, offset, content.size());
    for (std::size_t at = 0; at < count;) {
      const la_ssize_t written = ::archive_write_data(archive_.get(), buffer_.data() + at, count - at);
      if (written <= 0) return check(written < 0 ? static_cast<int>(written) : ARCHIVE_FATAL, path);
      at += static_cast<std::size_t>(written);
    }
    offset += count;
  }
  return {};
}

Result<void> LayerWriter::Impl::add(const DeltaOp& op, const FileView* content) {
  using Kind = DeltaOp::Kind;
  const Utf8Locale locale;
  TRY(open());
  const std::string& path = op.path.str();
  const RelPath parent = op.path.parent();
  if (!parent.is_root() && !dirs_.contains(parent.str()))
    return fail(EINVAL, "'/{}' cannot be written into the layer before its directory", path);

  if (op.kind == Kind::remove) {
    if (op.path.is_root()) return fail(EINVAL, "a layer cannot remove its root");
    return mark(parent, std::string(kWhiteoutPrefix) + std::string(op.path.name()));
  }
  if (op.attr.is_dir() && op.kind != Kind::replace && op.kind != Kind::hardlink) {
    dirs_.insert(path);
    if (op.path.is_root() && op.kind == Kind::implicit_dir) return {};
    const EntryPtr dir = entry(op.path.is_root() ? "./" : path + "/", op.attr);
    TRY(add_xattrs(dir.get(), op));
    TRY(header(dir.get(), path));
    return op.kind == Kind::opaque_dir ? mark(op.path, std::string(kOpaqueFile)) : Result<void>();
  }
  if (op.path.is_root() || op.attr.is_dir() || (op.kind != Kind::replace && op.kind != Kind::hardlink))
    return fail(EINVAL, "'/{}' is not what the layer is told it is", path);
  if (S_ISSOCK(op.attr.mode)) return {};

  const EntryPtr leaf = entry(path, op.attr);
  if (op.kind == Kind::hardlink) {
    ::archive_entry_set_hardlink(leaf.get(), op.link_to.str().c_str());
    return header(leaf.get(), path);
  }
  TRY(add_xattrs(leaf.get(), op));
  if (op.attr.is_symlink()) ::archive_entry_set_symlink(leaf.get(), op.target.c_str());
  if (S_ISCHR(op.attr.mode) || S_ISBLK(op.attr.mode)) {
    ::archive_entry_set_rdevmajor(leaf.get(), major(op.attr.rdev));
    ::archive_entry_set_rdevminor(leaf.get(), minor(op.attr.rdev));
  }
  if (!op.attr.is_regular()) return header(leaf.get(), path);
  if (content == nullptr) return fail(EINVAL, "'/{}' is a file, and nothing says what is in it", path);
  ::archive_entry_set_size(leaf.get(), static_cast<la_int64_t>(content->size()));
  TRY(header(leaf.get(), path));
  return bytes(*content, path);
}

Result<void> LayerWriter::Impl::finish() {
  TRY(open());
  TRY(check(::archive_write_close(archive_.get()), ""));
  is_finished_ = true;
  return {};
}

LayerWriter::LayerWriter(Out out, LayerWriterOptions options)
    : impl_(std::make_unique<Impl>(std::move(out), options)) {}
LayerWriter::LayerWriter(LayerWriter&&) noexcept = default;
LayerWriter& LayerWriter::operator=(LayerWriter&&) noexcept = default;
LayerWriter::~LayerWriter() = default;

Result<void> LayerWriter::add(const DeltaOp& op, const FileView* content) { return impl_->add(op, content); }
Result<void> LayerWriter::finish() { return impl_->finish(); }

}  // namespace acetate
