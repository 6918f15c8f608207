#include "builder/layer_file.h"

#include <fcntl.h>

#include <random>

#include "base/sys/file.h"
#include "layers/tar/layer_writer.h"

namespace acetate::build {

namespace {

// A file without a name, so that a build that is killed leaves nothing; where the file system has no such files,
// one with a name nobody looks up.
class NewLayer : public LayerCopy {
 public:
  NewLayer(FdRef dir, Fd fd, std::string temporary) : dir_(dir), fd_(std::move(fd)), temporary_(std::move(temporary)) {}
  NewLayer(const NewLayer&) = delete;
  NewLayer& operator=(const NewLayer&) = delete;

  ~NewLayer() override {
    // Best effort: what stays is one file that nothing refers to.
    if (!temporary_.empty()) static_cast<void>(sys::unlink(FileAt{dir_, temporary_.c_str()}).has_value());
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    hash_.update(bytes);
    size_ += bytes.size();
    return sys::write_full(fd_.ref(), bytes);
  }

  Result<CachedLayer> commit() override {
    TRY_WITHIN(sys::fdatasync(fd_.ref()), "writing a layer to the build cache");
    const CachedLayer layer{.diff_id = hash_.finish(), .size = size_};
    const std::string name = layer.diff_id.hex();
    const FileAt at{dir_, name.c_str()};
    // A file of that name holds the same bytes, unless a crash cut it short before they reached the disk.
    if (const auto there = sys::stat(at); there && static_cast<std::uint64_t>(there->st_size) != size_)
      TRY_WITHIN(sys::unlink(at), "replacing a damaged layer in the build cache");
    const auto published = temporary_.empty() ? sys::link(fd_.ref(), at) : sys::link(FileAt{dir_, temporary_.c_str()}, at);
    if (!published && !published.error().is(EEXIST))
      return published.error().clone().within("adding a layer to the build cache");
    // Its name need not be on the disk: a record whose layer a power cut took away is none (Cache::find()).
    return layer;
  }

 private:
  FdRef dir_;
  Fd fd_;
  std::string temporary_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

class WrittenLayer : public LayerFile {
 public:
  explicit WrittenLayer(std::unique_ptr<LayerCopy> out) : out_(std::move(out)), writer_([this](auto bytes) { return out_->write(bytes); }) {}
  Result<void> add(const DeltaOp& op, const FileView* content) override { return writer_.add(op, content); }
  Result<CachedLayer> commit() override {
    TRY(writer_.finish());
    return out_->commit();
  }

 private:
  std::unique_ptr<LayerCopy> out_;
  LayerWriter writer_;
};

}  // namespace

Result<std::unique_ptr<LayerFile>> LayerFile::begin(const Cache& cache) {
  return std::unique_ptr<LayerFile>(std::make_unique<WrittenLayer>(TRY(LayerCopy::begin(cache))));
}

Result<std::unique_ptr<LayerCopy>> LayerCopy::begin(const Cache& cache) {
  std::string temporary;
  auto fd = sys::open(FileAt{cache.layer_dir(), "."}, O_TMPFILE | O_RDWR, 0600);
  if (!fd && (fd.error().is(EOPNOTSUPP) || fd.error().is(EISDIR) || fd.error().is(EINVAL))) {
    std::random_device random;
    temporary = fmt::format("tmp-{:08x}{:08x}", random(), random());
    fd = sys::open(FileAt{cache.layer_dir(), temporary.c_str()}, O_CREAT | O_EXCL | O_RDWR, 0600);
  }
  if (!fd) return std::move(fd).error().within("writing a layer to the build cache");
  return std::unique_ptr<LayerCopy>(std::make_unique<NewLayer>(cache.layer_dir(), *std::move(fd), std::move(temporary)));
}

}  // namespace acetate::build
