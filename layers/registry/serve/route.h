// What a request to a registry is about, by its path (distribution-spec, "Endpoints").
#pragma once

#include <string>
#include <string_view>

namespace acetate::registry {

struct Route {
  enum class Kind { none, version, catalog, blob, uploads, upload, manifest, tags, referrers };
  Kind kind = Kind::none;
  std::string repository = {};
  std::string reference = {};  // tag, digest or the upload's id
  bool operator==(const Route&) const = default;
};

// A name that is none by the grammar of repositories is Kind::none. Pure.
Route parse_route(std::string_view path);

// Components of small letters, digits and single separators, 255 bytes at most (distribution-spec, "Pulling
// manifests").
bool is_repository_name(std::string_view name);

}  // namespace acetate::registry
