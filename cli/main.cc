// acetate: the command people type. Everything is in run().
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/standard_descriptors.h"
#include "cli/app.h"
#include "cli/home.h"

int main(int argc, char** argv) {
  if (!acetate::sys::fill_standard_descriptors()) return 125;  // and nobody to tell
  if (auto installed = acetate::sys::install_faults_from_environment(); !installed) {
    std::cerr << "acetate: " << installed.error().message() << '\n';
    return 2;
  }
  acetate::log::set_program("acetate");
  acetate::cli::adopt_home();
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  const bool tty = ::isatty(STDERR_FILENO) == 1;
  return acetate::cli::run(args, {.in = std::cin, .out = std::cout, .err = std::cerr, .tty = tty});
}
