#include "builder/tree_digest.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/sys/cache_file.h"
#include "base/sys/file.h"
#include "builder/bytecode.h"
#include "builder/hash_file.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostContents = std::size_t{1} << 30;

// Of the files of one layer. Nothing: its bytes lie in another layer, as a hard link's may.
using Contents = std::unordered_map<std::string, std::optional<Digest>>;
constexpr std::size_t kHex = 64;
// Files of another version of ours are not believed.
constexpr std::string_view kVersion = "2\n";

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

// "<64 hex digits, or as many dashes> PATH", each ending in NUL; the last line is the digest of all before it.
std::string format_contents(const Contents& contents) {
  std::string text;
  for (const auto& [path, digest] : contents) (text += (digest ? digest->hex() : std::string(kHex, '-')) + " " + path) += '\0';
  text += Digest::of(std::string(kVersion) + text).hex();
  return text;
}

std::optional<Contents> parse_contents(std::string_view text) {
  if (text.size() < kHex || Digest::of(std::string(kVersion).append(text.substr(0, text.size() - kHex))).hex() != text.substr(text.size() - kHex)) return std::nullopt;
  text.remove_suffix(kHex);
  Contents contents;
  while (text.size() > kHex) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos || end <= kHex) return std::nullopt;
    std::optional<Digest> digest;
    if (!text.starts_with('-')) {
      const auto parsed = Digest::parse("sha256:" + std::string(text.substr(0, kHex)));
      if (!parsed) return std::nullopt;
      digest = *parsed;
    }
    contents.emplace(text.substr(kHex + 1, end - kHex - 1), digest);
    text.remove_prefix(end + 1);
  }
  return contents;
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

Result<Contents> contents_of(const StageLayer& from, LayerOpener& layers, Cache& cache, const std::stop_token& stop) {
  const std::string file = cache.contents_path(from.diff_id);
  const auto known = sys::read_file(file, kMostContents);
  if (known)
    if (auto contents = parse_contents(*known)) return *std::move(contents);
  if (!known && !known.error().is(ENOENT)) return known.error().clone().within("reading " + file);
  const LayerPtr layer = TRY(layers.open(from.spec, from.diff_id));
  Contents contents;
  Bytecode sources;
  std::vector<RelPath> compiled;  // after all sources are known
  TRY(walk_all(*layer, stop, [&](const std::string& path, const Entry& entry) -> Result<void> {
    if (entry.marker == Marker::link_to || entry.marker == Marker::metacopy) return void(contents.emplace(path, std::nullopt)), Result<void>();
    if (!entry.attr.is_regular()) return {};
    if (path.ends_with(".pyc")) return compiled.push_back(TRY(RelPath::parse(path))), Result<void>();
    if (path.ends_with(".py")) sources.learn(TRY(RelPath::parse(path)), entry.attr, true);
    contents.emplace(path, TRY(content_of(*layer, entry.node)));
    return {};
  }));
  for (const RelPath& path : compiled) {
    if (stop.stop_requested()) return Error(ECANCELED);
    const auto found = TRY(walk(*layer, path));
    const HeldNode held(*layer, found.node);
    contents.emplace(path.str(), TRY(undated_content(*layer, sources, path, found.node)));
  }
  TRY_WITHIN(sys::write_cache_file({kWorkingDir, file.c_str()}, format_contents(contents), 0600), "writing {}", file);
  return contents;
}

class TreeHasher {
 public:
  TreeHasher(const Layer& tree, std::vector<Contents> contents, std::stop_token stop) : tree_(tree), contents_(std::move(contents)), stop_(std::move(stop)) {}

  Result<Digest> run() {
    const Attr root = TRY(tree_.attr(tree_.root()));
    TRY(add("", Entry{.node = tree_.root(), .attr = root}));
    TRY(walk_all(tree_, stop_, [this](const std::string& path, const Entry& entry) { return add(path, entry); }));
    return hash_.finish();
  }

 private:
  Result<void> add(const std::string& path, const Entry& entry) {
    const Attr& attr = entry.attr;
    std::string text = fmt::format("{:o} {}:{}", attr.mode, attr.uid, attr.gid);
    if (attr.is_symlink()) text += " to " + TRY(tree_.readlink(entry.node));
    if (S_ISCHR(attr.mode) || S_ISBLK(attr.mode)) text += fmt::format(" device {}", attr.rdev);
    if (attr.is_regular()) text += fmt::format(" {} bytes {}", attr.size, TRY(content(path, entry.node)).hex());
    if (!attr.is_dir() && attr.nlink > 1) text += " linked with " + first_names_.emplace(entry.node, path).first->second;
    for (const Xattr& xattr : TRY(tree_.xattrs(entry.node))) text += fmt::format(" {}={}", xattr.name, Digest::of(xattr.value).hex());
    hash_.update(path);
    hash_.update(std::string_view("\0", 1));
    hash_.update(text);
    hash_.update(std::string_view("\0", 1));
    return {};
  }

  // The uppermost layer that has a file of that name is where the tree has it from.
  Result<Digest> content(const std::string& path, Node node) const {
    for (const Contents& layer : contents_) {
      const auto found = layer.find(path);
      if (found == layer.end()) continue;
      if (found->second) return *found->second;
      break;
    }
    return hash_file(*TRY(tree_.open(node)));
  }

  const Layer& tree_;
  std::vector<Contents> contents_;  // top first
  std::stop_token stop_;
  std::map<Node, std::string> first_names_;
  Sha256 hash_;
};

}  // namespace

Result<Digest> tree_digest(const StageState& state, LayerOpener& layers, Cache& cache, const std::stop_token& stop) {
  const Digest chain = state.chain();
  if (const auto known = TRY(cache.tree_digest(chain))) return *known;
  std::vector<Contents> contents;
  for (auto layer = state.layers.rbegin(); layer != state.layers.rend(); ++layer)
    contents.push_back(TRY_WITHIN(contents_of(*layer, layers, cache, stop), "hashing the layer {}", layer->diff_id.str()));
  const LayerPtr tree = TRY(layers.tree(state));
  const Digest digest = TRY(TreeHasher(*tree, std::move(contents), stop).run());
  TRY(cache.set_tree_digest(chain, digest));
  return digest;
}

}  // namespace acetate::build
