// The name of an image in docker's normal form: docker.io/library/alpine:latest, whatever of it was left out.
//
// The grammar is github.com/distribution/reference's; so are the defaults, which every docker and podman user
// has in their fingers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace acetate::image {

struct Reference {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // "library/alpine"
  std::string tag = {};    // "latest" when neither tag nor digest were said; "" beside a digest alone
  std::optional<Digest> digest = {};

  auto operator<=>(const Reference&) const = default;

  std::string name() const { return registry + "/" + repository; }
  // "docker.io/library/alpine:latest": parse_reference() gives it back unchanged.
  std::string str() const;
  // As docker shows it: without what it would complete by itself, except the tag.
  std::string familiar_name() const;  // "alpine"
  std::string familiar() const;       // "alpine:latest"
};

// EINVAL with words that say what is wrong: upper-case letters, a name of 64 hex digits (which means an image's
// id), more than 255 bytes of repository, a tag of more than 128. ENOTSUP for digests other than sha256 and sha512.
Result<Reference> parse_reference(std::string_view text);

// Whether `text` names no registry, so that docker completes it with its own.
bool is_short_name(std::string_view text);

}  // namespace acetate::image
