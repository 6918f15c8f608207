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
#include "cli/mount_target.h"
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

// A slip of the hand must not take away what others have mounted.
Result<void> check_is_ours(const std::string& name, const std::string& directory) {
  const auto table = TRY_WITHIN(sys::mounts(), "reading the mount table");
  const auto at_it = [&](const auto& mount) { return mount.mount_point == name; };
  // The last one is what shows.
  const auto top = std::find_if(table.rbegin(), table.rend(), at_it);
  if (top == table.rend()) return fail(EINVAL, "nothing is mounted at {}", directory);
  if (!is_our_type(top->type))
    return fail(EINVAL, "what is mounted at {} is {} and not ours to take away: umount {}", directory, top->type, directory);
  return {};
}

Result<int> unmount_all(const Options& options, const Context&) {
  const auto paths = TRY(find_paths());
  for (const auto& directory : options.directories) {
    const auto name = recorded_name(directory);
    if (name) TRY(check_is_ours(*name, directory));
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
