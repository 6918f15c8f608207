// acetate-layer-store: what `acetate layer-store` becomes, an additional layer store for podman and its kin.
//
// usage: acetate-layer-store MOUNTPOINT [-o OPTIONS] -- COMMAND WORD...    the command is asked for images (offered.h)
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/standard_descriptors.h"
#include "fs/fuse/layer_store/server.h"
#include "fs/fuse/notify.h"
#include "fs/fuse/signals.h"
#include "layers/layer_spec.h"

namespace acetate::fs {

namespace {

struct Arguments {
  std::string mountpoint;
  std::vector<std::string> options;
  std::vector<std::string> command;
};

Result<Arguments> parse_arguments(std::span<const std::string> words) {
  const auto end = std::ranges::find(words, "--");
  Arguments read;
  if (end != words.end()) read.command.assign(end + 1, words.end());
  for (auto word = words.begin(); word != end; ++word) {
    if (*word == "-o" && word + 1 != end)
      read.options.push_back(*++word);
    else if (read.mountpoint.empty())
      read.mountpoint = *word;
    else
      read.command.clear();
  }
  if (read.mountpoint.empty() || read.command.empty())
    return fail(EINVAL, "usage: acetate-layer-store MOUNTPOINT [-o OPTIONS] -- COMMAND…; it is started by `acetate layer-store`");
  return read;
}

Result<void> run(std::span<const std::string> words) {
  TRY(sys::install_faults_from_environment());
  const auto arguments = TRY(parse_arguments(words));
  block_signals();
  const std::string index_dir = default_index_dir();
  LayerStoreTree tree(ask_command(arguments.command),
                      [&](const LayerSpec& spec) -> Result<LayerPtr> { return TRY(open_layer(spec, index_dir)).layer; });
  return serve_layer_store(tree, arguments.mountpoint, arguments.options, notify_ready);
}

}  // namespace
}  // namespace acetate::fs

int main(int argc, char** argv) {
  using namespace acetate;
  if (!sys::fill_standard_descriptors()) return 1;
  log::set_program("acetate");
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    const auto ended = fs::run(words);
    if (ended) return 0;
    log::error("{}", ended.error().message());
  } catch (const std::exception& error) {  // no thread or no memory to be had
    log::error("ended by an internal error: {}", error.what());
  }
  return 1;
}
