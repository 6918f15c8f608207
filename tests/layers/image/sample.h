// Images made by hand: files by name, laid out as a directory or packed as a tarball.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "layers/image/image.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {

// A tarball, member by member.
class TarBuilder {
 public:
  TarBuilder& file(std::string_view name, std::string_view content);
  TarBuilder& dir(std::string_view name);
  TarBuilder& link(char type, std::string_view name, std::string_view target);  // '1' hard, '2' symbolic
  // A header whose size field holds these twelve bytes, and no content.
  TarBuilder& raw_size(std::string_view name, std::string_view size_field);
  std::string str() const { return bytes_ + std::string(1024, '\0'); }
  const std::string& without_end() const { return bytes_; }

 private:
  void header(std::string_view name, char type, std::string_view size_field, std::string_view target);
  std::string bytes_;
};

using Files = std::map<std::string, std::string>;

void write_to(const TempDir& dir, const std::string& below, const Files& files);
std::string packed(const Files& files);

struct Blob {
  std::string text;
  std::string media_type;
  Digest::Algorithm algorithm = Digest::Algorithm::sha256;
  Digest digest() const { return Digest::of(text, algorithm); }
  std::string name() const { return std::string("blobs/").append(name_of(algorithm)) + "/" + digest().hex(); }
  // {"mediaType":…,"digest":…,"size":…,EXTRA}
  std::string descriptor(std::string_view extra = {}) const;
};

inline constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";

// `blob`, named by its SHA-512.
inline Blob by_sha512(Blob blob) { return blob.algorithm = Digest::Algorithm::sha512, blob; }

Blob layer_blob(std::string_view file, std::string_view content);
// A config for linux/ARCHITECTURE with these layers (taken as uncompressed).
Blob config_blob(std::string_view architecture, const std::vector<Blob>& layers);
Blob manifest_blob(const Blob& config, const std::vector<Blob>& layers);
Blob index_blob(const std::vector<std::string>& descriptors);

// The files of a layout with these blobs and these entries in index.json.
Files layout_files(const std::vector<Blob>& blobs, const std::vector<std::string>& entries);

// One image, tagged "v1", with two layers, for linux/amd64.
struct Sample {
  std::vector<Blob> layers{layer_blob("bottom", "below"), layer_blob("top", "above")};
  Blob config = config_blob("amd64", layers);
  Blob manifest = manifest_blob(config, layers);
  // The same image with every digest a SHA-512, those in its documents too.
  static Sample by_sha512();
  Files oci() const;
  Files docker() const;
};

inline image::Platform amd64() { return {.os = "linux", .architecture = "amd64"}; }
inline image::Platform arm64() { return {.os = "linux", .architecture = "arm64"}; }

// The bytes a layer names.
std::string bytes_of(const LayerSpec& spec);

}  // namespace acetate::test
