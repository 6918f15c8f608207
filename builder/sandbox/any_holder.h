// A holder for who does not care which (holder.h): made at once, without trying one out before.
#pragma once

#include <functional>

#include "builder/sandbox/holder.h"

namespace acetate::sandbox {

// Decides by looking alone, which is right nearly everywhere and costs nothing.
HolderPlan likely_plan();

// What there is where no holder can be had: this process, and what it may.
HolderPlan plan_without(const Error& why);

// run_in_holder() with likely_plan(), and where that cannot be set up with plan_holder()'s: one holder for a command and
// not two. `own_pids`: false leaves out the pid namespace, for who wants to see the pids of the host.
Result<int> run_in_a_holder(const std::function<int(const HolderPlan&)>& body, bool own_pids = true);

// The same for what needs no mount and gets by without the files of other ids: where no holder can be had the body is run in this
// process, with plan_without().
Result<int> run_in_a_holder_or_here(const std::function<int(const HolderPlan&)>& body);

}  // namespace acetate::sandbox
