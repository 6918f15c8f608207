// The command lines of the commands about stored images, as docker and podman have them.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/image_commands.h"

namespace acetate::cli {

namespace {

constexpr const char* kImage = "a name, NAME@DIGEST, or an image's id or its beginning";
constexpr const char* kFormat = "json, or a Go template like '{{.ID}}'; \"table TEMPLATE\" for columns";

template <class Options>
Runner runner(const std::shared_ptr<Options>& options, Result<int> (*run)(const Options&, const Context&)) {
  return [options, run](const Context& context) { return run(*options, context); };
}

// -f a -f b: one value each time, or the next word would be taken for another.
template <class T>
void repeatable(CLI::App& app, const char* names, T& into, const char* help) {
  app.add_option(names, into, help)->allow_extra_args(false);
}

}  // namespace

Runner images_command(CLI::App& app) {
  const auto options = std::make_shared<ImagesOptions>();
  app.add_option("NAME", options->name, "list only NAME[:TAG]");
  app.add_flag("-a,--all", options->all, "list every image: always so");
  app.add_flag("--digests", options->digests, "show digests too");
  repeatable(app, "-f,--filter", options->filters,
             "dangling=true|false, reference=PATTERN, label=KEY[=VALUE], before=IMAGE or since=IMAGE");
  app.add_option("--format", options->format, kFormat);
  app.add_option("--sort", options->sort, "created, id, repository, size or tag");
  app.add_flag("-q,--quiet", options->quiet, "print ids and nothing else");
  app.add_flag("--no-trunc", options->no_trunc, "do not shorten ids");
  app.add_flag("-n,--noheading", options->no_heading, "print no headings");
  return runner(options, list_images);
}

Runner tag_command(CLI::App& app) {
  const auto options = std::make_shared<TagOptions>();
  app.add_option("IMAGE", options->image, kImage)->required();
  app.add_option("NAME", options->names, "what it is called besides: NAME[:TAG]")->required();
  return runner(options, tag_image);
}

Runner untag_command(CLI::App& app) {
  const auto options = std::make_shared<TagOptions>();
  app.add_option("IMAGE", options->image, kImage)->required();
  app.add_option("NAME", options->names, "the names to take away, if not all");
  return runner(options, untag_image);
}

Runner rmi_command(CLI::App& app) {
  const auto options = std::make_shared<RmiOptions>();
  app.add_option("IMAGE", options->images, kImage);
  app.add_flag("-a,--all", options->all, "every image");
  app.add_flag("-f,--force", options->force, "an image with all of its names; nothing is wrong when there is none");
  app.add_flag("-i,--ignore", options->ignore, "nothing is wrong when there is none");
  app.add_flag("--no-prune", options->no_prune, "leave the layers to gc");
  return runner(options, remove_images);
}

Runner history_command(CLI::App& app) {
  const auto options = std::make_shared<HistoryOptions>();
  app.add_option("IMAGE", options->image, "a name or id, or oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE")->required();
  app.add_option("--format", options->format, kFormat);
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  app.add_flag("-H,--human,!--no-human", options->human, "sizes as people read them: so without it");
  app.add_flag("-q,--quiet", options->quiet, "print ids and nothing else");
  app.add_flag("--no-trunc", options->no_trunc, "do not shorten ids and commands");
  app.add_flag("-n,--noheading", options->no_heading, "print no headings");
  return runner(options, show_history);
}

Runner save_command(CLI::App& app) {
  const auto options = std::make_shared<SaveOptions>();
  app.add_option("IMAGE", options->images, kImage)->required();
  app.add_option("-o,--output", options->output, "the file or directory to write, if not standard output");
  app.add_option("--format", options->format,
                 "docker-archive (default; an OCI layout as well), oci-archive, oci-dir or docker-dir");
  app.add_option("--platform", options->platform, "of several only the image for OS/ARCHITECTURE[/VARIANT]");
  app.add_flag("-m,--multi-image-archive", options->multi, "several images in one archive: always so");
  app.add_flag("-q,--quiet", options->quiet, "say nothing: always so");
  return runner(options, save_images);
}

Runner load_command(CLI::App& app) {
  const auto options = std::make_shared<LoadOptions>();
  app.add_option("-i,--input", options->input,
                 "the archive or directory to read, if not standard input; it may be compressed with gzip or zstd");
  repeatable(app, "-t,--tag", options->names, "name the image NAME[:TAG] instead of what it is called there");
  app.add_flag("-q,--quiet", options->quiet, "do not say what was loaded");
  return runner(options, load_images);
}

Runner copy_command(CLI::App& app) {
  const auto options = std::make_shared<CopyOptions>();
  app.footer("FROM and TO: a name in our own store, or docker://HOST/NAME[:TAG|@DIGEST] in a registry, oci:DIR[:NAME],\n"
             "oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or dir:DIR. The digests stay what they are. An index stays whole;\n"
             "from a registry only this machine's image of it is fetched, without --all.");
  app.add_option("FROM", options->from, "where the image is")->required();
  app.add_option("TO", options->to, "where it goes")->required();
  app.add_option("--platform", options->platform, "of several only the image for OS/ARCHITECTURE[/VARIANT]");
  app.add_flag("-a,--all", options->all, "from a registry, the images for every platform");
  app.add_option("--digestfile", options->digest_file, "where to write the digest");
  app.add_flag("-q,--quiet", options->quiet, "do not print the digest, nor how far it is");
  add_remote_options_of_both(app, options->source, options->destination);
  return runner(options, copy_between);
}

Runner gc_command(CLI::App& app) {
  const auto options = std::make_shared<GcOptions>();
  app.add_flag("-n,--dry-run", options->dry_run, "only say what would go");
  app.add_option("--max-size", options->max_size, "remove the images used longest ago until the store has this size: 10GB");
  app.add_option("--unused", options->unused, "remove images, and what builds have cached, not used for so long: 12h, 30d");
  app.add_option("--build-cache", options->build_cache, "remove what builds used longest ago until their cache has this size: 5GB, 0");
  app.add_flag("-f,--force", options->force, "docker's and podman's: without it nobody is asked either");
  app.add_flag("--keep-unnamed", options->keep_unnamed, "keep images that have no name");
  app.add_flag("--no-wait", options->no_wait, "give up where another command uses the store");
  app.add_flag("-q,--quiet", options->quiet, "print the sum and nothing else");
  return runner(options, collect_garbage);
}

Runner df_command(CLI::App& app) {
  const auto options = std::make_shared<DfOptions>();
  app.add_flag("--images", options->verbose, "each image, and what it shares with others");
  app.add_option("--format", options->format, kFormat);
  return runner(options, show_disk_usage);
}

}  // namespace acetate::cli
