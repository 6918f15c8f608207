// What COPY copies: its source patterns matched in a tree, and everything below what they match, with digests.
//
// The same list is the cache key's input and what is written, so the two cannot disagree.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/rel_path.h"
#include "base/result.h"
#include "builder/step.h"
#include "layers/layer.h"

namespace acetate::build {

// One object to be copied.
struct SourceEntry {
  RelPath inside;     // below the source; "" is the source itself
  Attr attr;
  std::string target = {};                // of a symlink
  std::vector<Xattr> xattrs = {};
  std::optional<Digest> content = {};     // of a regular file
  LayerPtr layer = {};                    // where a regular file's bytes are: at `real`
  RelPath real = {};
};

// One thing a pattern matched.
struct Source {
  std::string written;               // the path as the pattern spelt it: its last name is the name it keeps
  RelPath relative;                  // from the root (or the "/./" pivot) on, for --parents
  std::vector<SourceEntry> parents;  // for --parents: the directories of `relative`, outermost first
  std::vector<SourceEntry> entries;  // the first is the source itself; parents before children, names sorted
  bool dated = false;                // the entries' times are content, as those of a tarball are
  bool unpacked = false;             // the entries came out of a tarball; the first is its root
  std::string identity = {};         // says all that the entries are, shorter: a commit

  bool is_dir() const { return entries.front().attr.is_dir(); }
};

// Opens a regular file of the tree as a tarball, or says that it is none.
using TarOpener = std::function<Result<std::optional<LayerPtr>>(const RelPath& path)>;

// Matches `step`'s patterns in `tree`, in their order. A path without wildcards that is not there is ENOENT with
// words, as is a symlink to nowhere; a pattern that matches nothing is no error, as BuildKit has it. Of a socket an empty file is made. `open_tar` is
// asked for regular files when the step unpacks.
Result<std::vector<Source>> collect_sources(const CopyStep& step, const LayerPtr& tree, const TarOpener& open_tar);

// ENOENT with words: `path` is not in `where`, "context" or an image or a stage.
Error not_found(std::string_view where, std::string_view path);

// The bytes of a regular entry, which must still be those that were hashed: EBUSY with words when the file
// changed meanwhile, told by the read that reaches its end.
Result<std::unique_ptr<FileView>> open_entry(const SourceEntry& entry);

// What a fetched file holds, instead of the file.
Result<Source> tarball_source(const Source& file, const LayerPtr& tar);

// A file that the Dockerfile holds itself.
Result<Source> inline_source(const CopyStep::InlineFile& file);

}  // namespace acetate::build
