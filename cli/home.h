// Where a person is at home whose HOME nobody set.
#pragma once

namespace acetate::cli {

// A user without HOME (a service, cron, env -i) gets the one that passwd(5) gives him, if it is an absolute path, as with podman: for all that is looked for
// there. Root keeps to the system's places (cli/paths.h). Before there are threads.
void adopt_home();

}  // namespace acetate::cli
