#include "builder/base_image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/sys/file.h"
#include "base/timespec.h"
#include "builder/base_state.h"
#include "builder/clock.h"
#include "builder/git_ref.h"
#include "builder/graph.h"
#include "layers/image/config.h"
#include "layers/image/image_files.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/image/reference.h"
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

// What stands behind docker's "docker-image://", buildah's "container-image://" and either's "docker://": an image as FROM names
// it. Nothing for what is none. BuildKit asks for no slashes behind its own two names.
std::optional<std::string> image_name(const std::string& reference) {
  for (const std::string_view scheme : {"docker-image://", "docker-image:", "container-image://", "docker://"})
    if (reference.starts_with(scheme)) return reference.substr(scheme.size());
  return std::nullopt;
}

std::optional<std::string> layout_place(const std::string& reference) {
  for (const std::string_view scheme : {"oci-layout://", "oci-layout:"})
    if (reference.starts_with(scheme)) return "oci:" + reference.substr(scheme.size());
  return std::nullopt;
}

// A git repository, or a URL of a tarball.
bool is_elsewhere(const std::string& context) {
  if (context.starts_with("http://") || context.starts_with("https://")) return true;
  if (image_name(context) || layout_place(context)) return false;
  const auto git = parse_git_ref(context);
  return git && *git;
}

// FROM names it by where it lies.
bool is_file(const std::string& name) {
  return std::ranges::any_of(std::array<std::string_view, 6>{"oci:", "oci-archive:", "docker-archive:", "/", "./", "../"},
                             [&](std::string_view begin) { return name.starts_with(begin); });
}

}  // namespace

bool BaseImages::is_directory(const std::string& name) const {
  const std::string* named = find_context(options_.contexts, name);
  if (named == nullptr) return false;
  if (is_elsewhere(*named)) return true;
  if (named->find("://") != std::string::npos) return false;
  const auto stat = sys::stat_following(*named);
  return stat && S_ISDIR(stat->st_mode) && !sys::stat_following(*named + "/oci-layout");
}

Result<std::optional<std::string>> BaseImages::directory(const std::string& name) {
  if (!is_directory(name)) return std::optional<std::string>();
  const std::string* named = find_context(options_.contexts, name);
  if (!is_elsewhere(*named)) return std::optional(*named);
  if (!options_.fetch_context) return fail(ENOENT, "the build context \"{}\" is not here", name);
  Directory& directory = [&]() -> Directory& {
    const Lock lock(mutex_);
    return directories_[name];
  }();
  const Lock fetching(directory.fetching);
  if (directory.dir) return std::optional(directory.dir->dir);
  ContextDir context = TRY_WITHIN(options_.fetch_context(*named), "the build context \"{}\"", name);
  if (context.dockerfile) return fail(ENOTDIR, "the build context \"{}\" is neither a directory nor a tarball", name);
  directory.dir = std::move(context);
  return std::optional(directory.dir->dir);
}

bool BaseImages::is_of_store(const std::string& name) const {
  return find_context(options_.contexts, name) == nullptr && !is_file(name);
}

Result<image::Image> BaseImages::find(const Wanted& wanted, bool may_fetch) {
  const auto& [name, platform] = wanted;
  if (const std::string* named = find_context(options_.contexts, name)) {
    const auto image = image_name(*named);
    if (image) return TRY_WITHIN(find_named({*image, platform}, may_fetch), "the build context \"{}\"", name);
    return TRY_WITHIN(image::open_image(layout_place(*named).value_or(*named), platform), "the build context \"{}\"", name);
  }
  return find_named(wanted, may_fetch);
}

Result<image::Image> BaseImages::find_named(const Wanted& wanted, bool may_fetch) {
  const auto& [name, platform] = wanted;
  if (name == "scratch") return image::Image{.config = image::empty_config(platform)};
  if (is_file(name) && !options_.names_files)
    return fail(EPERM, "{}: the Dockerfile came with its context from elsewhere and names no files of this machine: --build-context NAME={} gives it one", name, name);
  if (is_file(name)) return image::open_image(name.starts_with('.') ? options_.context_dir + "/" + name : name, platform);
  may_fetch = may_fetch && options_.fetch && options_.policy != "never";
  if (may_fetch && options_.policy != "missing") TRY(fetch(wanted));
  auto ours = find_ours(wanted);
  // Of an index it may be another platform's that is here.
  if (!ours && ours.error().is(ENOENT) && may_fetch && options_.policy == "missing") {
    if (auto fetched = fetch(wanted); !fetched) {
      if (auto sole = TRY(find_sole(wanted))) return *std::move(sole);
      return fail(fetched.error().code(), "there is no image \"{}\" here, and it could not be pulled: {}", name, fetched.error().message());
    }
    ours = find_ours(wanted);
  }
  if (!ours && ours.error().is(ENOENT))
    if (auto sole = TRY(find_sole(wanted))) return *std::move(sole);
  return ours;
}

// An image that is there for one platform only, and not for this one: COPY and ADD need none, and a RUN says what is amiss. The checks warn of it.
Result<std::optional<image::Image>> BaseImages::find_sole(const Wanted& wanted) {
  using Answer = std::optional<image::Image>;
  const image::ImageStore* store = TRY(this->store());
  const auto stored = store->find(wanted.first);
  if (!stored && !stored.error().is(ENOENT)) return stored.error().clone();
  if (!stored || !image::is_manifest_type(stored->target.media_type)) return Answer();
  const std::string what = "the image " + wanted.first;
  const image::ImageFiles& files = store->files(*stored);
  const auto document = TRY(image::parse_document(TRY(image::read_blob(files, stored->target)), stored->target.media_type, what));
  if (!document.manifest) return Answer();
  const image::Config config = TRY(image::parse_config(TRY(image::read_blob(files, document.manifest->config)), what));
  return Answer(TRY_WITHIN(store->open_image(*stored, config.platform), "{}", wanted.first));
}

// Where there was no store before there is one now.
Result<void> BaseImages::fetch(const Wanted& wanted) {
  TRY(options_.fetch(wanted.first, options_.policy, wanted.second));
  const Lock lock(mutex_);
  return open_store();
}

Result<const image::ImageStore*> BaseImages::store() {
  const Lock lock(mutex_);
  if (store_ == nullptr) TRY(open_store());
  return store_.get();
}

Result<void> BaseImages::open_store() {
  auto opened = TRY(image::ImageStore::open_to_read(options_.images));
  if (store_ != nullptr) earlier_.push_back(std::move(store_));
  store_ = std::move(opened);
  return {};
}

Result<image::Image> BaseImages::find_ours(const Wanted& wanted) {
  const auto& [name, platform] = wanted;
  const image::ImageStore* store = TRY(this->store());
  const auto stored = store->find(name);
  if (stored) return TRY_WITHIN(store->open_image(*stored, platform), "{}", name);
  if (!stored.error().is(ENOENT)) return stored.error().clone();
  const auto reference = image::parse_reference(name);
  return fail(ENOENT,
              "failed to resolve source metadata for {}: not found: there is no image \"{}\" here; get it with acetate pull {}, or "
              "name a file: oci-archive:FILE, docker-archive:FILE, oci:DIRECTORY, /path/to/rootfs.tar",
              reference ? reference->str() : name, name, name);
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
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        known = TRY_WITHIN(digest_file(layer.spec), "reading {}", layer.spec.path);
        if (!is_doubtful(stat.st_mtim, now) && !is_doubtful(stat.st_ctim, now)) TRY(cache.set_file_identity(identity, *known));
      }
      built.blob = known->digest;
      built.diff_id = known->diff_id;
      built.media_type = known->media_type;
      built.spec.digest = known->digest;
    }
    state.push(std::move(built));
  }
  // An image made so that it can be made again is often dated 1970, or the year 1: what writes zip files (wheels, jars) refuses times before 1980.
  constexpr std::int64_t kFirstOfZip = 315532800;
  state.clock = parse_time(image.config.created).value_or(0);
  if (!image.layers.empty()) state.clock = std::max(state.clock, kFirstOfZip);
  state.base_clock = state.clock;
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

Result<const StageState*> BaseImages::open(const Wanted& wanted, bool may_fetch) {
  Base& base = [&]() -> Base& {
    const Lock lock(mutex_);
    return bases_[wanted];
  }();
  const Lock finding(base.finding);
  if (base.state) return &*base.state;
  if (base.failed) return base.failed->clone();
  auto image = find(wanted, may_fetch);
  if (!image && may_fetch) base.failed = image.error().clone();
  if (image && image->manifest_digest && is_of_store(wanted.first)) {
    const Lock lock(mutex_);
    manifests_.emplace(wanted, *image->manifest_digest);
  }
  base.state = TRY(read(TRY(std::move(image))));
  return &*base.state;
}

void BaseImages::prepare(const std::vector<std::pair<std::string, image::Platform>>& bases, unsigned at_once) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t n = next++; n < bases.size(); n = next++) static_cast<void>(open(bases[n], true).has_value());
  };
  std::vector<std::jthread> others;
  try {
    while (others.size() + 1 < std::min<std::size_t>(at_once, bases.size())) others.emplace_back(work);
  } catch (const std::system_error&) {
    // As many processes as there may be: fewer at a time.
  }
  work();
}

std::vector<Material> BaseImages::opened() const {
  const Lock lock(mutex_);
  std::vector<Material> opened;
  for (const auto& [wanted, digest] : manifests_) opened.push_back({.name = wanted.first, .platform = wanted.second, .manifest = digest});
  return opened;
}

Result<const StageState*> BaseImages::open(const std::string& name, const image::Platform& platform) { return open({name, platform}, true); }
Result<const StageState*> BaseImages::open_here(const std::string& name, const image::Platform& platform) { return open({name, platform}, false); }

}  // namespace acetate::build
