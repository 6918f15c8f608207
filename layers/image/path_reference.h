// What a person typed for an image that lies in files: transport, path, and which of several.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::image {

enum class Transport { any, oci, oci_archive, docker_archive };

struct PathReference {
  Transport transport = Transport::any;
  std::string path;
  std::optional<std::string> image = {};  // tag, digest, RepoTag
};

// Every way to read the text, the most likely first: both a path and a tag may contain ':', so the longest
// path comes first, then the shortest. EINVAL with words for transports that name no local file.
Result<std::vector<PathReference>> path_references(const std::string& text);

}  // namespace acetate::image
