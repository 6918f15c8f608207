// What a runtime says when a container does not start, sorted: the command's fault is an exit code, anything else an error.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/exec_lookup.h"

namespace acetate::sandbox {

// 126 or 127 when what we found ourselves cannot be started; said on the log.
std::optional<sys::Exit> refuse_command(Executable found, const std::string& name);

// The same for the words of a runtime: EIO with words when they are about something else than the command.
Result<sys::Exit> judge(const std::string& complaint, const std::string& runtime, const std::string& command);

}  // namespace acetate::sandbox
