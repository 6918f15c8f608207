// Images from registries into our store, as `pull` and `run --pull` want them.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/app.h"
#include "cli/paths.h"
#include "cli/remote_options.h"
#include "layers/image/platform.h"

namespace acetate::cli {

struct PullRequest {
  image::Platform platform = image::host_platform();
  std::string policy = "always";  // when to ask the registry: always, missing, newer, never
  bool all_platforms = false, all_tags = false, quiet = false;
  RemoteFlags remote = {};
};

// Name after name, each from the first registry that has it. Progress goes to streams.err, the images' ids to `ids`. What is
// complete when one fails stays.
Result<void> pull_images(const Paths& paths, const std::vector<std::string>& names, const PullRequest& request, const Streams& streams,
                         std::ostream& ids);

}  // namespace acetate::cli
