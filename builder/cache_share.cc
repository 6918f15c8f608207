#include "builder/cache_share.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/sys/copy.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"

namespace acetate::build {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostIndex = std::size_t{1} << 30;
constexpr int kFormat = 1;

Result<Digest> digest_of(FdRef file) {
  Sha256 hash;
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    const std::size_t got = TRY(sys::read(file, buffer));
    if (got == 0) return hash.finish();
    hash.update(std::span(buffer).first(got));
  }
}

// A layer that is there already, whole, is not copied; `verify`: where it comes from is not ours.
Result<void> copy_layer(const std::string& from, const std::string& to, const CachedLayer& layer, bool verify) {
  if (const auto there = sys::stat_following(to); there && static_cast<std::uint64_t>(there->st_size) == layer.size) return {};
  const Fd source = TRY(sys::open(from, O_RDONLY | O_NOFOLLOW));
  auto file = TRY(sys::NewFile::make(to, 0600));
  TRY(sys::copy_file(source.ref(), file.ref()));
  if (verify) {
    const Fd again = TRY(sys::reopen(file.ref(), O_RDONLY));
    if (TRY(digest_of(again.ref())) != layer.diff_id) return fail(EBADMSG, "{} is not what its name says", from);
  }
  return file.commit();
}

Json to_json(const Cache::Kept& kept) {
  Json record = {{"inputs", Json::parse(kept.inputs.to_json())}, {"clock", kept.record.clock}};
  if (kept.record.layer) record["layer"] = {{"diff_id", kept.record.layer->diff_id.str()}, {"size", kept.record.layer->size}};
  return record;
}

// Strangers wrote it: everything is looked at before it is believed to be there.
Result<Cache::Kept> parse_kept(const Json& json) {
  const auto wrong = [] { return fail(EBADMSG, "cache.json holds a record that is none"); };
  if (!json.is_object() || !json.contains("inputs") || !json.contains("clock") || !json["clock"].is_number_integer()) return wrong();
  auto inputs = KeyInputs::from_json(json["inputs"].dump());
  if (!inputs) return wrong();
  Cache::Kept kept{.inputs = *std::move(inputs), .record = {.clock = json["clock"].get<std::int64_t>()}};
  if (!json.contains("layer")) return kept;
  const Json& layer = json["layer"];
  if (!layer.is_object() || !layer.contains("diff_id") || !layer["diff_id"].is_string() || !layer.contains("size") ||
      !layer["size"].is_number_unsigned())
    return wrong();
  const auto diff_id = Digest::parse(layer["diff_id"].get<std::string>());
  if (!diff_id) return wrong();
  kept.record.layer = CachedLayer{.diff_id = *diff_id, .size = layer["size"].get<std::uint64_t>()};
  return kept;
}

Result<void> parse_reads(const Json& json, Cache& cache) {
  const auto wrong = [] { return fail(EBADMSG, "cache.json holds a list of paths that is none"); };
  for (const char* name : {"step", "paths"})
    if (!json.is_object() || !json.contains(name) || !json[name].is_string()) return wrong();
  const auto step = Digest::parse(json["step"].get<std::string>());
  const auto text = base64_decode(json["paths"].get<std::string>());
  if (!step || !text || !json.contains("seen")) return wrong();
  auto paths = parse_access_log(*text);
  auto seen = KeyInputs::from_json(json["seen"].dump());
  if (!paths || !seen) return wrong();
  TRY(cache.add_step(*step));
  return cache.add_reads(*step, {*std::move(paths), *std::move(seen)});
}

}  // namespace

Result<void> export_cache(Cache& cache, const std::set<Digest>& keys, const std::set<Digest>& layers, const std::string& dir) {
  TRY_WITHIN(sys::make_dirs(dir + "/layers", 0755), "making {}", dir);
  Json index = {{"acetate build cache", kFormat}, {"records", Json::array()}, {"reads", Json::array()}, {"steps", Json::array()}};
  std::set<Digest> steps;
  for (const Cache::Kept& kept : TRY(cache.kept(keys, layers))) {
    index["records"].push_back(to_json(kept));
    if (const std::string* step = kept.inputs.find("the command"))
      if (const auto digest = Digest::parse(*step)) steps.insert(*digest);
    if (!kept.record.layer) continue;
    const Digest& diff_id = kept.record.layer->diff_id;
    TRY_WITHIN(copy_layer(cache.layer_path(diff_id), dir + "/layers/" + diff_id.hex(), *kept.record.layer, false), "writing {}", dir);
  }
  for (const Digest& step : steps) {
    index["steps"].push_back(step.str());
    for (const Reads& reads : TRY(cache.reads(step)))
      index["reads"].push_back({{"step", step.str()},
                                {"paths", base64_encode(format_access_log(reads.paths))},
                                {"seen", Json::parse(reads.seen.to_json())}});
  }
  const std::string path = dir + "/cache.json";
  return TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, index.dump(-1, ' ', false, Json::error_handler_t::replace), 0644),
                    "writing {}", path);
}

Result<void> import_cache(Cache& cache, const std::string& dir) {
  const std::string path = dir + "/cache.json";
  const std::string text = TRY_WITHIN(sys::read_file(path, kMostIndex), "reading {}", path);
  Json index = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto lists = [&](const char* name) { return index.contains(name) && index[name].is_array(); };
  if (!index.is_object() || !lists("records") || !lists("reads") || !lists("steps") || index["acetate build cache"] != kFormat)
    return fail(EBADMSG, "{} is no build cache of this version", path);
  for (const Json& json : index["records"]) {
    const Cache::Kept kept = TRY_WITHIN(parse_kept(json), "{}", path);
    if (kept.record.layer) {
      const Digest& diff_id = kept.record.layer->diff_id;
      TRY_WITHIN(copy_layer(dir + "/layers/" + diff_id.hex(), cache.layer_path(diff_id), *kept.record.layer, true), "reading {}", dir);
    }
    TRY(cache.put(kept.inputs, kept.record));
  }
  for (const Json& json : index["steps"]) {
    const auto step = json.is_string() ? Digest::parse(json.get<std::string>()) : Result<Digest>(Error(EBADMSG));
    if (!step) return fail(EBADMSG, "{} names a step that is none", path);
    TRY(cache.add_step(*step));
  }
  for (const Json& json : index["reads"]) TRY_WITHIN(parse_reads(json, cache), "{}", path);
  return {};
}

}  // namespace acetate::build
