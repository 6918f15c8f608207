#include "builder/sandbox/complaint.h"

#include "base/log.h"

namespace acetate::sandbox {

namespace {

constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

}  // namespace

std::optional<sys::Exit> refuse_command(Executable found, const std::string& name) {
  switch (found) {
    case Executable::not_found:
      if (name.find('/') == std::string::npos)
        log::error("{}: there is no such command in the container's PATH", name);
      else
        log::error("{}: there is no such file in the container", name);
      return sys::Exit{.code = kNotFound};
    case Executable::no_permission:
      log::error("{}: not an executable file in the container", name);
      return sys::Exit{.code = kCannotExecute};
    case Executable::no_interpreter:
      log::error("{}: the interpreter or loader it names is not in the container", name);
      return sys::Exit{.code = kNotFound};
    case Executable::yes:
    case Executable::odd_format:
    case Executable::unknown:
      break;
  }
  return std::nullopt;
}

Result<sys::Exit> judge(const std::string& complaint, const std::string& runtime, const std::string& command) {
  auto says = [&](const char* words) { return complaint.find(words) != std::string::npos; };
  // runc's words and crun's; what is not there then is the hook.
  const bool about_hook = says("running hook") || says("executing hook");
  const bool about_exec = says("exec") && !about_hook;
  if (about_exec && (says("no such file") || says("not found") || says("No such file"))) {
    log::error("{}: cannot be executed in the container: it, or the interpreter it names, is not there", command);
    return sys::Exit{.code = kNotFound};
  }
  if (about_exec && (says("permission denied") || says("Permission denied") || says("exec format error") ||
                     says("Exec format error") || says("is a directory"))) {
    log::error("{}: cannot be executed in the container ({})", command, complaint);
    return sys::Exit{.code = kCannotExecute};
  }
  return fail(EIO, "starting the container with {}: {}", runtime, complaint);
}

}  // namespace acetate::sandbox
