// acetate unmount: takes a mount of ours away again. What was written stays where `mount --rw` put it.
#include <fcntl.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "cli/command.h"
#include "cli/mount_record.h"
#include "fs/mount.h"

namespace acetate::cli {

namespace {

struct Options {
  std::vector<std::string> directories;
  bool lazy = false;
};

// The mountpoint as `mount` recorded it. Nothing where it cannot be told, as of a mount whose daemon has
// died.
std::optional<std::string> recorded_name(const std::string& directory) {
  // Closed again at once: an open descriptor would keep the mount busy.
  const auto fd = sys::open(directory, O_PATH | O_DIRECTORY);
  if (!fd) return std::nullopt;
  auto name = sys::readlink(FileAt{kWorkingDir, sys::ProcFdPath(fd->ref()).c_str()});
  return name ? std::optional(*std::move(name)) : std::nullopt;
}

Result<bool> is_mounted(const std::string& name) {
  const auto table = TRY_WITHIN(sys::mounts(), "reading the mount table");
  return std::ranges::any_of(table, [&](const auto& mount) { return mount.mount_point == name; });
}

Result<int> unmount_all(const Options& options, const Context&) {
  const auto paths = TRY(find_paths());
  for (const auto& directory : options.directories) {
    const auto name = recorded_name(directory);
    if (name && !TRY(is_mounted(*name))) return fail(EINVAL, "nothing is mounted at {}", directory);
    TRY(fs::unmount(directory, options.lazy));
    // What was written is safe, and the directory free for the next mount, once the daemon has ended. One
    // that was detached lives for as long as somebody uses it.
    if (name && !options.lazy) TRY(wait_for_daemon(paths, *name));
  }
  return 0;
}

}  // namespace

Runner unmount_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("DIR", options->directories, "where it is mounted")->required();
  app.add_flag("--lazy", options->lazy,
               "detach it now, also while it is in use, and end it when it no longer is");
  return [options](const Context& context) { return unmount_all(*options, context); };
}

}  // namespace acetate::cli
