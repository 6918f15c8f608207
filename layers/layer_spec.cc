#include "layers/layer_spec.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/number.h"
#include "base/sys/file.h"
#include "layers/dir_layer.h"
#include "layers/open_layer_file.h"
#include "layers/shared_indexes.h"
#include "layers/tar/lazy_place.h"
#include "layers/tar/open_lazy_tar.h"
#include "layers/tar/open_tar.h"

namespace acetate {

namespace {

constexpr std::string_view kTarPlugin = "tar";

Result<std::uint64_t> parse_bytes(std::string_view key, std::string_view text) {
  const auto value = number_of<std::uint64_t>(text);
  if (!value) return fail(EINVAL, "'{}' is no number of bytes for {}", text, key);
  return *value;
}

// With '-' for ':', which separates lowers on the option line.
Result<Digest> parse_digest(std::string_view value) {
  std::string text(value);
  if (const std::size_t dash = text.find('-'); dash != std::string::npos) text[dash] = ':';
  return Digest::parse(text);
}

Result<void> apply_option(std::string_view option, LayerSpec& spec) {
  const std::size_t equals = option.find('=');
  const std::string_view key = option.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : option.substr(equals + 1);
  if (key == "offset") {
    spec.offset = TRY(parse_bytes(key, value));
  } else if (key == "length") {
    spec.length = TRY(parse_bytes(key, value));
  } else if (key == "digest") {
    spec.digest = TRY(parse_digest(value));
  } else if (key == "toc") {
    spec.toc = TRY(parse_digest(value));
  } else if (key == "index") {
    spec.index = TRY(parse_digest(value));
  } else if (option == "lazy") {
    spec.lazy = true;
  } else {
    return fail(EINVAL, "'{}' is none of offset=, length=, digest=, toc=, lazy and index=", option);
  }
  return {};
}

std::string with_dash(const Digest& digest) { return fmt::format("{}-{}", name_of(digest.algorithm()), digest.hex()); }

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char cwd[4096];
  return ::getcwd(cwd, sizeof cwd) == nullptr ? path : std::string(cwd) + "/" + path;
}

const char* set_variable(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// Where decoded bytes are kept, and how many of them.
Result<MirrorStore> mirrors_beside(const std::string& index_dir) {
  std::uint64_t capacity = MirrorStore::kDefaultCapacity;
  if (const char* set = set_variable("ACETATE_MIRROR_BYTES")) capacity = TRY(parse_bytes("ACETATE_MIRROR_BYTES", set));
  return MirrorStore(index_dir + "/mirror", capacity);
}

Result<TocTrust> toc_trust() {
  const char* set = set_variable("ACETATE_TOC");
  if (set == nullptr) return TocTrust::promote;
  return TRY_WITHIN(parse_toc_trust(set), "ACETATE_TOC");
}

OpenedLayer opened(OpenedTar tar) {
  OpenedLayer layer{.layer = std::move(tar.layer), .bytes = std::move(tar.bytes), .is_tar = true,
                    .diff_id = tar.facts.diff_id, .facts = tar.facts,
                    .index_was_cached = tar.index_was_cached, .is_lazy = tar.is_lazy, .is_by_toc = tar.is_by_toc,
                    .entries = tar.facts.entries, .compressed_size = tar.facts.packed_bytes,
                    .uncompressed_size = tar.facts.plain_bytes};
  // What somebody else's index says is shown, and is the ground of nothing that is kept.
  if (tar.index_is_foreign) layer.facts.reset();
  if (tar.is_by_toc) {
    layer.facts.reset();
    layer.diff_id.reset();
  }
  return layer;
}

Result<OpenedLayer> open_tar_file(Fd file, const LayerSpec& spec, const std::string& index_dir) {
  const MirrorStore mirrors = TRY(mirrors_beside(index_dir));
  const TocTrust trust = TRY(toc_trust());
  OpenedTar tar = TRY(open_tar({.file = std::move(file), .offset = spec.offset, .length = spec.length,
                                .digest = spec.digest, .toc = spec.toc, .toc_trust = trust},
                               indexes_in(index_dir), IdentityCache(index_dir), {}, &mirrors));
  return opened(std::move(tar));
}

Result<OpenedLayer> open_whatever_it_is(const LayerSpec& spec, const std::string& index_dir, FollowMarks follow) {
  // O_PATH first: opening a fifo or device to see what it is would block or act.
  Fd at = TRY(sys::open(spec.path, O_PATH));
  const auto st = TRY(sys::stat(at.ref()));
  if (S_ISDIR(st.st_mode)) {
    if (spec.offset != 0 || spec.length || spec.digest || spec.toc)
      return fail(EINVAL, "is a directory, which has no offset, length, digest or table of contents");
    return OpenedLayer{.layer = TRY(open_dir_layer(std::move(at), follow))};
  }
  if (!S_ISREG(st.st_mode)) return fail(ENOTDIR, "not a directory and not a tarball");
  return open_tar_file(TRY(sys::reopen(at.ref(), O_RDONLY)), spec, index_dir);
}

// A blob that may not be here yet. It comes to its own name whole, in one moment, and perhaps just now.
Result<OpenedLayer> open_lazy(const LayerSpec& spec, const std::string& index_dir, FollowMarks follow) {
  const auto lazy = lazy_dir_of(spec.path);
  if (!lazy || !spec.digest)
    return fail(EINVAL, "only a blob of an image store, with its digest, can be lazy");
  for (int tries = 0;; ++tries) {
    auto whole = open_whatever_it_is(spec, index_dir, follow);
    if (whole || !whole.error().is(ENOENT)) return whole;
    const MirrorStore mirrors = TRY(mirrors_beside(index_dir));
    const TocTrust trust = TRY(toc_trust());
    auto tar = open_lazy_tar({.dir = *lazy, .blob = *spec.digest, .index = spec.index,
                              .toc = spec.toc, .toc_trust = trust},
                             indexes_in(index_dir), &mirrors);
    if (!tar && tar.error().is(ENOENT) && tries == 0) continue;
    return opened(TRY(std::move(tar)));
  }
}

}  // namespace

Result<LayerSpec> parse_layer_spec(std::string_view element) {
  LayerSpec spec;
  if (!element.starts_with("//")) {
    if (element.empty()) return fail(EINVAL, "a lower layer has an empty name");
    spec.path = element;
    return spec;
  }
  std::string_view rest = element.substr(2);
  const std::string_view plugin = rest.substr(0, rest.find('/'));
  if (plugin != kTarPlugin)
    return fail(ENOTSUP, "'{}': there is no plugin '{}'; only //tar/… is known", element, plugin);
  rest.remove_prefix(std::min(plugin.size() + 1, rest.size()));
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash + 1 == rest.size())
    return fail(EINVAL, "'{}' names no file; it is written //tar/offset=N+length=N/path", element);
  spec.path = rest.substr(slash);
  for (std::string_view options = rest.substr(0, slash); !options.empty();) {
    const std::string_view option = options.substr(0, options.find('+'));
    options.remove_prefix(std::min(option.size() + 1, options.size()));
    if (auto applied = apply_option(option, spec); !applied)
      return std::move(applied).error().within(fmt::format("lower layer '{}'", element));
  }
  return spec;
}

std::string format_layer_spec(const LayerSpec& spec) {
  std::string options;
  const auto add = [&](const std::string& option) { options += (options.empty() ? "" : "+") + option; };
  if (spec.offset != 0) add(fmt::format("offset={}", spec.offset));
  if (spec.length) add(fmt::format("length={}", *spec.length));
  if (spec.digest) add("digest=" + with_dash(*spec.digest));
  if (spec.toc) add("toc=" + with_dash(*spec.toc));
  if (spec.lazy) add("lazy");
  if (spec.index) add("index=" + with_dash(*spec.index));
  // A path that begins with "//" would be read as a plugin's.
  if (options.empty() && !spec.path.starts_with("//")) return spec.path;
  return fmt::format("//{}/{}{}", kTarPlugin, options, absolute(spec.path));
}

Result<OpenedLayer> open_layer(const LayerSpec& spec, const std::string& index_dir, FollowMarks follow) {
  auto opened = spec.lazy ? open_lazy(spec, index_dir, follow) : open_whatever_it_is(spec, index_dir, follow);
  if (!opened) return std::move(opened).error().within("opening layer " + spec.path);
  return opened;
}

Result<OpenedLayer> open_layer_file(Fd file, const std::string& index_dir) { return open_tar_file(std::move(file), {}, index_dir); }

void learn_reads(const OpenedLayer& layer, const std::string& index_dir) {
  if (layer.is_tar && layer.facts && !layer.is_lazy) layer.bytes->learn(IndexStore(index_dir).trace_of(layer.facts->blob));
}

Result<bool> prefetch_is_on() {
  const char* set = set_variable("ACETATE_PREFETCH");
  const std::string_view value = set != nullptr ? set : "on";
  if (value != "on" && value != "off") return fail(EINVAL, "ACETATE_PREFETCH: '{}' is neither on nor off", value);
  return value == "on";
}

std::string default_index_dir() {
  constexpr std::string_view kIndexes = "/index/v1";
  if (const char* own = set_variable("ACETATE_CACHE")) return own + std::string(kIndexes);
  if (const char* xdg = set_variable("XDG_CACHE_HOME")) return xdg + std::string("/acetate") + std::string(kIndexes);
  if (const char* home = set_variable("HOME")) return home + std::string("/.cache/acetate") + std::string(kIndexes);
  // Root's, and a place nobody else can have prepared for us; where it cannot be written, indexes live in memory.
  return "/var/cache/acetate" + std::string(kIndexes);
}

}  // namespace acetate
