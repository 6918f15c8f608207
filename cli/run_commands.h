// `run` and its relatives, and where they keep things.
#pragma once

#include <string>

#include "cli/command.h"
#include "cli/paths.h"

namespace acetate::cli {

Runner commit_command(CLI::App& app);
Runner completion_command(CLI::App& app);
Runner diff_command(CLI::App& app);
Runner doctor_command(CLI::App& app);
Runner export_command(CLI::App& app);
Runner ps_command(CLI::App& app);
Runner rm_command(CLI::App& app);
Runner shell_command(CLI::App& app);
Runner volume_command(CLI::App& app);

inline std::string containers_dir(const Paths& paths) { return paths.data + "/containers"; }  // kept.h
inline std::string volumes_dir(const Paths& paths) { return paths.data + "/volumes"; }        // of -v NAME:…
inline std::string runs_dir(const Paths& paths) { return paths.data + "/run"; }               // scratch of what runs now

}  // namespace acetate::cli
