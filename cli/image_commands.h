// The commands about stored images: what can be said on their command lines, and what they do. Their options are
// declared in image_command_lines.cc, one after the other, so that what docker and podman call alike is called
// alike here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/remote_options.h"

namespace acetate::cli {

Runner copy_command(CLI::App& app);
Runner df_command(CLI::App& app);
Runner gc_command(CLI::App& app);
Runner history_command(CLI::App& app);
Runner images_command(CLI::App& app);
Runner layer_store_command(CLI::App& app);
Runner load_command(CLI::App& app);
Runner rmi_command(CLI::App& app);
Runner save_command(CLI::App& app);
Runner tag_command(CLI::App& app);
Runner untag_command(CLI::App& app);

struct ImagesOptions {
  std::string name;  // NAME[:TAG], to list only that
  std::string format, sort = "created";
  std::vector<std::string> filters;
  bool all = false, digests = false, quiet = false, no_trunc = false, no_heading = false;
};
Result<int> list_images(const ImagesOptions& options, const Context& context);

struct TagOptions {
  std::string image;
  std::vector<std::string> names;
};
Result<int> tag_image(const TagOptions& options, const Context& context);
// Without names, all of the image's.
Result<int> untag_image(const TagOptions& options, const Context& context);

struct RmiOptions {
  std::vector<std::string> images;
  bool all = false, force = false, ignore = false, no_prune = false;
};
// 1 where an image is not found.
Result<int> remove_images(const RmiOptions& options, const Context& context);

struct HistoryOptions {
  std::string image, format, platform;
  bool quiet = false, no_trunc = false, human = true, no_heading = false;
};
Result<int> show_history(const HistoryOptions& options, const Context& context);

struct SaveOptions {
  std::vector<std::string> images;
  std::string output, format = "docker-archive", platform;
  bool multi = false, quiet = false;
};
Result<int> save_images(const SaveOptions& options, const Context& context);

struct LoadOptions {
  std::string input;
  std::vector<std::string> names;
  bool quiet = false;
};
Result<int> load_images(const LoadOptions& options, const Context& context);

struct CopyOptions {
  std::string from, to, platform, digest_file;
  bool all = false, quiet = false;
  RemoteFlags source = {}, destination = {};  // the retries are those of `source`
};
Result<int> copy_between(const CopyOptions& options, const Context& context);

struct GcOptions {
  std::string max_size, unused, build_cache;
  bool dry_run = false, keep_unnamed = false, quiet = false, no_wait = false, force = false;
};
Result<int> collect_garbage(const GcOptions& options, const Context& context);

struct DfOptions {
  std::string format;
  bool verbose = false;
};
Result<int> show_disk_usage(const DfOptions& options, const Context& context);

}  // namespace acetate::cli
