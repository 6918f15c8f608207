#include "base/sys/self.h"

#include <unistd.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace acetate::sys {

Result<std::string> find_beside_us(std::initializer_list<const char*> places) {
  const std::string self = TRY_WITHIN(readlink(FileAt{kWorkingDir, "/proc/self/exe"}), "finding the running program");
  const std::string dir = self.substr(0, self.rfind('/'));
  const struct stat own = TRY_WITHIN(stat_following(self), "finding the running program");
  for (const char* place : places) {
    const auto st = stat_following(dir + place);
    if (!st || !S_ISREG(st->st_mode) || (st->st_mode & S_IWOTH) != 0) continue;
    if (st->st_uid == own.st_uid || st->st_uid == 0 || st->st_uid == ::geteuid()) return dir + place;
  }
  return Error(ENOENT);
}

Result<std::string> find_helper(const std::string& name, std::initializer_list<const char*> in_build_tree) {
  const std::string installed = "/../libexec/acetate/" + name, beside = "/" + name;
  if (auto found = find_beside_us({installed.c_str(), beside.c_str()})) return found;
  if (auto found = find_beside_us(in_build_tree)) return found;
  if (auto found = find_program(name)) return found;
  return fail(ENOENT, "{} was found neither beside this program nor in PATH", name);
}

Error become(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<char*> words{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  return done(Call::execve, [&] { return ::execv(program.c_str(), words.data()); }).error().clone();
}

}  // namespace acetate::sys
