// FirstNames: which of a file's names was met first, while a tree is walked: how its other hard links are told from it.
#pragma once

#include <string>
#include <unordered_map>

#include "layers/layer.h"

namespace acetate {

// Files are known by their nodes, which are held as long as this lives: a node means nothing after that. The layer outlives it.
class FirstNames {
 public:
  explicit FirstNames(const Layer& layer) : layer_(layer) {}

  // The path that was given with the held node the first time: `path` itself, if this is it. Valid as long as this lives.
  const std::string& of(Node held, const std::string& path) {
    const auto [at, is_new] = names_.try_emplace(static_cast<std::uint64_t>(held));
    if (is_new) {
      layer_.hold(held);
      at->second = {HeldNode(layer_, held), path};
    }
    return at->second.path;
  }

 private:
  struct Named {
    HeldNode node;
    std::string path;
  };
  const Layer& layer_;
  std::unordered_map<std::uint64_t, Named> names_;
};

}  // namespace acetate
