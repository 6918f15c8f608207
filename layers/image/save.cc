#include "layers/image/save.h"

#include <algorithm>
#include <map>

#include "base/sys/file.h"
#include "layers/image/archive_writer.h"
#include "layers/image/blob_folders.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/layout_index.h"
#include "layers/image/media_type.h"
#include "layers/image/read_bytes.h"
#include "layers/image/reference.h"

namespace acetate::image {

namespace {

struct Source {
  const ImageFiles* files;
  Descriptor blob;
};
using Blobs = std::map<Digest, Source>;

Result<Blobs> blobs_of(const std::vector<SavedImage>& images) {
  Blobs blobs;
  for (const auto& saved : images)
    TRY(walk_image(*saved.files, saved.image.target, [&](const ImagePart& part) -> Result<void> {
      if (!part.is_absent) blobs.emplace(part.descriptor.digest, Source{saved.files, part.descriptor});
      return {};
    }));
  return blobs;
}

Json entry_of(const NamedImage& image, const std::string& name) {
  Json entry{{"mediaType", image.target.media_type}, {"digest", image.target.digest.str()}, {"size", image.target.size}};
  if (name.empty()) return entry;
  entry["annotations"] = {{kRefName, name}};
  // The whole name in both: podman reads the one, docker and containerd the other.
  if (const auto reference = parse_reference(name))
    entry["annotations"] = {{kRefName, reference->str()}, {kContainerdName, reference->str()}};
  return entry;
}

std::string index_of(const std::vector<SavedImage>& images) {
  Json index{{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", Json::array()}};
  for (const auto& saved : images) {
    for (const auto& name : saved.image.names) index["manifests"].push_back(entry_of(saved.image, name));
    if (saved.image.names.empty()) index["manifests"].push_back(entry_of(saved.image, ""));
  }
  return write_json(index);
}

Result<void> write_blobs(const Blobs& blobs, ArchiveWriter& archive) {
  std::vector<Digest> digests;
  for (const auto& [digest, source] : blobs) digests.push_back(digest);
  for (const auto& name : folders_for(digests)) TRY(archive.dir(name));
  for (const auto& [digest, source] : blobs) TRY(archive.file(blob_name(digest), TRY(locate_blob(*source.files, source.blob))));
  return {};
}

// One image as manifest.json has it.
Result<Json> docker_item(const SavedImage& saved, const Platform& platform, Json& repositories) {
  const auto chosen = TRY(manifest_for(*saved.files, saved.image.target, platform));
  const auto text = TRY(read_blob(*saved.files, chosen));
  const auto document = TRY(parse_document(text, chosen.media_type, "the manifest " + chosen.digest.str()));
  if (!document.manifest) return fail(EINVAL, "{} is not the manifest of an image", chosen.digest.str());
  Json item{{"Config", blob_name(document.manifest->config.digest)},
            {"RepoTags", Json::array()},
            {"Layers", Json::array()},
            {"LayerSources", Json::object()}};
  for (const auto& layer : document.manifest->layers) {
    if (is_foreign_layer(layer.media_type) && !saved.files->locate(blob_name(layer.digest)))
      return fail(ENOTSUP, "the layer {} is foreign and not here, and docker's form has no place for that; save it with --format oci-archive",
                  layer.digest.str());
    item["Layers"].push_back(blob_name(layer.digest));
    item["LayerSources"][layer.digest.str()] = {
        {"mediaType", layer.media_type}, {"digest", layer.digest.str()}, {"size", layer.size}};
  }
  for (const auto& name : saved.image.names) {
    const auto reference = parse_reference(name);
    if (!reference || reference->tag.empty()) continue;
    item["RepoTags"].push_back(reference->familiar_name() + ":" + reference->tag);
    if (!document.manifest->layers.empty())
      repositories[reference->familiar_name()][reference->tag] = document.manifest->layers.back().digest.hex();
  }
  return item;
}

constexpr std::string_view kLayoutMark = R"({"imageLayoutVersion":"1.0.0"})";

}  // namespace

Result<void> write_oci_archive(const std::vector<SavedImage>& images, FdRef out) {
  const auto blobs = TRY(blobs_of(images));
  ArchiveWriter archive(out);
  TRY(write_blobs(blobs, archive));
  TRY(archive.file("index.json", index_of(images)));
  TRY(archive.file("oci-layout", kLayoutMark));
  return archive.finish();
}

Result<void> write_docker_archive(const std::vector<SavedImage>& images, const Platform& platform, FdRef out) {
  Json items = Json::array(), repositories = Json::object();
  for (const auto& saved : images) items.push_back(TRY(docker_item(saved, platform, repositories)));
  const auto blobs = TRY(blobs_of(images));
  ArchiveWriter archive(out);
  TRY(write_blobs(blobs, archive));
  TRY(archive.file("index.json", index_of(images)));
  TRY(archive.file("manifest.json", write_json(items)));
  TRY(archive.file("oci-layout", kLayoutMark));
  if (!repositories.empty()) TRY(archive.file("repositories", write_json(repositories)));
  return archive.finish();
}

}  // namespace acetate::image
