#include "builder/shell.h"

namespace acetate::build {

std::vector<std::string> shell_of(const image::Config& config) {
  if (!config.shell.empty()) return config.shell;
  if (config.platform.os == "windows") return {"cmd", "/S", "/C"};
  return {"/bin/sh", "-c"};
}

}  // namespace acetate::build
