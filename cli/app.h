// The command people type: run(args, streams) is the whole program, main() is one call of it.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace acetate::cli {

// What a command may touch of the outside. main() passes the real ones, a test its own.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool tty = false;
};

// `args` without the program's name. The exit code: 0, 1 for a command that failed, 125 for our own errors in
// `run`, 2 for a command line that makes no sense.
int run(std::span<const std::string> args, const Streams& streams);

}  // namespace acetate::cli
