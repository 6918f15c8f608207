// A layer as text, for comparing whole trees in one EXPECT.
#pragma once

#include <map>
#include <string>

#include "layers/layer.h"

namespace acetate::test {

// Every path below the root with what stands there: "dir", "file TEXT", "link TARGET", "whiteout", "dir opaque",
// "external PATH", "char 1:3", "fifo", "socket". Checks on
// the way that a listing says of each entry what lookup says (type, ino), and gives every node back.
using Tree = std::map<std::string, std::string>;
Tree tree_of(const Layer& layer);

// The text of a file by path, through open() and pread(); "!ERRNO" when that fails.
std::string text_of(const Layer& layer, std::string_view path);

}  // namespace acetate::test
