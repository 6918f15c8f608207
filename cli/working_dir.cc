#include "cli/working_dir.h"

#include <filesystem>

namespace acetate::cli {

std::string working_dir() {
  std::error_code gone;
  return std::filesystem::current_path(gone).string();
}

}  // namespace acetate::cli
