#include "builder/layer_contents.h"

#include <algorithm>
#include <functional>

#include "base/sys/cache_file.h"
#include "base/sys/file.h"
#include "builder/bytecode.h"
#include "builder/hash_file.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostContents = std::size_t{1} << 30;
constexpr std::string_view kVersion = "3\n";

// Depth first, in the order of names; directories before what is in them. How deep they go is for whoever made the tree to say, so
// the way up is kept on no call stack.
Result<void> walk_all(const Layer& layer, const std::stop_token& stop, const std::function<Result<void>(const std::string& path, const Entry& entry)>& each) {
  struct Open {
    Node dir;
    HeldNode held;
    std::string path;
    std::vector<std::string> names = {};  // to be visited, the last first
  };
  std::vector<Open> open;
  const auto enter = [&](Open dir) -> Result<void> {
    TRY(layer.list(dir.dir, [&](const DirEntry& entry) {
      if (entry.marker != Marker::whiteout) dir.names.emplace_back(entry.name);
      return true;
    }));
    std::sort(dir.names.begin(), dir.names.end(), std::greater<>());
    open.push_back(std::move(dir));
    return {};
  };
  TRY(enter({.dir = layer.root(), .held = {}, .path = ""}));
  while (!open.empty()) {
    Open& dir = open.back();
    if (dir.names.empty()) {
      open.pop_back();
      continue;
    }
    if (stop.stop_requested()) return Error(ECANCELED);
    const std::string name = std::move(dir.names.back());
    dir.names.pop_back();
    const Entry entry = TRY(layer.lookup(dir.dir, name));
    if (entry.marker == Marker::whiteout) continue;
    HeldNode held(layer, entry.node);
    std::string child = dir.path.empty() ? name : dir.path + "/" + name;
    TRY(each(child, entry));
    if (entry.attr.is_dir() && entry.marker != Marker::link_to)
      TRY(enter({.dir = entry.node, .held = std::move(held), .path = std::move(child)}));
  }
  return {};
}

Result<Digest> content_of(const Layer& layer, Node node) {
  const auto id = TRY(layer.content_id(node));
  return id ? *id : TRY(hash_file(*TRY(layer.open(node))));
}

// What a compiled file says of its source's time is a time like others, where it is right.
Result<Digest> undated_content(const Layer& layer, const Bytecode& sources, const RelPath& path, Node node) {
  const auto compiled = TRY(layer.open(node));
  if (!TRY(sources.source_of(path, *compiled))) return content_of(layer, node);
  const Digest undated = TRY(hash_file(*with_source_time(*compiled, timespec{})));
  return Digest::of("compiled " + undated.hex());
}

Result<PathDigests> hash_files(const Layer& layer, const std::stop_token& stop) {
  PathDigests contents;
  Bytecode sources;
  std::vector<RelPath> compiled;  // after all sources are known
  TRY(walk_all(layer, stop, [&](const std::string& path, const Entry& entry) -> Result<void> {
    if (entry.marker == Marker::link_to || entry.marker == Marker::metacopy) return void(contents.emplace(path, std::nullopt)), Result<void>();
    if (!entry.attr.is_regular()) return {};
    if (path.ends_with(".pyc")) return compiled.push_back(TRY(RelPath::parse(path))), Result<void>();
    if (path.ends_with(".py")) sources.learn(TRY(RelPath::parse(path)), entry.attr, true);
    contents.emplace(path, TRY(content_of(layer, entry.node)));
    return {};
  }));
  for (const RelPath& path : compiled) {
    if (stop.stop_requested()) return Error(ECANCELED);
    const auto found = TRY(walk(layer, path));
    const HeldNode held(layer, found.node);
    contents.emplace(path.str(), TRY(undated_content(layer, sources, path, found.node)));
  }
  return contents;
}

}  // namespace

Result<DigestList> contents_of(const StageLayer& from, LayerOpener& layers, const Cache& cache, const std::stop_token& stop) {
  const std::string file = cache.contents_path(from.diff_id);
  auto known = sys::read_file(file, kMostContents);
  if (known)
    if (auto contents = DigestList::parse(*std::move(known), kVersion)) return *std::move(contents);
  if (!known && !known.error().is(ENOENT)) return known.error().clone().within("reading " + file);
  const LayerPtr layer = TRY(layers.open(from.spec, from.diff_id));
  DigestList contents = DigestList::of(TRY(hash_files(*layer, stop)), kVersion);
  TRY_WITHIN(sys::write_cache_file({kWorkingDir, file.c_str()}, contents.text(), 0600), "writing {}", file);
  return contents;
}

}  // namespace acetate::build
