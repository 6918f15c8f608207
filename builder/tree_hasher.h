// A merged tree hashed directory by directory: the digest of one stands for all below it, so that what a tree has from another one
// unchanged need not be looked at again.
//
// In the order of names: each name, what stands there, and of a directory the digest of what is in it. Which names are one file is no
// directory's matter; it is told of the tree as a whole.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_set>

#include "base/digest.h"
#include "base/result.h"
#include "builder/digest_list.h"
#include "layers/layer.h"

namespace acetate::build {

using Paths = std::set<std::string, std::less<>>;

// Adds the directories that a layer has something to say of, what is in them included; they are all by which a tree with it on top may differ from
// the one without. How many names the layer has. Of layers without Layer::redirect(), as tarballs are. ECANCELED as TreeHasher::run().
Result<std::size_t> add_changed(const Layer& layer, const std::stop_token& stop, Paths& changed);

// What was learned of a tree that others are made on: a digest of each directory, and files that have several names, without one.
struct TreeBelow {
  const DigestList& list;
  const Paths& changed;  // directories that may not be as they are there, with what leads to them
};

// For one tree, once. Not thread-safe.
class TreeHasher {
 public:
  // What a regular file holds.
  using Content = std::function<Result<Digest>(const std::string& path, Node node)>;
  TreeHasher(const Layer& tree, std::optional<TreeBelow> below, Content content, std::stop_token stop)
      : tree_(tree), below_(below), content_(std::move(content)), stop_(std::move(stop)), has_xattrs_(tree.may_have_xattrs()) {}

  // ECANCELED soon after a stop is requested.
  Result<Digest> run();
  // After it: what TreeBelow::list is made of, for trees on top of this one.
  PathDigests learned() const;

 private:
  struct Open;
  Result<Open> enter(Node dir, HeldNode held, std::string path) const;
  Result<std::string> describe(const std::string& path, const Entry& entry);
  const DigestList::Line* unchanged(const std::string& path) const;
  Result<Digest> hash_root();
  Result<void> hash_links(Sha256& hash);

  const Layer& tree_;
  std::optional<TreeBelow> below_;
  Content content_;
  std::stop_token stop_;
  bool has_xattrs_;
  PathDigests directories_;
  std::unordered_set<std::string> taken_;  // directories that are as they are below
  Paths linked_;                           // files with several names
};

}  // namespace acetate::build
