#include "layers/image/blob_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <optional>

#include "base/scope.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::image {

namespace {

constexpr std::string_view kTemporary = ".acetate-blob-";

std::string fresh_name() {
  static std::atomic<unsigned> counter{0};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return fmt::format("{}{}-{}-{}", kTemporary, ::getpid(), now.tv_nsec, counter.fetch_add(1));
}

class Writer final : public BlobWriter {
 public:
  Writer(Fd layout, Fd file, std::string name, std::optional<Descriptor> expected)
      : layout_(std::move(layout)),
        file_(std::move(file)),
        name_(std::move(name)),
        expected_(std::move(expected)) {}
  ~Writer() override {
    // Best effort: what stays behind is removed by the next one who opens the layout.
    if (!name_.empty()) (void)sys::unlink(FileAt{layout_.ref(), name_.c_str()});
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    // Before anything is written: who sends for ever must not fill the disk.
    if (expected_ && bytes.size() > expected_->size - size_)
      return fail(EBADMSG, "the blob {} is longer than the {} bytes it should have", expected_->digest.str(),
                  expected_->size);
    hash_.update(bytes);
    size_ += bytes.size();
    return sys::write_full(file_.ref(), bytes);
  }

  std::uint64_t size() const override { return size_; }

  Result<void> restart() override {
    TRY_WITHIN(sys::truncate(file_.ref(), 0), "writing a blob");
    TRY_WITHIN(sys::lseek(file_.ref(), 0, SEEK_SET), "writing a blob");
    hash_ = Sha256();
    size_ = 0;
    return {};
  }

  Result<Descriptor> commit(std::string media_type) override {
    assert(!name_.empty() && "a blob is committed once");
    const Descriptor descriptor{.media_type = std::move(media_type), .digest = hash_.finish(), .size = size_};
    TRY(check(descriptor));
    TRY_WITHIN(sys::fsync(file_.ref()), "writing a blob");
    const Fd blobs = TRY_WITHIN(sys::open(FileAt{layout_.ref(), "blobs/sha256"}, O_RDONLY | O_DIRECTORY),
                                "opening blobs/sha256 of the layout");
    // Over what may be there already: it has the same bytes, or was damaged and is mended.
    TRY_WITHIN(sys::rename(FileAt{layout_.ref(), name_.c_str()},
                           FileAt{blobs.ref(), descriptor.digest.hex().c_str()}),
               "publishing the blob {}", descriptor.digest.str());
    name_.clear();
    TRY_WITHIN(sys::fsync(blobs.ref()), "publishing the blob {}", descriptor.digest.str());
    return descriptor;
  }

 private:
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
  std::string name_;  // "" once it is published
  std::optional<Descriptor> expected_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<BlobWriter>> new_blob_writer(FdRef layout, const std::optional<Descriptor>& expected) {
  Fd dir = TRY(sys::dup(layout));
  for (;;) {
    std::string name = fresh_name();
    const FileAt at{dir.ref(), name.c_str()};
    auto file = sys::open(at, O_WRONLY | O_CREAT | O_EXCL, 0644);
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

Result<void> remove_abandoned_blobs(FdRef layout) {
  std::vector<std::string> found;
  TRY(sys::read_dir(layout, [&](const sys::DirEntry& entry) {
    if (entry.name.starts_with(kTemporary)) found.emplace_back(entry.name);
    return true;
  }));
  for (const auto& name : found) {
    const FileAt at{layout, name.c_str()};
    const auto file = sys::open(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    // Gone, or somebody else's: nothing that has to be removed now.
    if (!file || !sys::flock(file->ref(), LOCK_EX | LOCK_NB)) continue;
    (void)sys::unlink(at);
  }
  return {};
}

}  // namespace acetate::image
