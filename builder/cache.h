// The build cache: what steps made, by the key of what they were made from.
//
//   DIR/records.db          SQLite: keys, their inputs, which layer came of them
//   DIR/contents/<sha256>   digests of a layer's files (builder/tree_digest.h)
//   DIR/layers/<sha256>     that layer, an uncompressed tar, named by its digest (its diff id)
//
// Any number of builds use it at once. A layer is there whole before a record names it, so a build that is
// killed at any moment leaves a cache in which every record is good. Threads of one build share one object: SQLite's own
// mutex orders what they ask.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "builder/cache_key.h"
#include "builder/reads.h"
#include "builder/sqlite.h"
#include "layers/image/descriptor.h"

namespace acetate::build {

// A layer in the cache.
struct CachedLayer {
  Digest diff_id;
  std::uint64_t size = 0;
  auto operator<=>(const CachedLayer&) const = default;
};

// What a step came to. No layer: it changed nothing.
struct Record {
  std::optional<CachedLayer> layer = {};
  std::int64_t clock = 0;  // see builder/clock.h
  bool operator==(const Record&) const = default;
};

// What a tarball outside of our store turned out to be.
struct FileIdentity {
  Digest digest, diff_id;
  std::string media_type;
};

class Cache {
 public:
  static Result<Cache> open(const std::string& dir);

  // The record of a key; nothing when there is none, or when its layer is no longer there (the record is then
  // forgotten).
  Result<std::optional<Record>> find(const Digest& key);
  // Keeps a result and returns the one that stands: when somebody else was first, theirs, so that concurrent
  // builds of one step agree. With `replace`, ours stands.
  Result<Record> put(const KeyInputs& inputs, const Record& record, bool replace = false);

  // A record with what it was made from.
  struct Kept {
    KeyInputs inputs;
    Record record;
  };
  // Those with one of these keys, and those whose layer is one of these.
  Result<std::vector<Kept>> kept(const std::set<Digest>& keys, const std::set<Digest>& layers);

  // What earlier runs of one command looked at, the latest first; `step`: the key of everything but the layers below. No more
  // than the latest few are kept.
  Result<std::vector<Reads>> reads(const Digest& step);
  Result<void> add_reads(const Digest& step, const Reads& reads);
  // Whether that command was run on any layers.
  Result<bool> knows_step(const Digest& step);
  Result<void> add_step(const Digest& step);

  // Of a stage's tree, by its chain of layers (builder/tree_digest.h).
  Result<std::optional<Digest>> tree_digest(const Digest& chain);
  Result<void> set_tree_digest(const Digest& chain, const Digest& digest);
  std::string contents_path(const Digest& diff_id) const { return dir_ + "/contents/" + diff_id.hex(); }

  // What the step at one place of one Dockerfile was made from last time, for --explain.
  Result<std::optional<KeyInputs>> last_inputs(const std::string& place);
  Result<void> set_last_inputs(const std::string& place, const KeyInputs& inputs);

  // The compressed form of a layer, so that an image is not compressed again at each build.
  // `how`: with what, and how hard.
  Result<std::optional<image::Descriptor>> packed(const Digest& diff_id, const std::string& how);
  Result<void> set_packed(const Digest& diff_id, const std::string& how, const image::Descriptor& packed);

  // The same for tarballs elsewhere, by a text that changes whenever the file does.
  Result<std::optional<FileIdentity>> file_identity(const std::string& file);
  Result<void> set_file_identity(const std::string& file, const FileIdentity& identity);

  std::string layer_path(const Digest& diff_id) const;
  FdRef layer_dir() const { return layer_dir_.ref(); }

 private:
  Cache(std::string dir, Fd layer_dir, Database database)
      : dir_(std::move(dir)), layer_dir_(std::move(layer_dir)), database_(std::move(database)) {}
  std::string dir_;
  Fd layer_dir_;
  Database database_;
};

}  // namespace acetate::build
