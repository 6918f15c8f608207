#include "fs/fuse/system_log.h"

#include <syslog.h>

#include "base/log.h"

namespace acetate::fs {

namespace {

int priority_of(log::Level level) {
  switch (level) {
    case log::Level::debug: return LOG_DEBUG;
    case log::Level::info: return LOG_INFO;
    case log::Level::warn: return LOG_WARNING;
    case log::Level::error: return LOG_ERR;
  }
  return LOG_ERR;
}

}  // namespace

void log_to_system(std::string program) {
  static std::string name;  // openlog() keeps the pointer
  name = std::move(program);
  ::openlog(name.c_str(), LOG_PID, LOG_DAEMON);
  log::set_sink([](log::Level level, std::string_view message) {
    ::syslog(priority_of(level), "%.*s", static_cast<int>(message.size()), message.data());
  });
}

}  // namespace acetate::fs
