#include "builder/cache_share.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/sys/copy.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"

namespace acetate::build {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostIndex = std::size_t{1} << 30;
constexpr int kFormat = 2;
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

// A layer that is there already, whole, is not copied; `verify`: where it comes from is not ours.
Result<void> copy_layer(const std::string& from, const std::string& to, const CachedLayer& layer, bool verify) {
  if (const auto there = sys::stat_following(to); there && static_cast<std::uint64_t>(there->st_size) == layer.size) return {};
  const Fd source = TRY_WITHIN(open_regular(from), "the layer {}", layer.diff_id.str());
  if (static_cast<std::uint64_t>(TRY(sys::stat(source.ref())).st_size) != layer.size) return fail(EBADMSG, "{} has another size than is said", from);
  auto file = TRY(sys::NewFile::make(to, 0600));
  TRY(sys::copy_file(source.ref(), file.ref()));
  if (verify) {
    const Fd again = TRY(sys::reopen(file.ref(), O_RDONLY));
    if (TRY(digest_of(again.ref())) != layer.diff_id) return fail(EBADMSG, "{} is not what its name says", from);
  }
  return file.commit();
}

Json to_json(const Cache::Kept& kept) {
  Json record = {{"key", kept.key.str()}, {"clock", kept.record.clock}};
  if (kept.record.layer) record["layer"] = {{"diff_id", kept.record.layer->diff_id.str()}, {"size", kept.record.layer->size}};
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

Result<void> take(Cache& cache, const Cache::Kept& kept, const std::string& dir) {
  if (kept.record.layer) {
    const Digest& diff_id = kept.record.layer->diff_id;
    TRY_WITHIN(copy_layer(dir + "/layers/" + diff_id.hex(), cache.layer_path(diff_id), *kept.record.layer, true), "reading {}", dir);
  }
  TRY(cache.put(kept.key, kept.record));
  if (kept.step) TRY(cache.add_step(*kept.step, kept.key));
  if (kept.paths) TRY(cache.add_older_reads(*kept.step, kept.key, *kept.paths));
  return {};
}

}  // namespace

Result<CacheIndex> index_of(Cache& cache, const std::set<Digest>& keys) {
  Json index = {{"acetate build cache", kFormat}, {"records", Json::array()}};
  std::set<CachedLayer> layers;
  for (const Cache::Kept& kept : TRY(cache.kept(keys))) {
    index["records"].push_back(to_json(kept));
    if (kept.record.layer) layers.insert(*kept.record.layer);
  }
  std::string text = index.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMostIndex) return fail(EFBIG, "the build has more records than can be read again");
  return CacheIndex{.text = std::move(text), .layers = {layers.begin(), layers.end()}};
}

Result<void> export_cache(Cache& cache, const std::set<Digest>& keys, const std::string& dir) {
  TRY_WITHIN(sys::make_dirs(dir + "/layers", 0755), "making {}", dir);
  const CacheIndex index = TRY(index_of(cache, keys));
  for (const CachedLayer& layer : index.layers)
    TRY_WITHIN(copy_layer(cache.layer_path(layer.diff_id), dir + "/layers/" + layer.diff_id.hex(), layer, false), "writing {}", dir);
  const std::string path = dir + "/cache.json";
  return TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, index.text, 0644), "writing {}", path);
}

Result<Imported> import_cache(Cache& cache, const std::string& dir) {
  const std::string path = dir + "/cache.json";
  const Fd file = TRY_WITHIN(open_regular(path), "reading {}", path);
  const std::string text = TRY_WITHIN(sys::read_all(file.ref(), kMostIndex), "reading {}", path);
  const Json index = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!index.is_object() || !index.contains("acetate build cache") || index["acetate build cache"] != kFormat || !index.contains("records") ||
      !index["records"].is_array())
    return fail(EBADMSG, "{} is no build cache of this version", path);
  std::vector<Cache::Kept> all;
  for (const Json& json : index["records"]) all.push_back(TRY_WITHIN(parse_kept(json), "{}", path));
  Imported imported;
  for (const Cache::Kept& kept : all) {
    const auto taken = take(cache, kept, dir);
    if (taken) {
      ++imported.records;
    } else if (taken.error().is(EBADMSG) || taken.error().is(ENOENT) || taken.error().is(ELOOP)) {
      if (imported.refused++ == 0) imported.first_reason = taken.error().message();
    } else {
      return taken.error().clone();  // of our own: a full disk
    }
  }
  return imported;
}

}  // namespace acetate::build
