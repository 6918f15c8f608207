#include "layers/tar/foreign_index.h"

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate {

namespace {

constexpr std::string_view kIndex = ".lix", kTrace = ".trace";

// Whoever chooses where decoding begins, and the window before it, chooses what comes out. A digest is what the bytes are
// held against, by each reader and in the end by us, who read in order and would not pass that place.
Result<void> every_span_has_a_digest(const LayerIndexPtr& index) {
  const auto spans = LayerIndex::checkpoints(index);
  for (std::size_t i = 0; i < spans->count(); ++i)
    if (!TRY(spans->mark(i)).digest) return fail(EBADMSG, "its span {} has no digest", i);
  return {};
}

std::string name_of(const Digest& blob, const Digest& origin, std::string_view kind) {
  return fmt::format("{}.{}{}", blob.hex(), origin.hex(), kind);
}

Result<std::vector<std::string>> names_of(const std::string& path, const Digest& blob, std::string_view kind) {
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  std::vector<std::string> names;
  TRY(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    const std::string_view name = entry.name;
    if (name.starts_with(blob.hex() + ".") && name.ends_with(kind)) names.emplace_back(name);
    return true;
  }));
  return names;
}

}  // namespace

std::string foreign_index_name(const Digest& blob, const Digest& origin) { return name_of(blob, origin, kIndex); }
std::string foreign_trace_name(const Digest& blob, const Digest& origin) { return name_of(blob, origin, kTrace); }

Result<std::vector<std::string>> foreign_index_names(const std::string& dir, const Digest& blob) { return names_of(dir, blob, kIndex); }
Result<std::vector<std::string>> foreign_trace_names(const std::string& dir, const Digest& blob) { return names_of(dir, blob, kTrace); }

std::optional<Digest> origin_of(std::string_view name) {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  name.remove_prefix(dot + 1);
  auto origin = Digest::parse("sha256:" + std::string(name.substr(0, name.find('.'))));
  return origin ? std::optional(*origin) : std::nullopt;
}

Result<LayerIndexPtr> open_foreign_index(const std::string& path, const Digest& blob) {
  const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file && file.error().is(ENOENT)) return Error(ENOENT);
  if (!file) return file.error().clone().within("opening " + path);
  auto index = LayerIndex::open(file->ref(), path, blob);
  auto usable = index ? every_span_has_a_digest(*index) : Result<void>(index.error().clone());
  if (usable) return LayerIndexPtr(*std::move(index));
  if (!usable.error().is(EBADMSG) && !usable.error().is(ENOTSUP)) return std::move(usable).error().within("opening " + path);
  log::info("the layer index {} cannot be used: {}", path, usable.error().message());
  return LayerIndexPtr();
}

LayerIndexPtr find_foreign_index(const std::string& dir, const Digest& blob, const Digest& origin) {
  auto found = open_foreign_index(dir + "/" + foreign_index_name(blob, origin), blob);
  if (found) return *std::move(found);
  if (!found.error().is(ENOENT)) log::warn("{}", found.error().message());
  return nullptr;
}

}  // namespace acetate
