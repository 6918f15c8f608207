// acetate tar: an image's files, all or below one path, as one tar on standard output.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/image_tree.h"
#include "layers/delta.h"
#include "layers/tar/layer_writer.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string image, path = "/", platform;
};

// The place itself, what is below it, and the directories it lies in.
bool belongs(std::string_view path, std::string_view place) {
  const auto is_below = [](std::string_view inner, std::string_view outer) {
    return outer.empty() || inner == outer || (inner.starts_with(outer) && inner[outer.size()] == '/');
  };
  return is_below(path, place) || is_below(place, path);
}

Result<int> tar(const Options& options, const Context& context) {
  std::ostream& out = context.streams.out;
  const auto image = TRY(open_image_tree(TRY(find_paths()), options.image, options.platform));
  const LayerPtr& tree = image.stack.tree;
  const std::string place = TRY(find_in(*tree, options.path, true)).path;
  LayerWriter writer([&](std::span<const std::byte> bytes) -> Result<void> {
    if (!(out << as_text(bytes))) return fail(EIO, "standard output takes no more");
    return {};
  });
  TRY(read_upper(tree, nullptr, [&](const DeltaOp& op, const FileView* content) -> Result<void> {
    if (!belongs(op.path.str(), place)) return {};
    // A link's first name may lie elsewhere: then it is a file of its own.
    if (op.kind != DeltaOp::Kind::hardlink || belongs(op.link_to.str(), place)) return writer.add(op, content);
    DeltaOp file = op;
    file.kind = DeltaOp::Kind::replace;
    const Place first = TRY(find_in(*tree, "/" + op.link_to.str(), true));
    file.attr = first.attr;
    file.xattrs = TRY(tree->xattrs(first.node.get()));
    if (first.attr.is_symlink()) file.target = TRY(tree->readlink(first.node.get()));
    const auto bytes = first.attr.is_regular() ? TRY(tree->open(first.node.get())) : nullptr;
    return writer.add(file, bytes.get());
  }));
  TRY(writer.finish());
  out.flush();
  return 0;
}

}  // namespace

Runner tar_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->image, "an image, or a layer's tarball")->required();
  app.add_option("PATH", options->path, "only this, with the directories it lies in; / by default");
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return tar(*options, context); };
}

}  // namespace acetate::cli
