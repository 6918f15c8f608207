// acetate man-pages: writes acetate-COMMAND.1 of every command into a directory. For our own build; not in --help.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fcntl.h>
#include <memory>

#include "base/sys/file.h"
#include "cli/command.h"
#include "cli/man_page.h"

namespace acetate::cli {

Runner man_pages_command(CLI::App& app) {
  const auto directory = std::make_shared<std::string>();
  app.add_option("DIRECTORY", *directory, "where they go")->required();
  return [directory](const Context&) -> Result<int> {
    const Fd dir = TRY_WITHIN(sys::open(*directory, O_PATH | O_DIRECTORY), "opening {}", *directory);
    for (const DescribedCommand& command : described_commands()) {
      const std::string name = fmt::format("acetate-{}.1", command.names.front());
      const Fd file = TRY_WITHIN(sys::open({dir.ref(), name.c_str()}, O_WRONLY | O_CREAT | O_TRUNC, 0644), "making {}/{}", *directory, name);
      TRY_WITHIN(sys::write_full(file.ref(), std::string_view(man_page(command))), "writing {}/{}", *directory, name);
    }
    return 0;
  };
}

}  // namespace acetate::cli
