#include "cli/command.h"

#include <algorithm>

#include "cli/image_commands.h"
#include "cli/run_commands.h"

namespace acetate::cli {

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"mount", "show an image or tarballs as a directory, without unpacking", mount_command},
      {"unmount", "take such a directory away again", unmount_command, {"umount"}},
      {"stat", "print what the daemon behind a mount has counted", stat_command},
      {"refresh", "tell a mount that its layers were changed, or add one", refresh_command},
      {"build", "make an image from a Dockerfile", build_command},
      {"inspect", "print an image's configuration and layers as JSON", inspect_command},
      {"ls", "list a directory of an image, without mounting it", ls_command},
      {"cat", "write files of an image to standard output", cat_command},
      {"tar", "write an image's files as one tar to standard output", tar_command},
      {"explore", "show what each layer of an image brings and wastes", explore_command},
      {"index", "make the index of layers, and show what is in it", index_command},
      {"verify", "read all of an image and say whether it is what it says it is", verify_command},
      {"pull", "fetch images from registries", pull_command, {}, 125, 125},
      {"push", "send an image to a registry", push_command, {}, 125, 125},
      {"seal", "fetch all of an image that was begun lazily", seal_command, {}, 125, 125},
      {"login", "keep a name and password for a registry", login_command, {}, 125, 125},
      {"logout", "forget them", logout_command, {}, 125, 125},
      {"serve", "be a registry with the images that are here", serve_command},
      {"layer-store", "lend podman the layers of images, before they are here", layer_store_command, {}, 125, 125},
      {"run", "run a command in an image", run_command, {}, 125, 125},
      {"shell", "an interactive shell in an image", shell_command, {}, 125, 125},
      {"ps", "list the containers that run --keep has kept", ps_command, {}, 125, 125},
      {"diff", "list what a kept container changed", diff_command, {}, 125, 125},
      {"commit", "make an image of a kept container", commit_command, {}, 125, 125},
      {"export", "write a kept container's files as a tarball", export_command, {}, 125, 125},
      {"rm", "remove kept containers", rm_command, {}, 125, 125},
      {"images", "list the images of the store", images_command, {}, 125, 125},
      {"load", "put the images of an archive into the store", load_command, {}, 125, 125},
      {"save", "write images of the store as an archive", save_command, {}, 125, 125},
      {"tag", "give an image another name", tag_command, {}, 125, 125},
      {"untag", "take names away from an image", untag_command, {}, 125, 125},
      {"rmi", "remove images", rmi_command, {}, 125, 125},
      {"history", "show how an image came about", history_command, {}, 125, 125},
      {"copy", "copy an image from one place to another", copy_command, {}, 125, 125},
      {"gc", "free what no image needs", gc_command, {}, 125, 125},
      {"df", "show what takes how much room", df_command, {}, 125, 125},
      {"bench", "measure overlay file systems side by side", bench_command},
      {"doctor", "say what works here, and what to do about what does not", doctor_command, {}, 2, 2},
      {"completion", "print a completion script for bash, zsh or fish", completion_command},
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
