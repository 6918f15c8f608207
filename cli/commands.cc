#include "cli/command.h"

#include <algorithm>

#include "cli/image_commands.h"
#include "cli/run_commands.h"

namespace acetate::cli {

namespace {

constexpr std::string_view kAsItsCommand =
    "What the command exited with; 126 when it cannot be executed, 127 when it is not found, 128 and the signal when one ended it.";

}  // namespace

// docs/man/meson.build reads the names here, to know what pages there will be: each row begins with its name.
const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"mount", "show an image or tarballs as a directory, without unpacking", mount_command},
      {"unmount", "take a mounted directory away again", unmount_command, {"umount"}},
      {"stat", "print what the daemon behind a mount has counted", stat_command},
      {"refresh", "tell a mount that its layers were changed, or add one", refresh_command},
      {"build", "make an image from a Dockerfile", build_command, {}, 2, 1, "0 when it was built. With --check 1 when there is something to be said."},
      {"inspect", "print an image's configuration and layers as JSON", inspect_command},
      {"ls", "list a directory of an image, without mounting it", ls_command},
      {"cat", "write files of an image to standard output", cat_command},
      {"tar", "write an image's files as one tar to standard output", tar_command},
      {"explore", "show what each layer of an image brings and wastes", explore_command},
      {"index", "make the index of layers, and show what is in it", index_command},
      {"verify", "read all of an image and say whether it is what it says it is", verify_command, {}, 2, 1, "0 when nothing is damaged, 1 when something is."},
      {"pull", "fetch images from registries", pull_command, {}, 125, 125},
      {"push", "send an image to a registry", push_command, {}, 125, 125},
      {"seal", "fetch all of an image that was begun lazily", seal_command, {}, 125, 125},
      {"login", "keep a name and password for a registry", login_command, {}, 125, 125},
      {"logout", "forget the name and password for a registry", logout_command, {}, 125, 125},
      {"serve", "be a registry with the images that are here", serve_command},
      {"layer-store", "lend podman the layers of images, before they are here", layer_store_command, {}, 125, 125},
      {"run", "run a command in an image", run_command, {}, 125, 125, kAsItsCommand},
      {"shell", "an interactive shell in an image", shell_command, {}, 125, 125, kAsItsCommand},
      {"ps", "list the containers that run --keep has kept", ps_command, {}, 125, 125},
      {"diff", "list what a kept container changed", diff_command, {}, 125, 125},
      {"commit", "make an image of a kept container", commit_command, {}, 125, 125},
      {"export", "write a kept container's files as a tarball", export_command, {}, 125, 125},
      {"rm", "remove kept containers", rm_command, {}, 125, 125, "0 when all are removed, 1 when one is not there, 2 when one is in use."},
      {"volume", "list, make, show and remove named volumes", volume_command, {}, 125, 125, "0 when all went well; of rm 1 when one is not there, 2 when a container that runs has one."},
      {"images", "list the images of the store", images_command, {}, 125, 125},
      {"load", "put the images of an archive into the store", load_command, {}, 125, 125},
      {"save", "write images of the store as an archive", save_command, {}, 125, 125},
      {"tag", "give an image another name", tag_command, {}, 125, 125},
      {"untag", "take names away from an image", untag_command, {}, 125, 125},
      {"rmi", "remove images", rmi_command, {}, 125, 125,
       "0 when all are removed, 1 when one is not there, 2 when one has other names or a kept container lies on it."},
      {"exists", "say by the exit code whether an image is here", exists_command, {}, 125, 125, "0 when it is in the store, 1 when it is not."},
      {"history", "show how an image came about", history_command, {}, 125, 125},
      {"copy", "copy an image from one place to another", copy_command, {}, 125, 125},
      {"gc", "free what no image needs", gc_command, {}, 125, 125},
      {"df", "show what takes how much room", df_command, {}, 125, 125},
      {"bench", "measure overlay file systems side by side", bench_command},
      {"doctor", "say what works here, and what to do about what does not", doctor_command, {}, 2, 2,
       "0 when all is well, 1 when something is missing that can be done without, 2 when something is needed."},
      {"completion", "print a completion script for bash, zsh or fish", completion_command},
      {"man-pages", "write the manual page of every command into a directory", man_pages_command, {}, 2, 1, {}, true},
  };
  return table;
}

const Command* find_command(std::string_view name) {
  for (const auto& command : commands())
    if (command.name == name || std::ranges::find(command.aliases, name) != command.aliases.end())
      return &command;
  return nullptr;
}

}  // namespace acetate::cli
