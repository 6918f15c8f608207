// Where the parts of a store's blobs lie that are still being fetched (docs/fetcher.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace acetate {

// STORE/.acetate-lazy for STORE/blobs/sha256/HEX; nothing for a path that is no blob of a store.
inline std::optional<std::string> lazy_dir_of(std::string_view blob_path) {
  const auto blobs = blob_path.rfind("/blobs/sha256/");
  if (blobs == std::string_view::npos) return std::nullopt;
  return std::string(blob_path.substr(0, blobs)) + "/.acetate-lazy";
}

}  // namespace acetate
