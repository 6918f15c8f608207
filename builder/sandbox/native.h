// Our own launcher: the part of the runtime-spec that we write, carried out by ourselves, where neither runc nor crun
// works or none is installed, and where a container is wanted in a few milliseconds.
//
// It follows the same config.json that a runtime would be given, so there is one description and one generator. What it
// leaves out: cgroups. A container's user namespace is entered last, when every mount stands: its root then
// owns none of them, and one that was given CAP_SYS_ADMIN a copy.
#pragma once

#include <string>

#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/owner_recorder.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Runs to the end what `config` (of to_oci_config(spec)) says. 126 and 127 as launch(). Signals and the time limit as
// there; with spec.terminal the person's terminal is relayed to one of the container's own. Errors say at which step.
// `owners`: answers the calls that the configuration's filter asks about, if it does. `invocation`: where the configuration lies too, and what the
// container is called there; for its hooks.
Result<sys::Exit> run_native(const Spec& spec, const std::string& config, Stdio stdio, OwnerRecorder* owners = nullptr, const Invocation& invocation = {});

}  // namespace acetate::sandbox
