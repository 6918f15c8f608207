// What the file system of temporary files can do.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::test {

// Whether what was just written there can be read without waiting (sys::pread_nowait()): an overlay, for one, cannot tell.
inline bool reads_without_waiting(const TempDir& dir) {
  dir.write("probe", "x");
  std::array<std::byte, 1> one{};
  const auto count = sys::pread_nowait(sys::open(dir / "probe", O_RDONLY)->ref(), one, 0);
  return count && *count == 1;
}

#define NEED_READS_WITHOUT_WAITING(dir)          \
  if (!::acetate::test::reads_without_waiting(dir)) \
  GTEST_SKIP() << "the file system of temporary files cannot tell what it has in memory: set TMPDIR to another place"

}  // namespace acetate::test
