// main() of every GoogleTest program of ours: installs what ACETATE_FAULT asks for, so that a whole suite can
// be run under worse conditions (ACETATE_FAULT=openat2=ENOSYS,copy_file_range=ENOSYS).
#include <gtest/gtest.h>

#include "base/sys/call.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (auto installed = acetate::sys::install_faults_from_environment(); !installed) {
    fmt::print(stderr, "{}\n", installed.error().message());
    return 2;
  }
  return RUN_ALL_TESTS();
}
