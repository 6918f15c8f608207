// index.json of a layout: read, changed and replaced as one step that other processes see whole or not at all.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "layers/image/manifest.h"

namespace acetate::image {

using Json = nlohmann::json;

inline constexpr const char* kRefName = "org.opencontainers.image.ref.name";
inline constexpr const char* kContainerdName = "io.containerd.image.name";

// Held while index.json is replaced. The lock is on the directory, for a file that is renamed over takes its
// locks with it.
class LayoutLock {
 public:
  static Result<LayoutLock> take(const std::string& dir);

 private:
  explicit LayoutLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// Calls `edit` with the list "manifests" while nobody else may change it, and writes what it leaves there. Keys
// that nobody here knows stay. Nothing is written when `edit` says false or fails. `path` is the layout's
// directory, which `dir` is open on.
Result<void> edit_index(FdRef dir, const std::string& path,
                        const std::function<Result<bool>(Json& manifests)>& edit);

// The name an entry goes by: io.containerd.image.name, which is whole, else the reference name; "" for none.
std::string name_of(const IndexEntry& entry);
// The same of an entry as it stands in the document.
std::string name_of(const Json& entry);

// image-spec annotations.md: letters, digits and separators.
bool is_reference_name(std::string_view tag);

}  // namespace acetate::image
