// Hard links of a TarTree: at once where the target is there already, in a second pass where it comes later.
#include <sys/stat.h>

#include "layers/tar/tar_tree.h"

namespace acetate {

Result<void> TarTree::put_hardlink(std::uint32_t name, const std::string& target) {
  const auto parsed = RelPath::parse(target);
  if (!parsed || parsed->is_root()) return fail(EINVAL, "it is a hard link to a place out of the layer or to none");
  if (const auto found = find_path(*parsed); found && names_[*found].object != kNone) {
    const std::uint32_t object = names_[*found].object;
    if (objects_[object].is_dir()) return fail(EINVAL, "it is a hard link to a directory, '{}'", parsed->str());
    point(name, object);
    return {};
  }
  Object link;
  link.mode = S_IFREG | 0644;
  link.flags = lix::kLinkTo;
  link.text = strings_.intern(parsed->str());
  objects_.push_back(link);
  pending_.push_back(static_cast<std::uint32_t>(objects_.size() - 1));
  point(name, pending_.back());
  return {};
}

// A link may lead to a link that waits too. Each chain is followed once; where it ends in a path that the layer
// has not (or in a circle), its last link stays a link_to and the others are names of that.
Result<void> TarTree::finish() {
  enum class State : std::uint8_t { fresh, under_way, done };
  std::vector<State> state(objects_.size(), State::fresh);
  std::vector<std::uint32_t> leads_to(objects_.size(), kNone);

  for (const std::uint32_t first : pending_) {
    std::vector<std::uint32_t> chain;
    std::uint32_t at = first;
    while ((objects_[at].flags & lix::kLinkTo) != 0 && state[at] == State::fresh) {
      state[at] = State::under_way;
      chain.push_back(at);
      const auto target = RelPath::parse(view(objects_[at].text));
      const auto found = target ? find_path(*target) : std::nullopt;
      const std::uint32_t next = found ? names_[*found].object : kNone;
      if (next == kNone || next == at) break;
      if (objects_[next].is_dir())
        return fail(EINVAL, "the tar has a hard link to a directory, '{}'", view(objects_[at].text));
      at = next;
    }
    // `at` is where the chain ends: a real object, a link answered before, or one of this chain.
    const std::uint32_t end = state[at] == State::done        ? leads_to[at]
                              : state[at] == State::under_way ? chain.back()
                                                              : at;
    for (const std::uint32_t link : chain) {
      state[link] = State::done;
      leads_to[link] = end;
    }
  }
  for (Name& name : names_)
    if (name.object != kNone && leads_to[name.object] != kNone) name.object = leads_to[name.object];
  return {};
}

}  // namespace acetate
