#include "builder/base_image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "builder/base_state.h"
#include "builder/clock.h"
#include "builder/graph.h"
#include "layers/image/media_type.h"
#include "layers/stream/first_pass.h"

namespace acetate::build {

namespace {

// Docker's media types as OCI's: what we write are OCI manifests.
std::string oci_media_type(std::string_view type, Format format) {
  if (type == image::kDockerLayerGzip || type == image::kOciLayerGzip) return std::string(image::kOciLayerGzip);
  if (type == image::kDockerLayerZstd || type == image::kOciLayerZstd) return std::string(image::kOciLayerZstd);
  if (!type.empty()) return std::string(image::kOciLayer);
  if (format == Format::gzip) return std::string(image::kOciLayerGzip);
  if (format == Format::zstd) return std::string(image::kOciLayerZstd);
  return std::string(image::kOciLayer);
}

// Everything that changes when a file does, as text.
std::string identity_of(const LayerSpec& spec, const struct stat& st) {
  return fmt::format("{}:{}:{}:{}.{}:{}.{}:{}:{}", st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                     st.st_ctim.tv_sec, st.st_ctim.tv_nsec, spec.offset, spec.length.value_or(0));
}

// Digests of a tarball that nobody told us: one pass over it.
Result<FileIdentity> digest_file(const LayerSpec& spec) {
  Fd fd = TRY(sys::open(spec.path, O_RDONLY));
  SourcePtr source = spec.length ? TRY(file_source(std::move(fd), spec.offset, *spec.length)) : TRY(file_source(std::move(fd)));
  FirstPass pass = TRY(FirstPass::open(std::move(source)));
  const FirstPassResult result = TRY(pass.finish());
  return FileIdentity{.digest = result.blob, .diff_id = result.diff_id, .media_type = oci_media_type("", result.format)};
}

// docker's spelling of a reference as ours.
std::string without_scheme(const std::string& reference) {
  if (reference.starts_with("oci-layout://")) return "oci:" + reference.substr(13);
  if (reference.starts_with("docker-image://")) return reference.substr(15);
  return reference;
}

}  // namespace

std::optional<std::string> BaseImages::directory(const std::string& name) const {
  const std::string* named = find_context(options_.contexts, name);
  if (named == nullptr || named->find("://") != std::string::npos) return std::nullopt;
  const auto stat = sys::stat_following(*named);
  if (!stat || !S_ISDIR(stat->st_mode) || sys::stat_following(*named + "/oci-layout")) return std::nullopt;
  return *named;
}

Result<image::Image> BaseImages::find(const std::string& name, bool may_fetch) {
  if (const std::string* named = find_context(options_.contexts, name))
    return TRY_WITHIN(image::open_image(without_scheme(*named), options_.platform), "the build context \"{}\"", name);
  for (const char* transport : {"oci:", "oci-archive:", "docker-archive:"})
    if (name.starts_with(transport)) return image::open_image(name, options_.platform);
  if (name.starts_with('/')) return image::open_image(name, options_.platform);
  if (name.starts_with("./") || name.starts_with("../"))
    return image::open_image(options_.context_dir + "/" + name, options_.platform);
  if (store_ == nullptr) store_ = TRY(image::ImageStore::open_to_read(options_.images));
  may_fetch = may_fetch && options_.fetch && options_.policy != "never";
  if (may_fetch && options_.policy != "missing") TRY(options_.fetch(name, options_.policy));
  auto stored = store_->find(name);
  if (!stored && stored.error().is(ENOENT) && may_fetch && options_.policy == "missing") {
    TRY(options_.fetch(name, options_.policy));
    stored = store_->find(name);
  }
  if (stored) return TRY_WITHIN(store_->open_image(*stored, options_.platform), "{}", name);
  if (!stored.error().is(ENOENT)) return stored.error().clone();
  return fail(ENOENT,
              "there is no image \"{}\" here; get it with acetate pull {}, or name a file: oci-archive:FILE, docker-archive:FILE, "
              "oci:DIRECTORY, /path/to/rootfs.tar",
              name, name);
}

Result<StageState> base_state(const image::Image& image, Cache& cache) {
  StageState state{.config = image.config};
  state.config.diff_ids.clear();
  const bool known_diff_ids = image.config.diff_ids.size() == image.layers.size();
  for (std::size_t n = 0; n < image.layers.size(); ++n) {
    const image::Layer& layer = image.layers[n];
    const auto stat = TRY_WITHIN(sys::stat_following(layer.spec.path), "opening {}", layer.spec.path);
    if (S_ISDIR(stat.st_mode))
      return fail(ENOTSUP, "{} is a directory; an image cannot be built on one: make a tarball of it (tar -C {} -cf rootfs.tar .)",
                  layer.spec.path, layer.spec.path);
    StageLayer built{.spec = layer.spec, .size = layer.size, .media_type = oci_media_type(layer.media_type, Format::plain)};
    if (layer.digest && known_diff_ids) {
      built.blob = *layer.digest;
      built.diff_id = image.config.diff_ids[n];
    } else {
      const std::string identity = identity_of(layer.spec, stat);
      auto known = TRY(cache.file_identity(identity));
      if (!known) {
        known = TRY_WITHIN(digest_file(layer.spec), "reading {}", layer.spec.path);
        TRY(cache.set_file_identity(identity, *known));
      }
      built.blob = known->digest;
      built.diff_id = known->diff_id;
      built.media_type = known->media_type;
      built.spec.digest = known->digest;
    }
    state.push(std::move(built));
  }
  state.clock = state.base_clock = parse_time(image.config.created).value_or(0);
  state.base_layers = state.layers.size();
  return state;
}

StageLayer cached_stage_layer(const CachedLayer& layer, const Cache& cache) {
  return {.spec = {.path = cache.layer_path(layer.diff_id), .digest = layer.diff_id},
          .blob = layer.diff_id,
          .diff_id = layer.diff_id,
          .size = layer.size,
          .media_type = std::string(image::kOciLayer)};
}

Result<StageState> BaseImages::read(const image::Image& image) const { return base_state(image, cache_); }

Result<const StageState*> BaseImages::open(const std::string& name, bool may_fetch) {
  const Lock lock(mutex_);
  if (const auto known = open_.find(name); known != open_.end()) return &known->second;
  if (const auto failed = failed_.find(name); failed != failed_.end()) return failed->second.clone();
  auto image = find(name, may_fetch);
  if (!image && may_fetch) failed_.emplace(name, image.error().clone());
  return &open_.emplace(name, TRY(read(TRY(std::move(image))))).first->second;
}

Result<const StageState*> BaseImages::open(const std::string& name) { return open(name, true); }
Result<const StageState*> BaseImages::open_here(const std::string& name) { return open(name, false); }

}  // namespace acetate::build
