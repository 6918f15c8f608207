// The build cache: what steps made, by the key of what they were made from.
//
//   DIR/records.db          SQLite: keys, and which layer came of what each stands for
//   DIR/contents/<sha256>   digests of a layer's files (builder/layer_contents.h); with .tree, of a tree's directories (builder/tree_digest.h)
//   DIR/layers/<sha256>     that layer, an uncompressed tar, named by its digest (its diff id)
//   DIR/mounts/             builder/cache_mount.h
//   DIR/hashes/             builder/file_hashes.h
//   DIR/lock                held shared by whoever has it open, alone by who prunes
//
// Any number of builds use it at once. The bytes of a layer are on the disk before a record names it, and what a record names is looked
// for, so a build that is killed, or a power cut, at any moment leaves a cache in which every record is good. The latest records may be lost
// with the power: SQLite does not wait for the disk where it can do without (a journal ahead: not on network file systems). Threads of one
// build share one object, and are let in one after the other. One of another version is begun anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "builder/cache_key.h"
#include "builder/cache_prune.h"
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

// When a record was used, of one that was taken in from elsewhere and has not been.
constexpr std::int64_t kNeverUsed = 0;

// What a tarball outside of our store turned out to be.
struct FileIdentity {
  Digest digest, diff_id;
  std::string media_type;
};

class Cache {
 public:
  static Result<Cache> open(const std::string& dir);

  // Puts a layer where layer_path() has it. An error: it is not to be had there, which was told.
  using GetLayer = std::function<Result<void>(const CachedLayer& layer)>;
  // Records may name layers that are elsewhere (add_foreign()): where each is got when it is asked for. Before there are threads.
  void get_layers_by(GetLayer get) { elsewhere_.push_back(std::move(get)); }

  // The record of a key; nothing when there is none, or when its layer is neither here nor elsewhere (the record is then
  // forgotten). Waits for a layer that is got.
  Result<std::optional<Record>> find(const Digest& key);
  // Keeps a result and returns the one that stands: when somebody else was first, theirs, so that concurrent
  // builds of one step agree. With `replace`, ours stands.
  Result<Record> put(const Digest& key, const Record& record, bool replace = false);
  // What `first` came to is found by this key too, and by all those by which the same was found for others.
  Result<void> add_other(const Digest& first, const Digest& key);

  // A record for another machine (builder/cache_share.h).
  struct Kept {
    Digest key;
    Record record;
    std::optional<Digest> step = {};          // where it is found by what the layers below hold, and not by which they are
    std::optional<AccessedPaths> paths = {};  // or by what the step looked at
    std::set<Digest> firsts = {};             // of those asked for, whose result is found by this key too
  };
  // Those with one of these keys, and those by which the same is found; of one step the latest first. Those whose layers are not here are left out, and stay.
  Result<std::vector<Kept>> kept(const std::set<Digest>& keys);
  // Records of another machine, whose layers are here already or are got when they are asked for: all of them or none. What is known stays as it is. They count as never
  // used until a build takes one, so that they do not drive out what is used here.
  Result<void> add_foreign(const std::vector<Kept>& records);

  // Commands of RUN, each by the key of everything but the layers below: `step`. Its results on any layers are found by what those
  // hold.
  Result<bool> knows_step(const Digest& step);
  Result<void> add_step(const Digest& step, const Digest& key);
  // Everything that is found so.
  Result<void> forget_step(const Digest& step);
  // What earlier runs of it looked at, the latest first. No more than the latest few are kept.
  Result<std::vector<Reads>> reads(const Digest& step);
  // `key`: by which its result is found for who looks at these paths and sees the same.
  Result<void> add_reads(const Digest& step, const Digest& key, const Reads& reads);

  // Of a stage's tree, by its chain of layers (builder/tree_digest.h).
  Result<std::optional<Digest>> tree_digest(const Digest& chain);
  Result<void> set_tree_digest(const Digest& chain, const Digest& digest);
  std::string contents_path(const Digest& diff_id) const { return dir_ + "/contents/" + diff_id.hex(); }
  std::string subtrees_path(const Digest& name) const { return dir_ + "/contents/" + name.hex() + ".tree"; }

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

  // What layers take, also those that no record names, and cache mounts. These are not measured again when that was done not long ago.
  Result<std::uint64_t> bytes();
  // Removes what was not used for longest. EWOULDBLOCK when somebody else has the cache open, and we are not to wait for it.
  Result<Pruned> prune(const PruneOptions& options);

  std::string layer_path(const Digest& diff_id) const;
  FdRef layer_dir() const { return layer_dir_.ref(); }

 private:
  Cache(std::string dir, Fd layer_dir, Fd lock, Database database)
      : dir_(std::move(dir)), layer_dir_(std::move(layer_dir)), lock_(std::move(lock)), database_(std::move(database)) {}
  enum class Conflict { keep, replace };
  Result<void> insert_locked(const Digest& key, const Record& record, Conflict conflict, std::int64_t used);
  // `missing`: a layer that is not here, where it may be got; the record stays then, and is not told.
  Result<std::optional<Record>> find_locked(const Digest& key, bool is_used, std::optional<CachedLayer>* missing = nullptr);
  void get_missing(const CachedLayer& layer);
  Result<void> add_step_locked(const Digest& step, const Digest& key);
  // Paths of another machine only take free places, and count as older than all.
  Result<void> add_older_reads_locked(const Digest& step, const Digest& key, const AccessedPaths& paths);
  Result<void> forget_layers_locked(const std::vector<std::string>& gone, std::optional<std::int64_t> unused_since);
  std::uint64_t mount_bytes_locked(const std::string& path, std::int64_t used);
  std::uint64_t measure_mount_locked(const std::string& path);

  std::string dir_;
  Fd layer_dir_, lock_;
  std::vector<GetLayer> elsewhere_;
  std::unique_ptr<std::mutex> getting_ = std::make_unique<std::mutex>();  // taken by who gets a layer; before mutex_, and never with it
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();  // of the database
  Database database_;
};

}  // namespace acetate::build
