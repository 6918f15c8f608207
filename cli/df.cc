// acetate df: where the disk went, and how much of it can be had back.
#include <fcntl.h>

#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "cli/human.h"
#include "cli/image_commands.h"
#include "cli/image_summary.h"
#include "cli/kept.h"
#include "cli/run_commands.h"
#include "cli/store_place.h"
#include "cli/rows.h"
#include "layers/image/image_collect.h"
#include "layers/image/image_walk.h"
#include "layers/image/lazy_images.h"
#include "layers/image/platform.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Usage {
  std::uint64_t entries = 0;  // directly in it
  std::uint64_t bytes = 0;    // on disk
};

constexpr int kDeepest = 200;

// Adds what lies below a directory; hard links once each, for who reads this wants a size and not an audit.
Result<void> add(FdRef dir, Usage& usage, std::set<std::pair<dev_t, ino_t>>& seen, int depth) {
  if (depth > kDeepest) return {};
  std::vector<std::string> names;
  TRY(sys::read_dir(dir, [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  if (depth == 0) usage.entries += names.size();
  for (const auto& name : names) {
    const auto st = sys::stat(FileAt{dir, name.c_str()});
    if (!st) continue;  // gone meanwhile
    if (S_ISDIR(st->st_mode)) {
      const auto below = sys::open(FileAt{dir, name.c_str()}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (below) TRY(add(below->ref(), usage, seen, depth + 1));  // else another user's, as in a writable layer
    }
    if (seen.emplace(st->st_dev, st->st_ino).second) usage.bytes += static_cast<std::uint64_t>(st->st_blocks) * 512;
  }
  return {};
}

Result<Usage> usage_of(const std::string& path) {
  Usage usage;
  const auto dir = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().is(ENOENT)) return usage;
  if (!dir) return dir.error().clone().within("opening " + path);
  std::set<std::pair<dev_t, ino_t>> seen;
  TRY_WITHIN(add(dir->ref(), usage, seen, 0), "reading {}", path);
  return usage;
}

Json row(const char* type, std::uint64_t total, std::uint64_t size, std::uint64_t reclaimable, bool in_bytes) {
  const auto said = [&](std::uint64_t bytes) { return in_bytes ? Json(bytes) : Json(human_size(bytes)); };
  return {{"Type", type}, {"Total", total}, {"Size", said(size)}, {"Reclaimable", said(reclaimable)}};
}

// Each image with what is its own and what it shares.
Result<int> show_images(const image::ImageStore& store, const Context& context, const std::string& format) {
  std::map<Digest, int> users;
  std::vector<std::pair<ImageSummary, std::map<Digest, std::uint64_t>>> images;
  for (const auto& stored : TRY(store.list())) {
    std::map<Digest, std::uint64_t> blobs;
    TRY(image::walk_image(store.files(stored), stored.target, [&](const image::ImagePart& part) -> Result<void> {
      if (!part.is_absent) blobs[part.descriptor.digest] = part.descriptor.size;
      return {};
    }));
    for (const auto& [digest, size] : blobs) ++users[digest];
    images.emplace_back(summarise(store, stored, image::host_platform()), std::move(blobs));
  }
  std::vector<Json> rows;
  for (const auto& [image, blobs] : images) {
    std::uint64_t own = 0, shared = 0;
    for (const auto& [digest, size] : blobs) (users[digest] > 1 ? shared : own) += size;
    const auto& names = image.stored.names;
    rows.push_back({{"Repository", names.empty() ? "<none>" : names[0].familiar_name()},
                    {"Tag", names.empty() ? "<none>" : names[0].tag},
                    {"ImageID", image.id.hex().substr(0, 12)},
                    {"Size", human_size(own + shared)},
                    {"SharedSize", human_size(shared)},
                    {"UniqueSize", human_size(own)}});
  }
  const std::vector<Column> columns{{"Repository", "REPOSITORY"}, {"Tag", "TAG"},
                                    {"ImageID", "IMAGE ID"},      {"Size", "SIZE"},
                                    {"SharedSize", "SHARED SIZE"}, {"UniqueSize", "UNIQUE SIZE"}};
  context.streams.out << TRY(format_rows(rows, columns, format));
  return 0;
}

}  // namespace

Result<int> show_disk_usage(const DfOptions& options, const Context& context) {
  const auto paths = TRY(find_paths());
  std::uint64_t images = 0;
  {
    const auto store = TRY(image::ImageStore::open_to_read(TRY(store_place(paths))));
    if (options.verbose) return show_images(*store, context, options.format);
    for (const auto& stored : TRY(store->list())) images += stored.is_shared ? 0 : 1;
    images += TRY(image::LazyImages(paths.images()).list()).size();
  }
  // What gc would do is what can be had back.
  const auto collected = sys::stat_following(paths.images() + "/oci-layout")
                             ? TRY(image::collect(TRY(store_place(paths)), {.dry_run = true, .needed_besides = [&] { return layers_of_kept(containers_dir(paths)); }}))
                             : image::Collected{};
  const auto build = TRY(usage_of(paths.data + "/build"));
  const auto writable = TRY(usage_of(paths.writable()));
  const auto containers = TRY(usage_of(containers_dir(paths)));
  const auto volumes = TRY(usage_of(volumes_dir(paths)));
  const auto index = TRY(usage_of(paths.index()));
  const bool in_bytes = options.format == "json";
  const std::vector<Json> rows{row("Images", images, collected.left + collected.freed, collected.freed, in_bytes),
                               row("Containers", containers.entries, containers.bytes, 0, in_bytes),
                               row("Local Volumes", volumes.entries, volumes.bytes, 0, in_bytes),
                               row("Build Cache", build.entries, build.bytes, build.bytes, in_bytes),
                               row("Writable Layers", writable.entries, writable.bytes, 0, in_bytes),
                               row("Layer Indexes", index.entries, index.bytes, index.bytes, in_bytes)};
  const std::vector<Column> columns{
      {"Type", "TYPE"}, {"Total", "TOTAL"}, {"Size", "SIZE"}, {"Reclaimable", "RECLAIMABLE"}};
  context.streams.out << TRY(format_rows(rows, columns, options.format));
  return 0;
}

}  // namespace acetate::cli
