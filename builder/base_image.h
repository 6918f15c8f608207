// What FROM and COPY --from mean by a name that is no stage: an image, which is got where it is not here, or a named context. Each is got once; who
// asks for it meanwhile waits, and who asks for another does not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "builder/cache.h"
#include "builder/context_source.h"
#include "builder/provenance.h"
#include "builder/stage_state.h"
#include "builder/variables.h"
#include "layers/image/image_store.h"

namespace acetate::build {

// Gets a context that is a git repository or a URL.
using FetchContext = std::function<Result<ContextDir>(const std::string& what)>;

// Thread-safe.
class BaseImages {
 public:
  struct Options {
    image::StorePlace images;  // our own
    std::string context_dir;  // what relative paths are relative to
    bool names_files = true;  // whether a name may be a file of this machine's; not where the Dockerfile came from elsewhere
    Strings contexts = {};    // --build-context NAME=REFERENCE
    // How to get an image of ours that is not here, and when that is tried: always (at each build), missing, newer, never. Nothing: as with
    // never.
    std::function<Result<void>(const std::string& name, const std::string& policy, const image::Platform& platform)> fetch = {};
    std::string policy = "missing";
    FetchContext fetch_context = {};  // nothing: there is none
  };
  BaseImages(Options options, Cache& cache) : options_(std::move(options)), cache_(cache) {}

  // Tried in this order: a named context, which may stand for an image by name again (docker-image://NAME); a reference with a transport (oci:, oci-archive:, docker-archive:) or
  // a path (absolute, or beginning with "./" or "../"); one of our own images, by name or id as ImageStore::find()
  // reads it. ENOENT with words that say how to get it here.
  // Of an index, what `platform` names.
  Result<const StageState*> open(const std::string& name, const image::Platform& platform);

  // Opens these, up to `at_once` at the same time, so that who opens one later need not wait; what cannot be opened is told then.
  void prepare(const std::vector<std::pair<std::string, image::Platform>>& bases, unsigned at_once);

  // The same, for what is here already or was opened before.
  Result<const StageState*> open_here(const std::string& name, const image::Platform& platform);

  // What was opened of the store, as far as it has a manifest: a file is from where nobody knows.
  std::vector<Material> opened() const;

  // Whether a named context is files and no image.
  bool is_directory(const std::string& name) const;
  // The directory that it is, fetched once where it is elsewhere; nothing where it is an image.
  Result<std::optional<std::string>> directory(const std::string& name);

 private:
  using Wanted = std::pair<std::string, image::Platform>;
  // Whoever comes first finds it, and has `finding` meanwhile.
  struct Base {
    Mutex finding;
    std::optional<StageState> state GUARDED_BY(finding) = {};
    std::optional<Error> failed GUARDED_BY(finding) = {};  // to be had: not tried again in this build
  };
  struct Directory {
    Mutex fetching;
    std::optional<ContextDir> dir GUARDED_BY(fetching) = {};
  };
  Result<image::Image> find(const Wanted& wanted, bool may_fetch);
  Result<image::Image> find_named(const Wanted& wanted, bool may_fetch);
  Result<image::Image> find_ours(const Wanted& wanted);
  Result<std::optional<image::Image>> find_sole(const Wanted& wanted);
  Result<void> fetch(const Wanted& wanted);
  Result<const image::ImageStore*> store();         // as it was when something was fetched last
  Result<void> open_store() REQUIRES(mutex_);
  Result<const StageState*> open(const Wanted& wanted, bool may_fetch);
  Result<StageState> read(const image::Image& image) const;
  bool is_of_store(const std::string& name) const;  // and neither a context nor a file
  Options options_;
  Cache& cache_;
  mutable Mutex mutex_;  // taken after a base's or a directory's own
  // Open until the build is over, so that no layer is collected meanwhile.
  std::unique_ptr<image::ImageStore> store_ GUARDED_BY(mutex_) = {};
  std::vector<std::unique_ptr<image::ImageStore>> earlier_ GUARDED_BY(mutex_) = {};
  // What is in these stays where it is.
  std::map<Wanted, Base> bases_ GUARDED_BY(mutex_) = {};
  std::map<std::string, Directory> directories_ GUARDED_BY(mutex_) = {};  // named contexts that are elsewhere
  std::map<Wanted, Digest> manifests_ GUARDED_BY(mutex_) = {};
};

}  // namespace acetate::build
