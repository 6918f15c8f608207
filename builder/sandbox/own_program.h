// Keeping our own program from a container that is about to begin.
//
// Until the command is executed /proc/self/exe of its process is our own program (CVE-2019-5736): neither the command nor what interprets it may be reached by
// a link of /proc's, which leads elsewhere than the path it shows.
#pragma once

#include <string>

#include "base/result.h"

namespace acetate::sandbox {

// Whether executing `path` would lead to something that does not lie where its name shows, by its interpreters too. Called in the container, after its root has been
// entered. False for what cannot be opened or is no program: executing it says why. An error (EMFILE, ENFILE, ENOMEM) where it cannot be found out.
Result<bool> leads_to_us(std::string path);

}  // namespace acetate::sandbox
