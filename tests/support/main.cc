// main() of every GoogleTest program of ours: installs what ACETATE_FAULT asks for, so that a whole suite can
// be run under worse conditions (ACETATE_FAULT=openat2=ENOSYS,copy_file_range=ENOSYS).
#include <gtest/gtest.h>

#include "base/sys/call.h"

#if defined(__SANITIZE_ADDRESS__)
// Many a test looks something up and lets the layer go without giving its node back. What the overlay owes a layer is counted elsewhere: an inode
// that is forgotten leaves nothing (fuse_test's InodeMemory).
extern "C" const char* __lsan_default_suppressions() { return "leak:acetate::dir::Item::make\n"; }
#endif

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (auto installed = acetate::sys::install_faults_from_environment(); !installed) {
    fmt::print(stderr, "{}\n", installed.error().message());
    return 2;
  }
  return RUN_ALL_TESTS();
}
