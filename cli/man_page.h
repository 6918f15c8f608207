// acetate-COMMAND(1), out of the command table: what --help says, as a manual page. acetate(1) is written by hand.
#pragma once

#include <string>
#include <string_view>

#include "cli/described_command.h"

namespace acetate::cli {

// For man(7) macros, in UTF-8. The same command gives the same bytes. Pure.
std::string man_page(const DescribedCommand& command);

// Text as text: nothing in it is a request, an escape or a hyphen, also not at the beginning of a line. Pure.
std::string roff(std::string_view text);

}  // namespace acetate::cli
