// How one lower layer is named on a command line, and opened.
//
//   /some/dir                                   a directory
//   /some/layer.tar[.gz|.zst|…]                 a tarball, told by its content and not by its name
//   //tar/KEY=VALUE[+KEY=VALUE…]/abs/path       a tarball that is part of a file, or whose digest is known:
//                                               offset=N, length=N, digest=sha256-<hex>, toc=sha256-<hex>, lazy,
//                                               index=sha256-<hex>
//
// The third is fuse-overlayfs's plugin grammar (//PLUGIN/DATA/PATH) with a plugin that is always there. It is
// how `acetate` hands layers inside archives to the daemon, so that nothing is unpacked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "layers/dir_layer.h"
#include "layers/layer.h"
#include "layers/stream/seekable.h"
#include "layers/tar/index_facts.h"

namespace acetate {

struct LayerSpec {
  std::string path;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length = {};  // to the end when absent
  std::optional<Digest> digest = {};         // what the bytes named must be; computed when absent
  std::optional<Digest> toc = {};            // what their table of contents must be, said by whoever says `digest`
  // A blob of our store (…/blobs/sha256/HEX) that may not all be here yet: then it is read from …/.acetate-lazy, and what
  // is missing is asked of the fetcher.
  bool lazy = false;
  // With lazy: whose index of it is believed though nobody here has made it (layers/image/lazy_images.h, index_origin()).
  std::optional<Digest> index = {};
  auto operator<=>(const LayerSpec&) const = default;
};

// EINVAL with words for a malformed //tar/ element; other plugins are ENOTSUP with words.
Result<LayerSpec> parse_layer_spec(std::string_view element);
// The text parse_layer_spec reads back; ':' and ',' and '\' in the path stay as they are (the option line
// escapes them).
std::string format_layer_spec(const LayerSpec& spec);

// How the index of a tarball came about, for whoever reports it.
struct OpenedLayer {
  LayerPtr layer;
  DecodedSourcePtr bytes = nullptr;  // of a tarball: says how much of it has been read and decoded
  bool is_tar = false;
  std::optional<Digest> diff_id = {};    // of a tarball: the digest of its uncompressed bytes, as we read them
  std::optional<IndexFacts> facts = {};  // of a tarball: what its index says
  bool index_was_cached = false;
  bool is_lazy = false;  // not all of it was here when it was opened: files that are run must be opened to be fetched
  bool is_by_toc = false;                // of a tarball: shown by its table of contents; diff_id and facts come later
  std::uint64_t entries = 0;             // of a tarball
  std::uint64_t compressed_size = 0;     // of a tarball
  std::uint64_t uncompressed_size = 0;   // of a tarball
};

// Opens a directory or tarball. `index_dir` is where layer indexes are kept
// ($XDG_CACHE_HOME/acetate/index/v1 by default_index_dir()), and below it, in "mirror", decoded bytes: at most
// $ACETATE_MIRROR_BYTES of them (2 GiB; 0: none). How far tables of contents are believed says $ACETATE_TOC (promote,
// strict, off; toc_trust.h). Indexes are also looked for in the directories of $ACETATE_SHARED_INDEXES, separated by colons, which
// are never written (index_store.h). ENOENT, "not a directory and not a tarball",
// truncated or corrupt archives say which and where in words. `follow` is of a directory's.
Result<OpenedLayer> open_layer(const LayerSpec& spec, const std::string& index_dir, FollowMarks follow = FollowMarks::privileged);

// Of a layer that is being mounted: decodes ahead what earlier mounts read of it, and notes what this one reads for those to come
// (DecodedSource::learn), beside its index. Nothing for directories, nor while bytes are still far away or shown by a table of
// contents: then guesses would come before what somebody waits for.
void learn_reads(const OpenedLayer& layer, const std::string& index_dir);
// $ACETATE_PREFETCH: on (also when it is not set) or off; EINVAL with words.
Result<bool> prefetch_is_on();

// $ACETATE_CACHE, else $XDG_CACHE_HOME/acetate, else $HOME/.cache/acetate, else /var/cache/acetate for root
// without HOME; plus "/index/v1".
std::string default_index_dir();

}  // namespace acetate
