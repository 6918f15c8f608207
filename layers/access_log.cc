#include "layers/access_log.h"

#include <unordered_map>

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

  // The node that a name was found to be the first time, held once more, and `found` given back for it: a layer may give a file another node each
  // time, and all that is known of one file is to be with one.
  Node present(Node dir, const std::string& name, Node found) {
    const Lock lock(mutex_);
    if (full_) return found;
    auto& names = seen_of(dir).names;
    const auto [at, is_new] = names.try_emplace(name, found);
    if (!is_new && at->second && *at->second != found) {
      layer_->hold(*at->second);
      layer_->release(found);
    }
    if (!is_new) return at->second.value_or(found);
    Seen& seen = seen_of(found);
    if (!seen.within) seen.within = dir, seen.name = name;
    full_ = ++count_ > most_;
    return found;
  }
  void absent(Node dir, const std::string& name) {
    const Lock lock(mutex_);
    if (full_) return;
    if (seen_of(dir).names.try_emplace(name, std::nullopt).second) full_ = ++count_ > most_;
  }

  void used(Node node, Access how) {
    const Lock lock(mutex_);
    if (!full_) seen_of(node).how |= how;
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
      if (node == root_) all[""] |= seen.how;
      else if (!seen.within) return fail(EBADMSG, "something was looked at whose name is not known");
      // Every name of a file counts: in another tree they may be different files.
      for (const auto& [name, found] : seen.names) all[child(path_of(node), name)] |= kNamed | (found ? nodes_.at(*found).how : 0);
    }
    return all;
  }

 private:
  struct Seen {
    unsigned how = 0;
    std::optional<Node> within = {};  // where it was found first, and by which name; not of the root
    std::string name = {};
    std::unordered_map<std::string, std::optional<Node>> names = {};  // of a directory: what it was asked for, and has or does not have
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
    const Seen& seen = nodes_.at(node);
    return seen.within ? child(path_of(*seen.within), seen.name) : std::string();
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
      if (entry.error().is(ENOENT)) log_->absent(dir, std::string(name));
      else log_->failed(entry.error());
      return entry;
    }
    if (entry->marker == Marker::whiteout) log_->absent(dir, std::string(name));
    else entry->node = log_->present(dir, std::string(name), entry->node);
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
