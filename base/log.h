// The log: levels, and one sink for the whole process.
//
// Callers of the daemon (apptainer, containers/storage) show every line on stderr to their users, so the
// default level is warn and a warning is something the user must act on.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>

namespace acetate::log {

enum class Level { debug, info, warn, error };

// The lowest level that reaches the sink; warn at start. Thread-safe.
void set_level(Level level) noexcept;
bool enabled(Level level) noexcept;

// Where lines go: by default to stderr as "PROGRAM: message\n" in one write(2). A sink is called under the
// log's mutex, so it must not log. Passing an empty function restores the default.
using Sink = std::function<void(Level, std::string_view message)>;
void set_sink(Sink sink);
void set_program(std::string_view name);

void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace acetate::log
