// COPY, thought out: sources onto a destination, with docker's rules for what lands where.
//
//   file -> existing directory, or "dest/"    dest/NAME
//   file -> anything else                     dest, replaced
//   directory                                 its contents go into dest, which is made when missing
//   missing parents                           0755 or as an octal --chmod says, owned as --chown says, else root
//   existing directories                      keep what is in them; those that come along change metadata
//   symlinks in dest                          followed inside the root; inside a copied directory they are in the way
//   directory onto a file, or the reverse     an error; a tarball being unpacked replaces
#pragma once

#include <optional>
#include <vector>

#include "builder/clock.h"
#include "builder/copy_source.h"
#include "builder/delta_plan.h"
#include "builder/file_mode.h"

namespace acetate::build {

struct CopyRules {
  struct Owner {
    uid_t uid;
    gid_t gid;
  };
  std::optional<Owner> owner = {};       // --chown
  std::optional<ModeChange> mode = {};   // --chmod
  bool fresh_times = true;               // times of sources mean nothing (context); else they are content
};

// ENOTDIR, EISDIR with words.
Result<void> plan_copy(const CopyStep& step, const std::vector<Source>& sources, const CopyRules& rules,
                       StepClock& clock, DeltaPlan& plan);

}  // namespace acetate::build
