#include "layers/access_log.h"

#include <unordered_map>
#include <unordered_set>

#include "base/mutex.h"

namespace acetate {

namespace {

constexpr std::string_view kBegin = "acetate access log 1";
constexpr std::string_view kEnd = "end";
constexpr std::pair<Access, char> kLetters[] = {{kNamed, 'n'}, {kOpened, 'o'}, {kListed, 'l'}, {kXattrs, 'x'}};

// Names are kept by the node of their directory, as they are asked for; paths are made of them at the end. What is noted is held, so that no
// node becomes another's.
class Log final : public AccessLog {
 public:
  Log(LayerPtr layer, std::size_t most) : layer_(std::move(layer)), root_(layer_->root()), most_(most) {}
  ~Log() override {
    const Lock lock(mutex_);
    for (const auto& [node, seen] : nodes_) layer_->release(node);
  }

  void named(Node dir, std::string_view name, std::optional<Node> found) {
    const Lock lock(mutex_);
    if (full_) return;
    Seen& parent = seen_of(dir);
    if (!found) {
      if (parent.absent.emplace(name).second) full_ = ++count_ > most_;
      return;
    }
    auto& names = seen_of(*found).names;
    for (const auto& [known_dir, known_name] : names)
      if (known_dir == dir && known_name == name) return;
    names.emplace_back(dir, std::string(name));
    full_ = ++count_ > most_;
  }

  void used(Node node, Access how) {
    const Lock lock(mutex_);
    seen_of(node).how |= how;
  }

  void failed(const Error& error) {
    const Lock lock(mutex_);
    if (!failed_) failed_ = error.clone();
  }

  Result<AccessedPaths> paths() const override {
    const Lock lock(mutex_);
    if (full_) return fail(EOVERFLOW, "more than {} names were looked at", most_);
    if (failed_) return failed_->clone();
    AccessedPaths all;
    all[""] = kNamed;
    for (const auto& [node, seen] : nodes_) {
      if (node != root_ && seen.names.empty()) return fail(EBADMSG, "something was looked at whose name is not known");
      // Every name of a file counts: in another tree they may be different files.
      for (const auto& [dir, name] : seen.names) all[child(path_of(dir), name)] |= kNamed | seen.how;
      if (node == root_) all[""] |= seen.how;
      for (const std::string& name : seen.absent) all[child(path_of(node), name)] |= kNamed;
    }
    return all;
  }

 private:
  struct Seen {
    unsigned how = 0;
    std::vector<std::pair<Node, std::string>> names = {};  // where it was found
    std::unordered_set<std::string> absent = {};           // of a directory: what it does not have
  };

  Seen& seen_of(Node node) REQUIRES(mutex_) {
    const auto [at, is_new] = nodes_.try_emplace(node);
    if (is_new) layer_->hold(node);
    return at->second;
  }

  static std::string child(std::string dir, const std::string& name) { return dir.empty() ? name : std::move(dir) + "/" + name; }

  // Of a directory, which has one name only.
  std::string path_of(Node node) const REQUIRES(mutex_) {
    if (node == root_) return {};
    const auto seen = nodes_.find(node);
    if (seen == nodes_.end() || seen->second.names.empty()) return {};
    const auto& [dir, name] = seen->second.names.front();
    return child(path_of(dir), name);
  }

  struct HashNode {
    std::size_t operator()(Node node) const noexcept { return std::hash<std::uint64_t>()(static_cast<std::uint64_t>(node)); }
  };

  const LayerPtr layer_;
  const Node root_;
  const std::size_t most_;
  mutable Mutex mutex_;
  std::unordered_map<Node, Seen, HashNode> nodes_ GUARDED_BY(mutex_);
  std::size_t count_ GUARDED_BY(mutex_) = 0;
  bool full_ GUARDED_BY(mutex_) = false;
  std::optional<Error> failed_ GUARDED_BY(mutex_);
};

Attr without_times(Attr attr) {
  if (!attr.is_dir()) return attr;
  attr.atime = attr.mtime = attr.ctime = kObservedDirTime;
  attr.btime = {};
  attr.nlink = 1;
  attr.size = attr.blocks = 0;
  return attr;
}

class Observed final : public Layer {
 public:
  Observed(LayerPtr layer, std::shared_ptr<Log> log) : layer_(std::move(layer)), log_(std::move(log)) {}

  Node root() const override { return layer_->root(); }
  bool implies_directories() const override { return layer_->implies_directories(); }
  // Also where nothing below has any: who went by that would have seen something of every file, and not asked of one.
  bool may_have_xattrs() const override { return true; }

  Result<Entry> lookup(Node dir, std::string_view name) const override {
    auto entry = layer_->lookup(dir, name);
    if (!entry) {
      if (entry.error().is(ENOENT)) log_->named(dir, name, std::nullopt);
      else log_->failed(entry.error());
      return entry;
    }
    if (entry->marker == Marker::whiteout) log_->named(dir, name, std::nullopt);
    else log_->named(dir, name, entry->node);
    entry->attr = without_times(entry->attr);
    return entry;
  }

  Result<Attr> attr(Node node) const override { return without_times(TRY(layer_->attr(node))); }

  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    log_->used(dir, kListed);
    return noted(layer_->list(dir, each));
  }
  Result<std::unique_ptr<FileView>> open(Node node) const override {
    log_->used(node, kOpened);
    return noted(layer_->open(node));
  }
  Result<std::string> readlink(Node node) const override { return noted(layer_->readlink(node)); }
  Result<std::vector<Xattr>> xattrs(Node node) const override {
    log_->used(node, kXattrs);
    return noted(layer_->xattrs(node));
  }
  Result<std::string> xattr(Node node, std::string_view name) const override {
    log_->used(node, kXattrs);
    return layer_->xattr(node, name);
  }
  Result<std::string> link_target(Node node) const override { return layer_->link_target(node); }
  Result<bool> is_opaque(Node dir) const override { return layer_->is_opaque(dir); }
  Result<std::optional<std::string>> redirect(Node node) const override { return layer_->redirect(node); }
  Result<std::optional<Digest>> content_id(Node node) const override {
    log_->used(node, kOpened);
    return layer_->content_id(node);
  }
  void hold(Node node) const noexcept override { layer_->hold(node); }
  void release(Node node) const noexcept override { layer_->release(node); }
  const char* held_name(Node node) const noexcept override { return layer_->held_name(node); }
  dev_t device() const override { return layer_->device(); }

 private:
  template <class T>
  Result<T> noted(Result<T> answer) const {
    if (!answer) log_->failed(answer.error());
    return answer;
  }

  LayerPtr layer_;
  std::shared_ptr<Log> log_;
};

}  // namespace

ObservedLayer observe(LayerPtr layer, std::size_t most) {
  auto log = std::make_shared<Log>(layer, most);
  auto observed = std::make_shared<Observed>(std::move(layer), log);
  return {std::move(observed), std::move(log)};
}

std::string format_access_log(const AccessedPaths& paths) {
  std::string text(kBegin);
  text += '\0';
  for (const auto& [path, how] : paths) {
    for (const auto& [bit, letter] : kLetters)
      if ((how & bit) != 0) text += letter;
    text += ' ';
    text += path;
    text += '\0';
  }
  text += kEnd;
  text += '\0';
  return text;
}

Result<AccessedPaths> parse_access_log(std::string_view text) {
  AccessedPaths paths;
  bool begun = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos) break;
    const std::string_view record = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (!begun) {
      if (record != kBegin) break;
      begun = true;
      continue;
    }
    if (record == kEnd) return text.empty() ? Result<AccessedPaths>(std::move(paths)) : Error(EBADMSG);
    const std::size_t blank = record.find(' ');
    if (blank == std::string_view::npos) break;
    unsigned how = 0;
    for (const auto& [bit, letter] : kLetters)
      if (record.substr(0, blank).find(letter) != std::string_view::npos) how |= bit;
    paths[std::string(record.substr(blank + 1))] |= how;
  }
  return Error(EBADMSG);
}

}  // namespace acetate
