#include "fs/fuse/lowers.h"

#include <fcntl.h>

#include <chrono>

#include "base/log.h"
#include "base/sys/file.h"

namespace acetate::fs {

namespace {

// The directory that a layer was opened of a moment ago, by a name that will do when the working directory is another.
Result<TreeOnDisk> tree_of(const std::string& path, const Layer& layer) {
  const Fd root = TRY(sys::open(path, O_PATH | O_DIRECTORY));
  const sys::ProcFdPath link(root.ref());
  std::string lasting = TRY(sys::readlink(FileAt{kWorkingDir, link.c_str()}));
  const Attr attr = TRY(layer.attr(layer.root()));
  return TreeOnDisk{.path = std::move(lasting), .device = layer.device(), .ino = attr.ino};
}

}  // namespace

Result<Lowers> open_lowers(const std::vector<std::string>& elements, FollowMarks follow) {
  using Clock = std::chrono::steady_clock;
  Lowers lowers;
  std::vector<OpenedLayer> layers;
  const bool learns = TRY(prefetch_is_on());
  for (const std::string& element : elements) {
    const auto begin = Clock::now();
    const LayerSpec spec = TRY(parse_layer_spec(element));
    OpenedLayer opened = TRY_WITHIN(open_layer(spec, default_index_dir(), follow), "cannot read lower layer {}", element);
    if (opened.is_tar) {
      const std::chrono::duration<double, std::milli> spent = Clock::now() - begin;
      log::info("layer {}: {} entries, {} bytes ({} uncompressed), index {} in {:.1f} ms", spec.path, opened.entries,
                opened.compressed_size, opened.uncompressed_size, opened.is_by_toc ? "not needed, its table of contents read" : opened.index_was_cached ? "cached, opened" : "made",
                spent.count());
      lowers.is_lazy |= opened.is_lazy;
      if (learns) learn_reads(opened, default_index_dir());
      lowers.tarballs.push_back({spec.path, opened.bytes, opened.uncompressed_size});
      lowers.tarballs_may_have_xattrs |= opened.layer->may_have_xattrs();
    } else {
      lowers.directories.push_back(spec.path);
      lowers.directory_layers.push_back(opened.layer);
    }
    layers.push_back(std::move(opened));
  }
  if (auto top = sys::open(TRY(parse_layer_spec(elements.front())).path, O_PATH)) lowers.top = std::make_shared<const Fd>(*std::move(top));
  lowers.stack = TRY(open_stack(layers, default_index_dir()));
  lowers.tree = lowers.stack.tree;
  return lowers;
}

std::unique_ptr<XattrSearch> Lowers::search_xattrs() const {
  if (tarballs_may_have_xattrs) return nullptr;
  std::vector<std::unique_ptr<XattrSearch>> each;
  for (std::size_t i = 0; i < directories.size(); ++i) {
    auto of_one = tree_of(directories[i], *directory_layers[i]);
    if (!of_one) return nullptr;
    each.push_back(acetate::search_xattrs(*std::move(of_one)));
  }
  return search_in_turn(std::move(each));
}

void Lowers::log_reads() const {
  for (const Tarball& tarball : tarballs) {
    const DecodeCount count = tarball.bytes->counted();
    log::info("layer {}: {} of {} bytes were decoded, in {} pieces, {} compressed bytes read for them; {} pieces were ready "
              "before they were asked for, of {} prefetched",
              tarball.path, count.plain_bytes, tarball.size, count.spans, count.packed_bytes, count.prefetch_used,
              count.prefetched);
    if (count.fetched_bytes > 0 || count.needed_bytes > 0)
      log::info("layer {}: {} compressed bytes were fetched while it was mounted, {} were needed; readers waited for them {} times, {:.3f} s together",
                tarball.path, count.fetched_bytes, count.needed_bytes, count.waits, std::chrono::duration<double>(count.waited).count());
  }
}

}  // namespace acetate::fs
