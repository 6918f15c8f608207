// What an image is made of: every blob below a descriptor, through indexes inside indexes.
#pragma once

#include <functional>
#include <string>

#include "layers/image/image_files.h"
#include "layers/image/manifest.h"

namespace acetate::image {

inline constexpr std::size_t kMaxDocuments = 10'000;  // of one image

struct ImagePart {
  enum class Kind { index, manifest, config, layer };
  Kind kind;
  Descriptor descriptor;
  // Of an index or manifest: its bytes, verified, exactly as they are.
  std::string text = {};
  // Its bytes are somewhere else: a platform that nobody asked for, or a layer that may not be distributed.
  bool is_absent = false;
};

// Calls `each` for every part, those below a document before the document itself, so that whoever copies puts
// in nothing that points at what is not there yet. A blob that is pointed at twice comes once. Whether blobs
// (config, layers) are there and have the right size is checked, their digests are not.
//
// What is missing: the manifests below an index may be absent, all but one (images are pulled for one platform;
// docker keeps them the same way), and so may foreign layers. Anything else is ENOENT with words, damage
// EBADMSG. Artifacts are walked like images. ELOOP past 8 levels, EFBIG past 10,000 documents.
Result<void> walk_image(const ImageFiles& files, const Descriptor& top,
                        const std::function<Result<void>(const ImagePart&)>& each);

}  // namespace acetate::image
