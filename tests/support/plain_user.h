// A test as somebody whom files may refuse: root is nobody's tester of modes.
#pragma once

#include <unistd.h>

namespace acetate::test {

constexpr uid_t kPlainUser = 65534;

// While it lives the whole process acts as a user without privileges; whoever is one already stays himself.
class AsAPlainUser {
 public:
  AsAPlainUser() : was_root_(::geteuid() == 0) {
    if (was_root_ && (::setegid(kPlainUser) != 0 || ::seteuid(kPlainUser) != 0)) ::_exit(1);
  }
  AsAPlainUser(const AsAPlainUser&) = delete;
  AsAPlainUser& operator=(const AsAPlainUser&) = delete;
  ~AsAPlainUser() {
    if (was_root_ && (::seteuid(0) != 0 || ::setegid(0) != 0)) ::_exit(1);
  }

 private:
  const bool was_root_;
};

}  // namespace acetate::test
