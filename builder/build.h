// A build from end to end: Dockerfile and context in, image out. All of `acetate build` but its command line
// and the namespaces it runs in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/base_wishes.h"
#include "builder/build_report.h"
#include "builder/cache_share.h"
#include "builder/clock.h"
#include "builder/export.h"
#include "builder/job.h"
#include "builder/progress.h"
#include "builder/runner.h"
#include "builder/step.h"
#include "builder/variables.h"
#include "layers/image/image_store.h"

namespace acetate::build {

// Gets an image of that name into our store, as far as the policy asks for it.
using FetchImage = std::function<Result<void>(const std::string& name, const std::string& policy, const image::Platform& platform)>;
// Told what was done, also of a build that fails, while its layers are still there.
using TellReport = std::function<void(const BuildReport& report, LayerOpener& layers)>;

struct BuildOptions {
  std::string context_dir;         // what open_context_dir() takes
  bool names_files = true;         // see BaseImages; build() finds out
  std::string dockerfile = {};     // "" looks for Dockerfile, then Containerfile, in the context
  std::optional<std::string> dockerfile_text = {};  // instead of a file: "-f -"
  std::string target = {};
  std::vector<image::Platform> platforms = {};  // --platform; none: this machine's
  Strings build_args = {};
  Strings labels = {};
  Strings contexts = {};           // --build-context
  Strings secrets = {};            // --secret: what each id holds
  Strings agents = {};             // --ssh: the socket of each id
  bool allow_insecure = false;     // --allow security.insecure
  std::vector<std::string> devices = {};  // --allow device=NAME, "" for every one
  bool network = true;
  std::vector<std::string> hosts = {};      // --add-host: "10.0.0.1\tname"
  std::uint64_t shm_size = 0;               // --shm-size, bytes
  std::vector<sandbox::Limit> limits = {};  // --ulimit
  RunBesides besides = {};
  BaseWishes bases = {};
  std::vector<std::string> unset_env = {};  // --unsetenv: variables that the image is to have no more
  std::optional<std::string> ignore_file = {};  // --ignorefile, instead of the context's
  FetchImage fetch = {};           // none: images must be here
  std::string pull = "missing";    // when `fetch` is tried; see BaseImages
  unsigned jobs = 1;               // steps at the same time
  bool no_cache = false;
  std::vector<std::string> no_cache_stages = {};  // --no-cache-filter
  std::vector<CachePlace> cache_from = {}, cache_to = {};
  std::uint64_t cache_bytes = 0;  // what the cache may grow to before it is pruned; 0: no limit
  bool explain = false;
  TraceRule trace = TraceRule::without_network;  // --trace-cache
  TimeRule times = {};
  std::optional<std::string> epoch = {};  // SOURCE_DATE_EPOCH as it was given, which `times` becomes; "": none, whatever the Dockerfile says. See epoch.h

  bool squash = false;                   // the layers made become one
  TellReport report = {};                // none: nobody wants to know
  std::vector<std::string> tags = {};
  std::vector<Output> outputs = {};      // none: the image goes to our own store
  Annotations annotations = {};          // of the manifest
  bool provenance = false;               // tell beside the image what it was made from
  std::string builder_id = {};           // who builds, as provenance tells it: a URL
  std::string metadata_file = {};        // what was built, as JSON
  bool owners = false;                   // files put out may have owners other than us

  std::string build_dir;           // cache
  image::StorePlace images;        // our own
  std::string index_dir;           // layer indexes
  std::string scratch_base;
};

// The image, of several platforms an index; nothing where only files were asked for. EINVAL with line and caret for mistakes in the Dockerfile;
// a step that fails is ECANCELED or the error it met, in words that name step, line and cause.
Result<std::optional<ExportedImage>> build(const BuildOptions& options, Runner& runner, Progress& progress);

}  // namespace acetate::build
