#include "tests/layers/tree.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <cstring>
#include <vector>

#include "base/rel_path.h"
#include "layers/stack.h"

namespace acetate::test {

namespace {

std::string read(const Layer& layer, Node node) {
  auto view = layer.open(node);
  if (!view) return fmt::format("!{}", ::strerrorname_np(view.error().code()));
  std::string text((*view)->size(), '\0');
  auto count = (*view)->pread(std::as_writable_bytes(std::span(text)), 0);
  if (!count) return fmt::format("!{}", ::strerrorname_np(count.error().code()));
  text.resize(*count);
  return text;
}

std::string describe(const Layer& layer, const Entry& entry) {
  if (entry.marker == Marker::whiteout) return "whiteout";
  if (entry.marker == Marker::link_to) return "external " + *layer.link_target(entry.node);
  switch (entry.attr.mode & S_IFMT) {
    case S_IFDIR:
      return entry.marker == Marker::opaque ? "dir opaque" : "dir";
    case S_IFLNK:
      return "link " + *layer.readlink(entry.node);
    case S_IFREG:
      return "file " + read(layer, entry.node);
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return fmt::format("{} {}:{}", S_ISCHR(entry.attr.mode) ? "char" : "block", major(entry.attr.rdev),
                         minor(entry.attr.rdev));
  }
}

struct Listed {
  std::string name;
  unsigned char type;
  Marker marker;
  std::uint64_t ino;
};

void add(const Layer& layer, Node dir, const std::string& prefix, Tree& tree) {
  std::vector<Listed> all;
  auto listed = layer.list(dir, [&](const DirEntry& entry) {
    all.push_back({std::string(entry.name), entry.type, entry.marker, entry.ino});
    return true;
  });
  EXPECT_TRUE(listed) << prefix << ": " << listed.error().message();
  for (const Listed& one : all) {
    const std::string path = prefix + one.name;
    EXPECT_FALSE(tree.contains(path)) << path << " was listed twice";
    auto entry = layer.lookup(dir, one.name);
    if (!entry) {
      tree[path] = fmt::format("!{}", ::strerrorname_np(entry.error().code()));
      continue;
    }
    tree[path] = describe(layer, *entry);
    if (entry->marker == Marker::whiteout) {
      EXPECT_EQ(one.marker, Marker::whiteout) << path;
      continue;
    }
    const HeldNode held(layer, entry->node);
    EXPECT_NE(one.marker, Marker::whiteout) << path;
    EXPECT_EQ(one.type, dirent_type(entry->attr.mode)) << path;
    EXPECT_EQ(one.ino, entry->attr.ino) << path;
    auto attr = layer.attr(entry->node);
    EXPECT_TRUE(attr) << path;
    if (attr) {
      EXPECT_EQ(attr->ino, entry->attr.ino) << path;
      EXPECT_EQ(attr->mode, entry->attr.mode) << path;
      EXPECT_EQ(attr->blocks, entry->attr.blocks) << path;
    }
    if (entry->attr.is_dir()) add(layer, entry->node, path + "/", tree);
  }
}

}  // namespace

Tree tree_of(const Layer& layer) {
  Tree tree;
  add(layer, layer.root(), "", tree);
  return tree;
}

std::string text_of(const Layer& layer, std::string_view path) {
  auto entry = walk(layer, *RelPath::parse(path));
  if (!entry) return fmt::format("!{}", ::strerrorname_np(entry.error().code()));
  const HeldNode held(layer, entry->node);
  return read(layer, entry->node);
}

}  // namespace acetate::test
