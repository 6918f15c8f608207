// See fs/fuse/give_back.h.
#include "fs/fuse/give_back.h"

#include <malloc.h>

namespace acetate::fs {

void GiveBack::forgot(std::uint64_t left) noexcept {
#ifdef __GLIBC__
  if (is_due(left)) ::malloc_trim(0);
#else
  (void)left;  // others give memory back by themselves
#endif
}

}  // namespace acetate::fs
