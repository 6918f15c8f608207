// What a step did to a tree, as operations: the form in which commit, diff, export and build hand changes on.
//
// Operations, not "an upper directory to stack", so that a cached result can be put on another lower.
// Read from an upper in any dialect by read_upper(), written as an OCI layer by layers/tar/layer_writer.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/rel_path.h"
#include "base/result.h"
#include "layers/dir_layer.h"
#include "layers/layer.h"

namespace acetate {

struct DeltaOp {
  enum class Kind {
    replace,       // a file, symlink, device, fifo or socket now stands here, whole
    mkdir,         // a directory was made here (nothing, or no directory, was below)
    set_metadata,  // a directory that was there below has this metadata now
    implicit_dir,  // a directory that exists in the upper only to hold what is in it: owner, mode and xattrs equal
                   // the lower's. Times do not count: making an entry in a directory changes them
    opaque_dir,    // mkdir or set_metadata, and nothing below shows in it any more
    remove,        // what was here below is gone
    hardlink,      // another name of `link_to`, which was replaced earlier in the same delta
  } kind;
  RelPath path;  // the root itself is ""
  Attr attr = {};
  std::string target = {};       // of a symlink
  RelPath link_to = {};
  std::vector<Xattr> xattrs = {};
};

// Reads what an operation's file contains; set for `replace` of regular files, unless the walk is `without_content`.
using DeltaSink = std::function<Result<void>(const DeltaOp&, const FileView* content)>;

// How much of it a walk asks for. Without content no file is opened: of what is no directory the content, the xattrs and a symlink's target
// are left out, for which there are several calls each.
enum class DeltaDepth { whole, without_content };

// Walks an upper directory (ours, fuse-overlayfs's or the kernel's; any dialect) and tells `sink` what it does
// to `lower`: parents before children, names in byte order, a directory's removals before its additions. The
// root comes first. A whiteout of what `lower` does not have is no operation.
//
// `lower` may be null, when nobody knows what is below: then every directory is `mkdir`, and every whiteout
// `remove`. The upper must not change meanwhile. Sees only what is in the upper, so the time grows with what
// changed and not with the image. Where the kernel's overlay left a redirect or a metacopy in it, what these
// stand for is read from `lower`. An upper that it alone wrote has no whiteouts that are files: what is called so is `refused`. What `sink` says ends the walk is returned as it is.
Result<void> read_upper(Fd upper, const Layer* lower, const DeltaSink& sink, DeltaDepth depth = DeltaDepth::whole,
                        WhiteoutFiles whiteout_files = WhiteoutFiles::marks);
// The same of any layer: what a tarball or a list in memory does to `lower`.
Result<void> read_upper(LayerPtr upper, const Layer* lower, const DeltaSink& sink, DeltaDepth depth = DeltaDepth::whole);

}  // namespace acetate
