#include "tests/layers/tar/scanned.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "layers/memory_layer.h"
#include "layers/stream/seekable.h"
#include "layers/tar/tar_layer.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::test {

namespace {

Result<LayerIndexPtr> index_of(FdRef file, const Digest& blob) { return LayerIndex::open(file, "", blob); }

std::string or_words(const Result<std::string>& text) { return text ? *text : "!" + words(text); }

void add(const Layer& layer, Node dir, const std::string& prefix, bool with_nlink, std::uint64_t most_bytes, std::string& out) {
  std::vector<std::string> names;
  if (!layer.list(dir, [&](const DirEntry& entry) {
        names.emplace_back(entry.name);
        return true;
      }))
    out += prefix + " !list\n";
  for (const std::string& name : names) {
    const auto entry = layer.lookup(dir, name);
    if (!entry) {
      out += prefix + name + " !" + entry.error().message() + "\n";
      continue;
    }
    const Attr& attr = entry->attr;
    out += fmt::format("{}{} {} {:o} {}:{} {} {}.{:09}", prefix, name, static_cast<int>(entry->marker), attr.mode,
                       attr.uid, attr.gid, attr.is_dir() ? 0 : attr.size, attr.mtime.tv_sec, attr.mtime.tv_nsec);
    if (with_nlink && !attr.is_dir()) out += fmt::format(" n{}", attr.nlink);
    if (attr.rdev != 0) out += fmt::format(" {}:{}", major(attr.rdev), minor(attr.rdev));
    if (attr.is_symlink()) out += " -> " + or_words(layer.readlink(entry->node));
    if (entry->marker != Marker::whiteout) {
      auto xattrs = layer.xattrs(entry->node);
      if (!xattrs) out += " !" + words(xattrs);
      if (xattrs) std::ranges::sort(*xattrs, {}, &Xattr::name);
      for (const Xattr& xattr : xattrs ? *xattrs : std::vector<Xattr>()) out += fmt::format(" {}={}", xattr.name, xattr.value);
    }
    if (attr.is_regular() && entry->marker == Marker::none) {
      auto view = layer.open(entry->node);
      // A damaged index may claim any size.
      std::vector<std::byte> bytes(std::min<std::uint64_t>(attr.size, most_bytes));
      const auto count = view ? (*view)->pread(bytes, 0) : Result<std::size_t>(std::move(view).error());
      out += count && *count == bytes.size() ? " " + Digest::of(bytes).hex().substr(0, 16) : " !" + words(count);
    }
    out += "\n";
    if (attr.is_dir()) add(layer, entry->node, prefix + name + "/", with_nlink, most_bytes, out);
  }
}

}  // namespace

Result<LayerPtr> layer_of(std::string_view packed, const TarScanOptions& options) {
  SourcePtr source = source_of(packed);
  const IndexImage image = IndexImage::build(TRY(scan_tar(source, options)));
  const Fd memory = TRY(sys::memory_file("test"));
  TRY(image.write(memory.ref()));
  LayerIndexPtr index = TRY(index_of(memory.ref(), image.blob()));
  SourcePtr plain = TRY(seekable_source({.packed = source, .format = index->facts().format,
                                         .plain_size = index->facts().plain_bytes,
                                         .checkpoints = LayerIndex::checkpoints(index)}));
  return make_tar_layer(std::move(index), std::move(plain));
}

LayerPtr made(std::string_view packed) {
  auto layer = layer_of(packed);
  if (layer) return *std::move(layer);
  ADD_FAILURE() << words(layer);
  return *make_memory_layer({});
}

Result<LayerIndexPtr> index_from(std::string_view bytes, const Digest& blob, std::uint64_t verified_whole) {
  const Fd memory = TRY(sys::memory_file("test"));
  TRY(sys::write_full(memory.ref(), bytes));
  return LayerIndex::open(memory.ref(), "", blob, lix::IndexKind::layer, verified_whole);
}

std::string index_bytes(std::string_view packed, Digest* blob) {
  const IndexImage image = IndexImage::build(*scan_tar(source_of(packed)));
  const Fd memory = *sys::memory_file("test");
  if (!image.write(memory.ref())) return {};
  *blob = image.blob();
  const auto size = static_cast<std::size_t>(sys::stat(memory.ref())->st_size);
  std::string bytes(size, '\0');
  (void)*sys::pread_full(memory.ref(), std::as_writable_bytes(std::span(bytes)), 0);
  return bytes;
}

std::string listing_of(const Layer& layer, bool with_nlink, std::uint64_t most_bytes) {
  std::string out;
  add(layer, layer.root(), "", with_nlink, most_bytes, out);
  return out;
}

}  // namespace acetate::test
