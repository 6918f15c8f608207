// POSIX ACLs as tarballs carry them, in words ("SCHILY.acl.access", "SCHILY.acl.default"), and as the kernel has them.
//
// GNU tar and star write acl_to_text(3)'s lines, bsdtar separates by commas and puts the number of a named user or group
// behind its permissions: "user:lisa:rw-:502".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate {

enum class AclKind { access, inherited };  // inherited: a directory's default ACL

// The value of "system.posix_acl_access" or "…_default" (include/uapi/linux/posix_acl_xattr.h). Nothing where an access
// ACL says no more than a mode does. A user or group that has a name and no number is left out: only the image's own
// passwd knows it, and what is left grants less and not more. EBADMSG in words for what is no ACL.
Result<std::optional<std::string>> acl_from_text(std::string_view text, AclKind kind);

}  // namespace acetate
