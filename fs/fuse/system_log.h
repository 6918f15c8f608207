// Where a daemon's words go once it has no terminal: to syslog(3), which journald reads too.
#pragma once

#include <string>

namespace acetate::fs {

// From now on warnings and errors go there under this name, with our process id; a machine without a log loses them.
void log_to_system(std::string program);

}  // namespace acetate::fs
