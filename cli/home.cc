#include "cli/home.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace acetate::cli {

void adopt_home() {
  const char* home = std::getenv("HOME");
  if ((home != nullptr && *home != '\0') || ::getuid() == 0) return;
  const struct passwd* entry = ::getpwuid(::getuid());
  if (entry != nullptr && entry->pw_dir != nullptr && entry->pw_dir[0] == '/') ::setenv("HOME", entry->pw_dir, 1);
}

}  // namespace acetate::cli
