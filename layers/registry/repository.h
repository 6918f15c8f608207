// The verbs of the distribution specification on one repository of a registry: manifests, tags, referrers.
// Blobs have files of their own (blob_download.h, blob_upload.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/image/descriptor.h"
#include "layers/image/manifest.h"
#include "layers/registry/registry.h"

namespace acetate::registry {

// A manifest or index, byte for byte as the registry has it.
struct FetchedManifest {
  image::Descriptor descriptor;
  std::string bytes;
};

// Thread-safe as the Registry below, which must outlive it. All errors have words; answer_error.h has their
// codes.
class Repository {
 public:
  Repository(Registry& registry, std::string name) : registry_(registry), name_(std::move(name)) {}

  // By tag or by digest. Verified: a digest asked for is the digest of what came (EBADMSG), so is a
  // Docker-Content-Digest the registry states, and the media type is what the document itself says it is.
  Result<FetchedManifest> manifest(const std::string& reference);
  // The digest a tag has now, without fetching it; nothing when the registry does not say.
  Result<std::optional<Digest>> manifest_digest(const std::string& reference);
  // Under a tag or its own digest. A manifest with a subject is entered into the referrers' tag of registries
  // that do not keep referrers by themselves (distribution-spec, "Pushing Manifests with Subject").
  Result<void> put_manifest(const std::string& reference, const image::Descriptor& manifest,
                            const std::string& bytes);
  // Under a tag. One that is named by another digest than the SHA-256 which a registry makes for a tag is known by its own there, too,
  // where the registry takes such.
  Result<void> put_tagged(const std::string& tag, const image::Descriptor& manifest, const std::string& bytes);
  Result<void> delete_manifest(const std::string& reference);

  // All of them, over as many pages as there are.
  Result<std::vector<std::string>> tags();
  // Manifests whose subject is `digest`; by the tag "sha256-HEX" (or "sha512-…") where the registry does not know referrers.
  // `artifact_type`: only those of it, "" for all.
  Result<std::vector<image::IndexEntry>> referrers(const Digest& digest, const std::string& artifact_type);

  // An Ask for something below /v2/NAME/.
  Ask ask(std::string method, const std::string& below) const;
  Registry& registry() { return registry_; }
  const std::string& name() const { return name_; }
  // "localhost:5000/debian", for people.
  std::string where() const { return registry_.host() + "/" + name_; }

 private:
  // `reference` with what may stand behind it as a query. True where the registry says that it took the tag of that query.
  Result<bool> put(const std::string& reference, const image::Descriptor& manifest, const std::string& bytes);
  Result<void> add_to_referrers_tag(const Digest& subject, const image::Descriptor& manifest,
                                    const std::string& bytes);

  Registry& registry_;
  std::string name_;
};

// The tag under which registries without a referrers API keep them (distribution-spec, "Referrers Tag
// Schema").
std::string referrers_tag(const Digest& digest);

}  // namespace acetate::registry
