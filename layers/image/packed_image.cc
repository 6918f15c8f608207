#include "layers/image/packed_image.h"

#include <fcntl.h>

#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/sys/file.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/stream/packer.h"

namespace acetate::image {

namespace {

using Json = nlohmann::ordered_json;  // everything but the descriptors stays as it was written

std::string_view packed_type(std::string_view plain) {
  if (plain == kOciLayer) return kOciLayerGzip;
  if (plain == kDockerLayer) return kDockerLayerGzip;
  return {};
}

bool is_attestation(const IndexEntry& entry) { return entry.annotations.contains("vnd.docker.reference.type"); }

class Packing {
 public:
  Packing(const ImageFiles& files, Layout& layout) : files_(files), layout_(layout) {}

  // The document with packed layers below it; nothing where none of them was plain.
  Result<std::optional<Descriptor>> document(const Descriptor& old) {
    using Answer = std::optional<Descriptor>;
    const std::string text = TRY(read_blob(files_, old));
    const Document parsed = TRY(parse_any_document(text, old.media_type, old.digest.str()));
    Json json = Json::parse(text, nullptr, false);
    bool changed = false;
    if (parsed.manifest) {
      for (std::size_t n = 0; n < parsed.manifest->layers.size(); ++n)
        changed = TRY(replace(json["layers"][n], TRY(layer(parsed.manifest->layers[n])))) || changed;
    } else {
      for (const IndexEntry& entry : parsed.index->entries)
        if (is_attestation(entry)) return Answer();
      for (std::size_t n = 0; n < parsed.index->entries.size(); ++n) {
        const Descriptor& below = parsed.index->entries[n].descriptor;
        if (!files_.locate(blob_name(below.digest))) continue;  // another platform's, which is not here
        changed = TRY(replace(json["manifests"][n], TRY(document(below)))) || changed;
      }
    }
    if (!changed) return Answer();
    return Answer(TRY(layout_.put_blob(json.dump(), old.media_type)));
  }

 private:
  static Result<bool> replace(Json& descriptor, const std::optional<Descriptor>& by) {
    if (!by) return false;
    descriptor["mediaType"] = by->media_type;
    descriptor["digest"] = by->digest.str();
    descriptor["size"] = by->size;
    return true;
  }

  Result<std::optional<Descriptor>> layer(const Descriptor& plain) {
    using Answer = std::optional<Descriptor>;
    const std::string_view type = packed_type(plain.media_type);
    if (type.empty()) return Answer();
    if (const auto done = done_.find(plain.digest); done != done_.end()) return Answer(done->second);
    const LayerSpec lies = TRY(locate_blob(files_, plain));
    if (!TRY(compression_at(lies)).empty()) return Answer();  // packed already, whatever its type says
    const auto blob = TRY(layout_.new_blob());
    const auto packer = gzip_packer([&](std::span<const std::byte> bytes) { return blob->write(bytes); });
    const Fd file = TRY_WITHIN(sys::open(lies.path, O_RDONLY), "opening {}", lies.path);
    std::vector<std::byte> buffer(256 << 10);
    Hasher hash(plain.digest.algorithm());
    for (std::uint64_t at = 0; at < plain.size;) {
      const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), plain.size - at));
      const std::size_t got = TRY_WITHIN(sys::pread(file.ref(), std::span(buffer).first(want), lies.offset + at), "reading {}", lies.path);
      if (got == 0) return fail(EBADMSG, "the layer {} is cut short", plain.digest.str());
      const std::span<const std::byte> bytes = std::span(buffer).first(got);
      hash.update(bytes);
      TRY(packer->write(bytes));
      at += got;
    }
    TRY(packer->finish());
    if (hash.finish() != plain.digest) return fail(EBADMSG, "the layer {} is damaged", plain.digest.str());
    return Answer(done_[plain.digest] = TRY(blob->commit(std::string(type))));
  }

  const ImageFiles& files_;
  Layout& layout_;
  std::map<Digest, Descriptor> done_;
};

}  // namespace

Result<std::unique_ptr<PackedImage>> PackedImage::make(const ImageFiles& files, const Descriptor& target, const std::string& dir) {
  const auto layout = TRY(Layout::open(dir));
  auto packed = TRY(Packing(files, *layout).document(target));
  if (!packed) return std::unique_ptr<PackedImage>();
  auto made = TRY(directory_files(dir));
  return std::unique_ptr<PackedImage>(new PackedImage(files, std::move(made), *std::move(packed)));
}

Result<LayerSpec> PackedImage::locate(const std::string& name) const {
  auto found = made_->locate(name);
  return !found && found.error().is(ENOENT) ? files_.locate(name) : std::move(found);
}

}  // namespace acetate::image
