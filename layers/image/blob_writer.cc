#include "layers/image/blob_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <cstddef>
#include <ctime>
#include <optional>
#include <vector>

#include "base/scope.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/same_file.h"
#include "layers/image/blob_folders.h"

namespace acetate::image {

namespace {

constexpr std::string_view kTemporary = ".acetate-blob-", kPart = ".acetate-part-";
constexpr std::uint64_t kWorthGoingOn = std::uint64_t{1} << 20;
constexpr std::time_t kPartLives = std::time_t{7} * 24 * 60 * 60;

std::string part_name(const Digest& digest) { return std::string(kPart) + digest.hex(); }

bool is_young(const struct stat& st) { return ::time(nullptr) - st.st_mtim.tv_sec < kPartLives; }

std::string fresh_name() {
  static std::atomic<unsigned> counter{0};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return fmt::format("{}{}-{}-{}", kTemporary, ::getpid(), now.tv_nsec, counter.fetch_add(1));
}

// Whether a name leads to our file still: who publishes takes it away, and the next one makes another by it. A file that is locked keeps
// its name, for nobody else touches that.
Result<bool> has_name(FdRef file, FileAt name) {
  const auto named = sys::stat(name);
  if (!named && named.error().is(ENOENT)) return false;
  if (!named) return named.error().clone();
  return sys::is_same_file(*named, TRY(sys::stat(file)));
}

class Writer final : public BlobWriter {
 public:
  enum class Left { nothing, what_came };  // behind, by one that is dropped
  Writer(Fd layout, Fd file, std::string name, std::optional<Descriptor> expected, Left left = Left::nothing)
      : layout_(std::move(layout)),
        file_(std::move(file)),
        name_(std::move(name)),
        expected_(std::move(expected)),
        left_(left),
        hash_(expected_ ? expected_->digest.algorithm() : Digest::Algorithm::sha256) {}
  ~Writer() override {
    // Best effort: what stays behind is removed by the next one who opens the layout.
    if (!name_.empty() && (left_ == Left::nothing || size_ == 0)) (void)sys::unlink(FileAt{layout_.ref(), name_.c_str()});
  }

  // Takes what is in the file for written, and stands at its end.
  Result<void> take_up() {
    std::vector<std::byte> block(kWorthGoingOn);
    while (const std::size_t got = TRY(sys::pread(file_.ref(), block, size_))) {
      hash_.update(std::span(block).first(got));
      size_ += got;
    }
    TRY(sys::lseek(file_.ref(), static_cast<off_t>(size_), SEEK_SET));
    return {};
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    // Before anything is written: who sends for ever must not fill the disk.
    if (expected_ && bytes.size() > expected_->size - size_)
      return fail(EBADMSG, "the blob {} is longer than the {} bytes it should have", expected_->digest.str(),
                  expected_->size);
    TRY(check_unbroken());
    if (auto written = sys::write_full(file_.ref(), bytes); !written) {
      is_broken_ = true;      // some of it may be in the file, and nobody knows how much
      left_ = Left::nothing;  // a full disk is not kept full
      return written;
    }
    // Only what is in the file counts, for the digest as for whoever goes on behind it.
    hash_.update(bytes);
    size_ += bytes.size();
    return {};
  }

  std::uint64_t size() const override { return size_; }

  Result<void> restart() override {
    TRY_WITHIN(sys::truncate(file_.ref(), 0), "writing a blob");
    TRY_WITHIN(sys::lseek(file_.ref(), 0, SEEK_SET), "writing a blob");
    hash_ = Hasher(hash_.algorithm());
    size_ = 0;
    is_broken_ = false;
    return {};
  }

  Result<void> hash_by(Digest::Algorithm algorithm) override {
    if (algorithm == hash_.algorithm()) return {};
    TRY(check_unbroken());
    hash_ = Hasher(algorithm);
    size_ = 0;
    return TRY_WITHIN(take_up(), "reading what there is of a blob");
  }

  Result<Descriptor> commit(std::string media_type) override {
    assert(!name_.empty() && "a blob is committed once");
    TRY(check_unbroken());
    const Descriptor descriptor{.media_type = std::move(media_type), .digest = hash_.finish(), .size = size_};
    left_ = Left::nothing;
    TRY(check(descriptor));
    TRY_WITHIN(sys::fsync(file_.ref()), "writing a blob");
    // The digest is of what we were given: that the file holds just that is seen before it gets the name, over one that may be good.
    if (const auto st = TRY_WITHIN(sys::stat(file_.ref()), "writing a blob"); static_cast<std::uint64_t>(st.st_size) != size_)
      return fail(EIO, "the file of the blob {} has {} bytes, and {} were written to it", descriptor.digest.str(), st.st_size, size_);
    const Fd blobs = TRY_WITHIN(open_blob_folder(layout_.ref(), descriptor.digest.algorithm()), "opening the folder of the layout's blobs");
    const FileAt ours{layout_.ref(), name_.c_str()};
    if (!TRY_WITHIN(has_name(file_.ref(), ours), "publishing the blob {}", descriptor.digest.str())) {
      name_.clear();
      return fail(ESTALE, "the file that the blob {} was written to has lost its name", descriptor.digest.str());
    }
    // Over what may be there already: it has the same bytes, or was damaged and is mended.
    TRY_WITHIN(sys::rename(ours, FileAt{blobs.ref(), descriptor.digest.hex().c_str()}), "publishing the blob {}", descriptor.digest.str());
    name_.clear();
    return descriptor;
  }

 private:
  Result<void> check_unbroken() const {
    return is_broken_ ? fail(EIO, "a blob that could not be written is not gone on with") : Result<void>();
  }

  Result<void> check(const Descriptor& found) const {
    if (!expected_) return {};
    if (found.size != expected_->size)
      return fail(EBADMSG, "the blob {} ends after {} bytes and should have {}", expected_->digest.str(),
                  found.size, expected_->size);
    if (found.digest != expected_->digest)
      return fail(EBADMSG, "the blob {} is damaged or not what it says: its digest is {}",
                  expected_->digest.str(), found.digest.str());
    return {};
  }

  Fd layout_;
  Fd file_;
  std::string name_;  // "" once it is published, or another's
  std::optional<Descriptor> expected_;
  Left left_;
  bool is_broken_ = false;  // a write failed
  Hasher hash_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<BlobWriter>> new_blob_writer(FdRef layout, const std::optional<Descriptor>& expected) {
  Fd dir = TRY(sys::dup(layout));
  for (;;) {
    std::string name = fresh_name();
    const FileAt at{dir.ref(), name.c_str()};
    auto file = sys::open(at, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (!file && file.error().is(EEXIST)) continue;
    if (!file) return std::move(file).error().within("making a file for a blob");
    Undo undo{[&] { (void)sys::unlink(at); }};
    TRY(sys::flock(file->ref(), LOCK_EX));
    // Somebody who cleans up may have been faster than the lock: then the name is gone, and we begin again.
    if (TRY(sys::stat(file->ref())).st_nlink == 0) continue;
    undo.release();
    return std::unique_ptr<BlobWriter>(
        std::make_unique<Writer>(std::move(dir), *std::move(file), std::move(name), expected));
  }
}

Result<std::unique_ptr<BlobWriter>> resume_blob_writer(FdRef layout, const Descriptor& expected) {
  if (expected.size < kWorthGoingOn) return new_blob_writer(layout, expected);
  const std::string name = part_name(expected.digest);
  for (;;) {
    auto file = TRY_WITHIN(sys::open(FileAt{layout, name.c_str()}, O_RDWR | O_CREAT | O_NOFOLLOW, 0644), "opening what there is of a blob");
    if (auto writer = TRY(take_up_part(layout, std::move(file), expected))) return writer;
  }
}

Result<std::unique_ptr<BlobWriter>> take_up_part(FdRef layout, Fd file, const Descriptor& expected) {
  if (!sys::flock(file.ref(), LOCK_EX | LOCK_NB)) return new_blob_writer(layout, expected);
  std::string name = part_name(expected.digest);
  // Published under its digest it has a link as before, and is to be written to by nobody.
  if (!TRY_WITHIN(has_name(file.ref(), FileAt{layout, name.c_str()}), "looking at what there is of a blob")) return std::unique_ptr<BlobWriter>();
  const auto st = TRY(sys::stat(file.ref()));
  if (static_cast<std::uint64_t>(st.st_size) > expected.size) TRY_WITHIN(sys::truncate(file.ref(), 0), "writing a blob");
  auto writer = std::make_unique<Writer>(TRY(sys::dup(layout)), std::move(file), std::move(name), expected, Writer::Left::what_came);
  TRY_WITHIN(writer->take_up(), "reading what there is of a blob");
  return std::unique_ptr<BlobWriter>(std::move(writer));
}

Result<void> remove_abandoned_blobs(FdRef layout, Unfinished parts) {
  std::vector<std::string> found;
  TRY(sys::read_dir(layout, [&](const sys::DirEntry& entry) {
    if (entry.name.starts_with(kTemporary) || entry.name.starts_with(kPart)) found.emplace_back(entry.name);
    return true;
  }));
  for (const auto& name : found) {
    const FileAt at{layout, name.c_str()};
    const auto file = sys::open(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    // Gone, or somebody else's: nothing that has to be removed now.
    if (!file || !sys::flock(file->ref(), LOCK_EX | LOCK_NB)) continue;
    if (name.starts_with(kPart) && parts == Unfinished::old && is_young(TRY(sys::stat(file->ref())))) continue;
    if (!TRY(has_name(file->ref(), at))) continue;
    (void)sys::unlink(at);
  }
  return {};
}

}  // namespace acetate::image
