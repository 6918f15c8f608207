// What the options of a RUN --mount mean where they are left out.
#pragma once

#include "builder/dockerfile/mount.h"

namespace acetate::build {

// Ids, and the target of a secret. Wants the target absolute where there is one.
void fill_in(dockerfile::Mount& mount);

}  // namespace acetate::build
