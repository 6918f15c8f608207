// Whether anything in a tree has extended attributes that are shown: found out in pieces, while the caller does something else between them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace acetate {

// Belongs to one thread at a time.
class XattrSearch {
 public:
  enum class Answer {
    not_yet,
    none,  // everything was looked at
    some,  // or it cannot be known
  };
  virtual ~XattrSearch() = default;
  // Looks at about that many entries more. The last answer is given again.
  virtual Answer go_on(std::size_t entries) = 0;
};

// A directory that is opened when it is wanted, and is still the one it was then.
struct TreeOnDisk {
  std::string path;
  dev_t device = 0;
  ino_t ino = 0;
};

// Of a directory, read as a layer (layers/dir_layer.h). Everything is looked at on the disk, also what whiteouts hide: one system call an entry, a few a
// directory. What cannot be looked at, lies on another file system or too deep is as good as something that has some.
std::unique_ptr<XattrSearch> search_xattrs(TreeOnDisk tree);

// Of all of these, one after the other; none have none.
std::unique_ptr<XattrSearch> search_in_turn(std::vector<std::unique_ptr<XattrSearch>> each);

}  // namespace acetate
