// acetate cat: files of an image on standard output, without mounting it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <ostream>

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/image_tree.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string image, platform;
  std::vector<std::string> paths;
};

Result<void> copy(const FileView& file, std::ostream& out) {
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < file.size();) {
    const std::size_t count = TRY(file.pread(buffer, at));
    if (count == 0) break;
    if (!(out << as_text(std::span(buffer).first(count)))) return fail(EIO, "standard output takes no more");
    at += count;
  }
  return {};
}

Result<int> cat(const Options& options, const Context& context) {
  const auto image = TRY(open_image_tree(TRY(find_paths()), options.image, options.platform));
  const Layer& tree = *image.stack.tree;
  for (const std::string& path : options.paths) {
    const Place place = TRY(find_in(tree, path));
    if (!place.attr.is_regular())
      return fail(place.attr.is_dir() ? EISDIR : EINVAL, "'{}' is no regular file; `acetate ls -l` shows what it is", path);
    const auto file = TRY_WITHIN(tree.open(place.node.get()), "'{}'", path);
    TRY_WITHIN(copy(*file, context.streams.out), "'{}'", path);
  }
  context.streams.out.flush();
  return 0;
}

}  // namespace

Runner cat_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->image, "an image, or a layer's tarball")->required();
  app.add_option("PATH", options->paths, "files in it; symlinks are followed within the image")->required();
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return cat(*options, context); };
}

}  // namespace acetate::cli
