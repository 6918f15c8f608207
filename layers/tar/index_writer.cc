#include "layers/tar/index_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/hash.h"
#include "layers/tar/index_sections.h"
#include "layers/tar/probe_table.h"

namespace acetate {

namespace {

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& items) {
  return std::as_bytes(std::span(items));
}

std::uint32_t capped(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

IndexImage IndexImage::build(TarScan scan) {
  assert(scan.pass.diff_id.algorithm() == Digest::Algorithm::sha256 && "an index tells the diff id by SHA-256, whatever the blob's name is");
  IndexImage image(std::move(scan));
  std::memcpy(&image.seed_, image.scan_.pass.blob.head().data(), sizeof image.seed_);
  image.number_objects();
  for (std::size_t i = 0; i < image.inodes_.size(); ++i) image.fill_inode(image.objects_[i], image.inodes_[i]);
  return image;
}

// Breadth first from the root, names in byte order: a directory's entries lie together, and its subdirectories
// have greater numbers than itself, so no reader can be led in a circle.
void IndexImage::number_objects() {
  const TarTree& tree = scan_.tree;
  const auto& names = tree.names();
  inode_numbers_.assign(tree.objects().size(), TarTree::kNone);

  // Names grouped by directory, counting sort, then sorted inside each group as it is visited.
  std::vector<std::uint32_t> begin(tree.objects().size() + 1);
  for (const auto& name : names) ++begin[name.parent + 1];
  for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<std::uint32_t> grouped(names.size());
  std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
  for (std::uint32_t i = 0; i < names.size(); ++i) grouped[next[names[i].parent]++] = i;

  inode_of(TarTree::kRoot);
  for (std::uint32_t inode = 0; inode < objects_.size(); ++inode) {
    const std::uint32_t object = objects_[inode];
    if (!tree.objects()[object].is_dir()) continue;
    const auto group = std::span(grouped).subspan(begin[object], begin[object + 1] - begin[object]);
    std::ranges::sort(group, {}, [&](std::uint32_t i) { return tree.view(names[i].text); });
    add_dirents(object, inode, group);
  }

  ProbeTable table(dirents_.size());
  for (std::uint32_t i = 0; i < dirents_.size(); ++i)
    table.insert(lix::name_hash(seed_, dirents_[i].parent, tree.view({dirents_[i].name, dirents_[i].name_bytes})), i);
  slots_ = table.slots();
}

std::uint32_t IndexImage::inode_of(std::uint32_t object) {
  std::uint32_t& number = inode_numbers_[object];
  if (number == TarTree::kNone) {
    number = static_cast<std::uint32_t>(objects_.size());
    objects_.push_back(object);
    inodes_.push_back({});
  }
  return number;
}

void IndexImage::add_dirents(std::uint32_t dir_object, std::uint32_t dir_inode, std::span<const std::uint32_t> names) {
  const TarTree& tree = scan_.tree;
  const std::size_t first = dirents_.size();
  for (const std::uint32_t i : names) {
    const TarTree::Name& name = tree.names()[i];
    if (name.hidden || (name.object == TarTree::kNone && !name.whiteout)) continue;
    lix::Dirent dirent{.name = name.text.at, .name_bytes = static_cast<std::uint16_t>(name.text.bytes),
                       .type = dirent_type(S_IFCHR), .marker = static_cast<std::uint8_t>(Marker::whiteout),
                       .inode = 0, .parent = dir_inode};
    if (name.object != TarTree::kNone) {
      const TarTree::Object& object = tree.objects()[name.object];
      dirent.type = dirent_type(object.mode);
      dirent.marker = static_cast<std::uint8_t>((object.flags & lix::kLinkTo) != 0 ? Marker::link_to : Marker::none);
      dirent.inode = inode_of(name.object);
      lix::Inode& inode = inodes_[dirent.inode];
      inode.nlink = object.is_dir() ? 1 : inode.nlink + 1;
      // Whiteout and directory of one name: what is below is gone, and a fresh directory stands there.
      if (object.is_dir() && name.whiteout) inode.flags |= lix::kOpaque;
    }
    dirents_.push_back(dirent);
  }
  inodes_[dir_inode].data = lix::pack_halves(static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(dirents_.size() - first));
  if (dir_object == TarTree::kRoot) inodes_[dir_inode].nlink = 1;
}

// Completes what the numbering has begun (nlink, flags, and `data` of directories).
void IndexImage::fill_inode(std::uint32_t number, lix::Inode& inode) const {
  const TarTree::Object& object = scan_.tree.objects()[number];
  inode.size = object.size;
  inode.mtime = object.mtime;
  inode.mtime_ns = object.mtime_ns;
  inode.mode = object.mode;
  inode.uid = object.uid;
  inode.gid = object.gid;
  inode.xattrs = object.xattrs;
  inode.flags |= object.flags;
  inode.extent_count = object.extent_count;
  if (object.is_dir()) return;
  const bool has_text = S_ISLNK(object.mode) || (object.flags & lix::kLinkTo) != 0;
  inode.data = has_text ? lix::pack_halves(object.text.at, object.text.bytes) : object.data;
  if ((object.flags & lix::kSparse) == 0) return;
  std::uint64_t stored = 0;
  for (std::uint32_t i = 0; i < object.extent_count; ++i) stored += scan_.tree.extents()[object.data + i].length;
  inode.blocks = capped(stored / 512 + (stored % 512 != 0 ? 1 : 0));
}

Result<void> IndexImage::write(FdRef out) const {
  const FirstPassResult& pass = scan_.pass;
  lix::Header header{};
  std::memcpy(header.magic, lix::kMagic, sizeof header.magic);
  header.major = lix::kMajor;
  header.minor = lix::kMinor;
  std::memcpy(header.blob, pass.blob.head().data(), sizeof header.blob);
  std::memcpy(header.diff_id, pass.diff_id.head().data(), sizeof header.diff_id);
  header.packed_bytes = pass.packed_size;
  header.plain_bytes = pass.plain_size;
  header.format = static_cast<std::uint32_t>(pass.format);
  header.entries = scan_.tree.entries();
  header.name_seed = seed_;

  using enum lix::SectionId;
  SectionWriter sections(out, header);
  sections.begin(inodes, sizeof(lix::Inode));
  TRY(sections.append(bytes_of(inodes_)));
  sections.begin(dirents, sizeof(lix::Dirent));
  TRY(sections.append(bytes_of(dirents_)));
  sections.begin(slots, sizeof(lix::Slot));
  TRY(sections.append(bytes_of(slots_)));
  sections.begin(strings, 1);
  TRY(sections.append(as_bytes(scan_.tree.strings().bytes())));
  sections.begin(xattrs, 1);
  TRY(sections.append(as_bytes(scan_.tree.xattrs().bytes())));
  sections.begin(extents, sizeof(lix::Extent));
  TRY(sections.append(bytes_of(scan_.tree.extents())));
  TRY(sections.checkpoints(pass.checkpoints));
  sections.begin(content_ids, Digest::kHeadBytes);
  TRY(sections.windows(pass.checkpoints));
  return sections.finish();
}

}  // namespace acetate
