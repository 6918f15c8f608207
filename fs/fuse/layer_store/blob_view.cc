#include "fs/fuse/layer_store/blob_view.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "layers/stream/fetcher_client.h"
#include "layers/stream/lazy_source.h"
#include "layers/stream/source.h"
#include "layers/tar/lazy_place.h"

namespace acetate::fs {

namespace {

class SourceView final : public FileView {
 public:
  explicit SourceView(SourcePtr source) : source_(std::move(source)) {}
  std::uint64_t size() const override { return source_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    return source_->pread(into, offset);
  }

 private:
  const SourcePtr source_;
};

Result<SourcePtr> open_blob(const LayerSpec& spec) {
  auto file = sys::open(spec.path, O_RDONLY);
  if (file && spec.length) return file_source(*std::move(file), spec.offset, *spec.length);
  if (file) return file_source(*std::move(file));
  const auto dir = lazy_dir_of(spec.path);
  if (!file.error().is(ENOENT) || !spec.lazy || !spec.digest || !dir) return std::move(file).error();
  return SourcePtr(std::make_shared<LazySource>(TRY(PartialBlob::open(*dir, *spec.digest)), FetcherClient::of(*dir)));
}

}  // namespace

Result<std::unique_ptr<FileView>> text_view(std::string text) {
  const auto bytes = as_bytes(text);
  return std::unique_ptr<FileView>(std::make_unique<SourceView>(memory_source({bytes.begin(), bytes.end()})));
}

Result<std::unique_ptr<FileView>> blob_view(const LayerSpec& spec) {
  auto source = open_blob(spec);
  // It may have become whole between the two looks.
  if (!source && source.error().is(ENOENT)) source = open_blob(spec);
  if (!source) return std::move(source).error().within("opening the blob " + spec.path);
  return std::unique_ptr<FileView>(std::make_unique<SourceView>(*std::move(source)));
}

}  // namespace acetate::fs
