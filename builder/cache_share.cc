#include "builder/cache_share.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/sys/copy.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "layers/image/json.h"

namespace acetate::build {

namespace {

using image::Json;

constexpr int kFormat = 2;
constexpr std::uint64_t kMostLayer = std::uint64_t{1} << 42;
constexpr std::int64_t kLatest = 253402300799;  // the end of 9999: what can be written as a date

Result<Digest> digest_of(FdRef file) {
  Sha256 hash;
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    const std::size_t got = TRY(sys::read(file, buffer));
    if (got == 0) return hash.finish();
    hash.update(std::span(buffer).first(got));
  }
}

// Strangers may have put anything there: a pipe would never answer.
Result<Fd> open_regular(const std::string& path) {
  Fd file = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (!S_ISREG(TRY(sys::stat(file.ref())).st_mode)) return fail(EBADMSG, "{} is no file", path);
  return file;
}

bool is_there(const std::string& path, std::uint64_t size) {
  const auto there = sys::stat_following(path);
  return there && static_cast<std::uint64_t>(there->st_size) == size;
}

// One that is there is looked at: an export that was damaged is mended by the next.
Result<void> put_layer(const std::string& from, const std::string& to, const CachedLayer& layer) {
  if (is_there(to, layer.size)) {
    const Fd there = TRY(sys::open(to, O_RDONLY | O_NOFOLLOW));
    if (TRY(digest_of(there.ref())) == layer.diff_id) return {};
  }
  const Fd source = TRY_WITHIN(open_regular(from), "the layer {}", layer.diff_id.str());
  auto file = TRY(sys::NewFile::make(to, 0644));
  TRY(sys::copy_file(source.ref(), file.ref()));
  return file.commit();
}

// Opened and of that size. What is wrong with a stranger's file is never an error of ours.
Result<Fd> open_foreign(const std::string& path, const CachedLayer& layer) {
  auto source = open_regular(path);
  if (!source) return fail(EBADMSG, "the layer {}: {}", layer.diff_id.str(), source.error().message());
  if (static_cast<std::uint64_t>(TRY(sys::stat(source->ref())).st_size) != layer.size) return fail(EBADMSG, "{} has another size than is said", path);
  return source;
}

Result<void> take_layer(const std::string& from, const std::string& to, const CachedLayer& layer) {
  const Fd source = TRY(open_foreign(from, layer));
  auto file = TRY(sys::NewFile::make(to, 0600));
  Sha256 hash;
  std::vector<std::byte> buffer(1 << 20);
  // No further than it was to go: whoever has it may write on.
  for (std::uint64_t left = layer.size; left > 0;) {
    const auto got = sys::read(source.ref(), std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()))));
    if (!got) return fail(EBADMSG, "reading {}: {}", from, got.error().message());
    if (*got == 0) break;
    left -= *got;
    hash.update(std::span(buffer).first(*got));
    TRY(sys::write_full(file.ref(), std::span<const std::byte>(buffer).first(*got)));
  }
  if (hash.finish() != layer.diff_id) return fail(EBADMSG, "{} is not what its name says", from);
  return file.commit();
}

// Layers of earlier exports, which nobody finds any more.
Result<void> remove_others(const std::string& dir, const std::vector<CachedLayer>& layers) {
  std::set<std::string> wanted;
  for (const CachedLayer& layer : layers) wanted.insert(layer.diff_id.hex());
  const Fd opened = TRY(sys::open(dir, O_RDONLY | O_DIRECTORY));
  std::vector<std::string> others;
  TRY(sys::read_dir(opened.ref(), [&](const sys::DirEntry& entry) {
    std::string name(entry.name);
    if (Digest::parse("sha256:" + name) && !wanted.contains(name)) others.push_back(std::move(name));
    return true;
  }));
  for (const std::string& name : others) TRY(sys::unlink({opened.ref(), name.c_str()}));
  return {};
}

Json to_json(const Cache::Kept& kept) {
  Json record = {{"key", kept.key.str()}, {"clock", kept.record.clock}};
  if (kept.record.layer) record["layer"] = {{"diff_id", kept.record.layer->diff_id.str()}, {"size", kept.record.layer->size}};
  for (const Digest& first : kept.firsts) record["first"].push_back(first.str());
  if (kept.step) record["step"] = kept.step->str();
  if (kept.paths) record["paths"] = base64_encode(format_access_log(*kept.paths));
  return record;
}

Result<Digest> parse_digest(const Json& json, const char* name) {
  if (!json.contains(name) || !json[name].is_string()) return Error(EBADMSG);
  return Digest::parse(json[name].get<std::string>());
}

// Strangers wrote it: everything is looked at before it is believed to be there.
Result<Cache::Kept> parse_kept(const Json& json) {
  const auto wrong = [] { return fail(EBADMSG, "cache.json holds a record that is none"); };
  if (!json.is_object() || !json.contains("clock") || !json["clock"].is_number_integer()) return wrong();
  const auto key = parse_digest(json, "key");
  const Json& clock = json["clock"];
  if (!key || clock < 0 || clock > kLatest) return wrong();
  Cache::Kept kept{.key = *key, .record = {.clock = clock.get<std::int64_t>()}};
  if (json.contains("layer")) {
    const Json& layer = json["layer"];
    if (!layer.is_object() || !layer.contains("size") || !layer["size"].is_number_unsigned()) return wrong();
    const auto diff_id = parse_digest(layer, "diff_id");
    if (!diff_id) return wrong();
    kept.record.layer = CachedLayer{.diff_id = *diff_id, .size = layer["size"].get<std::uint64_t>()};
    if (kept.record.layer->size > kMostLayer) return wrong();
  }
  if (json.contains("first")) {
    if (!json["first"].is_array()) return wrong();
    for (const Json& text : json["first"]) {
      const auto first = text.is_string() ? Digest::parse(text.get<std::string>()) : Result<Digest>(Error(EBADMSG));
      if (!first) return wrong();
      kept.firsts.insert(*first);
    }
  }
  if (json.contains("step")) {
    const auto step = parse_digest(json, "step");
    if (!step) return wrong();
    kept.step = *step;
  }
  if (json.contains("paths")) {
    const auto text = json["paths"].is_string() ? base64_decode(json["paths"].get<std::string>()) : Result<std::string>(Error(EBADMSG));
    auto paths = text ? parse_access_log(*text) : Result<AccessedPaths>(Error(EBADMSG));
    if (!kept.step || !paths) return fail(EBADMSG, "cache.json holds a list of paths that is none");
    kept.paths = *std::move(paths);
  }
  return kept;
}

}  // namespace

Result<CacheIndex> index_of(Cache& cache, const std::set<Digest>& keys, const std::set<Digest>* within) {
  Json index = {{"acetate build cache", kFormat}, {"records", Json::array()}};
  std::set<CachedLayer> layers;
  for (const Cache::Kept& kept : TRY(cache.kept(keys))) {
    if (within != nullptr && kept.record.layer && !within->contains(kept.record.layer->diff_id)) continue;
    index["records"].push_back(to_json(kept));
    if (kept.record.layer) layers.insert(*kept.record.layer);
  }
  std::string text = index.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMostCacheIndex) return fail(EFBIG, "the build has more records than can be read again");
  return CacheIndex{.text = std::move(text), .layers = {layers.begin(), layers.end()}};
}

Result<void> export_cache(Cache& cache, const std::set<Digest>& keys, const std::string& dir) {
  TRY_WITHIN(sys::make_dirs(dir + "/layers", 0755), "making {}", dir);
  const Fd lock = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  if (auto locked = sys::flock(lock.ref(), LOCK_EX | LOCK_NB); !locked) {
    log::warn("{} is in use by another build; waiting for its end", dir);
    TRY_WITHIN(sys::flock(lock.ref(), LOCK_EX), "locking {}", dir);
  }
  const CacheIndex index = TRY(index_of(cache, keys));
  for (const CachedLayer& layer : index.layers)
    TRY_WITHIN(put_layer(cache.layer_path(layer.diff_id), dir + "/layers/" + layer.diff_id.hex(), layer), "writing {}", dir);
  const std::string path = dir + "/cache.json";
  TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, index.text, 0644), "writing {}", path);
  TRY_WITHIN(remove_others(dir + "/layers", index.layers), "removing from {} what it held before", dir);
  return {};
}

Result<Imported> import_index(Cache& cache, std::string_view text, const std::string& what, const TakeLayer& take) {
  const auto parsed = image::parse_json(text, what, kMostCacheIndex);
  if (!parsed) return fail(EBADMSG, "{}", parsed.error().message());
  const Json& index = *parsed;
  if (!index.is_object() || !index.contains("acetate build cache") || index["acetate build cache"] != kFormat || !index.contains("records") ||
      !index["records"].is_array())
    return fail(EBADMSG, "{} is no build cache of this version", what);
  std::vector<Cache::Kept> all;
  for (const Json& json : index["records"]) all.push_back(TRY_WITHIN(parse_kept(json), "{}", what));
  Imported imported;
  std::set<CachedLayer> there, refused;  // looked at once, however many keys it has
  std::vector<Cache::Kept> good;
  for (Cache::Kept& kept : all) {
    if (const auto& layer = kept.record.layer; layer && !there.contains(*layer)) {
      auto taken = refused.contains(*layer) ? Result<void>(Error(EBADMSG)) : is_there(cache.layer_path(layer->diff_id), layer->size) ? Result<void>() : take(*layer);
      if (!taken && !taken.error().is(EBADMSG)) return std::move(taken).error();
      if (!taken) {
        if (imported.refused++ == 0) imported.first_reason = taken.error().message();
        refused.insert(*layer);
        continue;
      }
      there.insert(*layer);
    }
    good.push_back(std::move(kept));
  }
  TRY_WITHIN(cache.add_foreign(good), "adding to the build cache");
  imported.records = good.size();
  return imported;
}

Result<Imported> import_cache(Cache& cache, const std::string& dir) {
  const std::string path = dir + "/cache.json";
  // Against whoever exports there meanwhile; a directory that cannot be locked can be read all the same.
  const auto lock = sys::open(dir, O_RDONLY | O_DIRECTORY);
  if (lock) static_cast<void>(sys::flock(lock->ref(), LOCK_SH).has_value());
  const Fd file = TRY_WITHIN(open_regular(path), "reading {}", path);
  const std::string text = TRY_WITHIN(sys::read_all(file.ref(), kMostCacheIndex), "reading {}", path);
  return import_index(cache, text, path, [&](const CachedLayer& layer) {
    return take_layer(dir + "/layers/" + layer.diff_id.hex(), cache.layer_path(layer.diff_id), layer);
  });
}

}  // namespace acetate::build
