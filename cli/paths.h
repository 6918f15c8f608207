// Where things are kept: data, cache and what lives only until reboot.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"

namespace acetate::cli {

struct Paths {
  std::string
      data;  // images and writable layers: ACETATE_ROOT, $XDG_DATA_HOME/acetate, ~/.local/share/acetate
  std::string cache;  // may be deleted at any time: ACETATE_CACHE, $XDG_CACHE_HOME/acetate, ~/.cache/acetate
  std::string runtime;  // of this login: $XDG_RUNTIME_DIR/acetate, else /tmp/acetate-UID

  std::string images() const { return data + "/images"; }      // an OCI layout: images by name
  std::string index() const { return cache + "/index/v1"; }    // layer indexes
  std::string writable() const { return data + "/writable"; }  // uppers of `mount --rw`
};

// Decides from the environment alone; touches nothing. Root without HOME gets /var/lib/acetate and
// /var/cache/acetate. A relative XDG path is ignored, as the XDG specification asks; a relative ACETATE_ROOT
// or ACETATE_CACHE is EINVAL with words, and so is having no home at all.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Result<Paths> paths_from(const Environment& environment, uid_t uid);

// paths_from() for this process.
Result<Paths> find_paths();

// The way out for a command that failed, where its data can be kept nowhere: no directory, or none that may be written. Nothing
// when they can.
std::optional<std::string> why_nothing_is_kept(const Paths& paths);

// Makes paths.runtime if need be and checks that it is a directory of ours which nobody else can enter
// (0700): /tmp is shared, and whoever made the name first would own what we put there. EPERM with words.
Result<void> prepare_runtime_dir(const Paths& paths);

}  // namespace acetate::cli
