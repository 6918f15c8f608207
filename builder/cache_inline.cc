#include "builder/cache_inline.h"

#include <nlohmann/json.hpp>

#include "builder/cache_share.h"
#include "layers/image/json.h"

namespace acetate::build {

namespace {

using image::Json;

constexpr const char* kMember = "acetate build cache";

}  // namespace

Result<std::string> with_inline_cache(const std::string& config, Cache& cache, const std::set<Digest>& keys, const StageState& state) {
  std::set<Digest> layers;
  for (const StageLayer& layer : state.layers) layers.insert(layer.diff_id);
  const CacheIndex index = TRY(index_of(cache, keys, &layers));
  Json document = TRY(image::parse_json(config, "the image's configuration"));
  document[kMember] = TRY(image::parse_json(index.text, "the build cache", kMostCacheIndex));
  return image::write_json(document);
}

Result<std::optional<std::string>> inline_cache_of(const std::string& config, const std::string& what) {
  const auto document = image::parse_json(config, what, kMostCacheIndex);
  if (!document) return fail(EBADMSG, "{}", document.error().message());
  if (!document->is_object() || !document->contains(kMember)) return std::optional<std::string>();
  return std::optional((*document)[kMember].dump());
}

}  // namespace acetate::build
