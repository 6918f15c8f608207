// --userns keep-id and --hpc: whoever runs us is the same user inside, with a name, a home and a working directory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::cli {

// "keep-id", "keep-id:uid=1000,gid=1000"; nothing for "" and "host". EINVAL with words for other texts.
Result<std::optional<sandbox::Spec::KeptId>> parse_userns(const std::string& text, uid_t uid, gid_t gid);

// passwd(5) or group(5) with a line for `id`, unless one is there. Pure.
std::string with_line(const std::string& file, std::uint32_t id, const std::string& line);

// Who we are outside.
struct Person {
  std::string name, home;
  uid_t uid = 0;
  gid_t gid = 0;
};
Person who_we_are();

// Gives the container /etc/passwd and /etc/group in which the person has a line: files in `dir`, made from those of
// `rootfs` and bound over them. One that `spec` mounts already stays what it is.
Result<void> introduce(const Person& person, const std::string& rootfs, const std::string& dir, sandbox::Spec& spec);

// What --hpc binds: the home and the working directory, each unless it is below the other or not there.
std::vector<sandbox::MountPoint> home_and_work(const Person& person, const std::string& working_dir);

}  // namespace acetate::cli
