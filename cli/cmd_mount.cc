// acetate mount: shows an image at a directory, straight out of its tarballs, until `acetate unmount`.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <memory>
#include <ostream>

#include "base/sys/file.h"
#include "cli/command.h"
#include "cli/detached_mount.h"
#include "cli/image_name.h"
#include "cli/lazy_image.h"
#include "cli/mount_record.h"
#include "cli/mount_target.h"
#include "cli/writable_layer.h"
#include "fs/mount.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> words;  // SOURCE... DIR
  bool writable = false;
  std::string upper, work;
  std::string platform;
  LazyFlags lazy;
};

Result<image::Image> find_source(const Paths& paths, const Options& options) {
  if (options.lazy.lazy) {
    if (options.words.size() > 2) return fail(EINVAL, "--lazy is for an image of a registry, and for one at a time");
    return find_lazy_image(paths, options.words[0], options.platform, options.lazy);
  }
  if (options.words.size() == 2) return find_image(paths, options.words[0], options.platform);
  return image::image_from_layers({options.words.begin(), options.words.end() - 1});
}

// Opens every layer here, before a daemon is started: the index of a tarball is made now, and what is wrong
// with one is told by us and by its name. The daemon then finds the indexes. A tarball that was given by its path has a
// digest after that: at the same path there may be another one the next time.
Result<void> index_layers(image::Image& image, const Context& context) {
  for (auto& layer : image.layers) {
    const auto name = layer.digest ? layer.digest->str() : layer.spec.path;
    // The path alone would not tell which of an archive's layers it is.
    const auto opened = layer.digest
                            ? TRY_WITHIN(open_layer(layer.spec, default_index_dir()), "layer {}", name)
                            : TRY(open_layer(layer.spec, default_index_dir()));
    if (!layer.digest && opened.facts) layer.digest = opened.facts->blob;
    if (!context.verbose) continue;
    if (opened.is_tar)
      context.streams.err << fmt::format("layer {}: {} entries, {} bytes for {}, index {}\n", name,
                                         opened.entries, opened.compressed_size, opened.uncompressed_size,
                                         opened.is_by_toc          ? "not needed, its table of contents read"
                                         : opened.index_was_cached ? "was cached"
                                                                   : "made");
    else
      context.streams.err << fmt::format("layer {}: a directory\n", name);
  }
  return {};
}

Result<std::optional<WritableLayer>> writable_layer(const Options& options, const Paths& paths,
                                                    const std::string& target, const image::Image& image) {
  using Layer = std::optional<WritableLayer>;
  if (!options.upper.empty()) return Layer({.upper = options.upper, .work = options.work});
  if (!options.writable) return Layer();
  return Layer(TRY(prepare_writable_layer(paths.writable(), target, image)));
}

Result<int> mount(const Options& options, const Context& context) {
  const auto began = std::chrono::steady_clock::now();
  const auto paths = TRY(find_paths());
  const auto& typed_target = options.words.back();
  auto image = TRY(find_source(paths, options));
  const auto target = TRY(check_target(typed_target, image));
  TRY(index_layers(image, context));
  const auto writable = TRY(writable_layer(options, paths, target, image));

  fs::MountRequest request{.lowers = image.lowers(), .target = target, .die_with_parent = false};
  // A plain user may neither chown nor write what belongs to root: the tree is theirs, as with mount -o uid=
  // of vfat.
  if (::geteuid() != 0)
    request.options = {fmt::format("squash_to_uid={}", ::geteuid()),
                       fmt::format("squash_to_gid={}", ::getegid())};
  if (request.lowers.empty())
    return fail(EINVAL, "{} has no layers, so there is nothing to mount", image.name);
  if (writable) {
    request.upper = writable->upper;
    request.work = writable->work;
  }
  const Fd record = TRY(make_mount_record(paths, target));
  TRY_WITHIN(mount_detached(request, record.ref()), "mounting {} on {}", image.name, typed_target);

  if (options.writable && options.upper.empty())
    context.streams.err << fmt::format("what is written to {} is kept in {}\n", typed_target,
                                       writable->upper);
  if (context.verbose) {
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    context.streams.err << fmt::format("mounted {} on {}, {}, {} {}, in {:.0f} ms\n", image.name,
                                       typed_target, writable ? "writable" : "read-only", image.layers.size(),
                                       image.layers.size() == 1 ? "layer" : "layers", took.count());
  }
  return 0;
}

// The last word is the directory however many there are, which CLI11 has no positionals for.
class Formatter : public CLI::Formatter {
  std::string make_option_usage(const CLI::Option*) const override { return "SOURCE... DIR"; }
};

}  // namespace

Runner mount_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  const auto formatter = std::make_shared<Formatter>();
  formatter->column_width(app.get_formatter()->get_column_width());
  app.formatter(formatter);
  app.add_option(
         "SOURCE", options->words,
         "an image, or tarballs and directories from the bottom to the top; then DIR, where to mount them")
      ->required();
  app.add_flag("--rw", options->writable,
               "let it be written to; what is written is kept apart and survives unmounting");
  auto* upper =
      app.add_option("--upper", options->upper, "the directory where what is written goes; implies --rw");
  auto* work =
      app.add_option("--work", options->work, "an empty directory on the same file system as --upper");
  upper->needs(work);
  work->needs(upper);
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  add_lazy_options(app, options->lazy);
  app.parse_complete_callback([options] {
    if (options->words.size() < 2) throw CLI::RequiredError("DIR, where to mount it,");
  });
  return [options](const Context& context) { return mount(*options, context); };
}

}  // namespace acetate::cli
