// What a step came to somewhere else, for where it is to stand now.
//
// A key that does not name the layers below finds what was made on others, and at another of the times of builder/clock.h:
//
//   - with logical times the layer keeps those it was made with, unless it would be older than what this build's steps made below it:
//     make(1) would believe that what was copied after a compilation is unchanged. That it is older than a base that was made anew is
//     for the caller to allow (Job::lands_on_base());
//   - with SOURCE_DATE_EPOCH what carries the old epoch gets the new one, so that the layer is the one that the step would make, but for
//     what a command itself wrote down of the times of files; compiled Python (bytecode.h) belongs to its sources all the same. That no
//     time of content was cut to the old epoch is the caller's to know (Job::is_of_its_epoch()).
#pragma once

#include <optional>

#include "base/result.h"
#include "builder/cache.h"
#include "builder/clock.h"
#include "builder/stage_state.h"

namespace acetate::build {

// How old the layer may be beside this build's own below it.
enum class MayBe {
  younger,    // only: what is copied is a source, and newer than all that was made before
  as_old,     // or as old as what is below: what is made of something is not older than that
  older,      // the key has the times of everything that the step looked at
};

// The record as it stands on `before`; nothing where the step has to be done anew. A layer with other times is in the cache then,
// and no record names it yet. EBADMSG with words for a layer that is no tar of ours.
Result<std::optional<Record>> place_record(const Record& found, const StageState& before, const TimeRule& rule, MayBe age, Cache& cache);

}  // namespace acetate::build
