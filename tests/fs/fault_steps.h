// What tests of faults and crashes do to an overlay: every change there is, each over a tree that has what it needs.
#pragma once

#include <functional>
#include <vector>

#include "tests/fs/overlay_fixture.h"
#include "tests/support/temp_dir.h"

namespace acetate::fs {

struct Step {
  const char* name;
  std::function<Result<void>(Mounted&)> prepare;
  std::function<Result<void>(Mounted&)> act;
};

std::vector<Step> steps();
// With an index, of what happens to the names of a lower hard link.
std::vector<Step> steps_of_links();

// The tree they stand on, as a layer in memory, which makes no system calls, or as a directory.
LayerPtr lower_in_memory();
LayerPtr lower_in(const test::TempDir& empty);

// The merged tree with all that chmod(1), chown(1), touch(1) and setfattr(1) change; "" is the root.
Tree with_attributes(Mounted& m);

// As many links as there are names. One too many where a name of a file without a copy went, and that was not written down any more.
void expect_right_links(Mounted& m, const Tree& tree);

}  // namespace acetate::fs
