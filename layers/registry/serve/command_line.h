// The command line of acetate-serve: written by `acetate serve`, which understood the person's, and read by that program. Words of the
// form KEY=VALUE.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "layers/image/image_store.h"
#include "layers/registry/serve/server.h"

namespace acetate::registry {

struct ServeRequest {
  image::StorePlace store;
  ServerOptions options = {};
};

std::vector<std::string> to_arguments(const ServeRequest& request);
// EINVAL with words for what to_arguments() does not write.
Result<ServeRequest> parse_arguments(std::span<const std::string> arguments);

// acetate-serve beside the running program, or in PATH. ENOENT with words.
Result<std::string> find_serve_program();

}  // namespace acetate::registry
