// Why the system would not give us a user namespace, and what can be done about it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"

namespace acetate::sandbox {

// The value of a file below /proc/sys ("user/max_user_namespaces"); nothing when it is not there.
using ReadSysctl = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> read_sysctl(const std::string& name);

// The sentence for an errno of clone(CLONE_NEWUSER), or of the first mount(2) inside (which is where AppArmor
// says no). The error keeps the errno.
Error explain_userns_refusal(int code, const ReadSysctl& sysctl);

}  // namespace acetate::sandbox
