// User namespaces: subordinate ranges, and writing id maps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::sys {

// One line of a uid_map: `inside`, `outside`, `count`.
struct IdRange {
  std::uint32_t inside, outside, count;
  auto operator<=>(const IdRange&) const = default;
};

// The ranges of /etc/subuid or /etc/subgid that belong to a user, by name or by number, in file order, laid
// end to end from 1 inside (0 is the user). Pure, for tests; malformed lines are skipped as shadow's own
// reader does.
std::vector<IdRange> parse_subid(std::string_view file, std::string_view user, uid_t uid);
// Reads both files for the calling user. A missing file is no range.
Result<std::vector<IdRange>> subordinate_uids();
Result<std::vector<IdRange>> subordinate_gids();

// Maps of a process in a new user namespace, by the setuid helpers newuidmap(1)/newgidmap(1); their complaint
// is the error's words. ENOENT with words when they are not installed.
Result<void> write_maps_with_helpers(pid_t pid, const std::vector<IdRange>& uids,
                                     const std::vector<IdRange>& gids);
// The single-id map any process may write: setgroups=deny, 0 -> uid, 0 -> gid.
Result<void> write_single_map(pid_t pid, uid_t uid, gid_t gid);

// "0 1000 1\n1 100000 65536\n", as the kernel writes it. Pure; what does not parse is left out.
std::vector<IdRange> parse_id_map(std::string_view text);
// What /proc/self/uid_map and gid_map say now.
Result<std::vector<IdRange>> current_uid_map();
Result<std::vector<IdRange>> current_gid_map();

// fork(2) whose child starts in new namespaces (CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID …): 0 in the child.
// Only for a process with one thread. The child must not start threads of its own before it has forked again.
Result<pid_t> fork_into(int namespaces);

}  // namespace acetate::sys
