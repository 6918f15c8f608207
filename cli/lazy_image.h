// --lazy: an image that is mounted before all of it is here.
#pragma once

#include <optional>
#include <string>

#include "cli/paths.h"
#include "cli/remote_options.h"
#include "layers/image/image.h"

namespace CLI {
class App;
}

namespace acetate::cli {

struct LazyFlags {
  bool lazy = false;
  std::string indexes;  // "tag", "always", "never"
  std::string authfile, cert_dir, tls_verify;
  bool anew = false;  // the registry is asked though an image of that name is known
  std::optional<int> retry = {};  // RemoteFlags has these
  double retry_delay = 0;
  bool in_a_hurry = false;
};

// What of them is about the registry.
RemoteFlags remote_flags(const LazyFlags& flags);

// --lazy, --index, --authfile, --cert-dir, --tls-verify, --retry, --retry-delay.
void add_lazy_options(CLI::App& app, LazyFlags& flags);
// Those of them that say how a registry is asked and how it is trusted, for a command that is lazy always.
void add_registry_options(CLI::App& app, LazyFlags& flags);

// The image, whole from the store or lazily known from before; else the registry is asked for its documents. Its layers
// are ready to be mounted: those without an index have been fetched and indexed on the way, several at once. Errors with
// words.
Result<image::Image> find_lazy_image(const Paths& paths, const std::string& name, const std::string& platform,
                                     const LazyFlags& flags);

// The same of an image that is known by its layers, as a kept container has it: whoever mounts them elsewhere (in a holder, say)
// finds the fetcher running.
Result<void> open_lazy_layers(const image::Image& image);

}  // namespace acetate::cli
