// Where the parts of a store's blobs lie that are still being fetched (docs/fetcher.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace acetate {

// STORE/.acetate-lazy for STORE/blobs/sha256/HEX and STORE/blobs/sha512/HEX; nothing for a path that is no blob of a store.
inline std::optional<std::string> lazy_dir_of(std::string_view blob_path) {
  const auto blobs = blob_path.rfind("/blobs/sha");
  if (blobs == std::string_view::npos) return std::nullopt;
  const auto folder = blob_path.substr(blobs);
  if (!folder.starts_with("/blobs/sha256/") && !folder.starts_with("/blobs/sha512/")) return std::nullopt;
  return std::string(blob_path.substr(0, blobs)) + "/.acetate-lazy";
}

}  // namespace acetate
