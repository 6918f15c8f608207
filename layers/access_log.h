// What was asked of a tree: which names were looked up, which files opened, which directories listed.
//
// A Layer that hands everything on to another and notes it. Whoever reads a lower tree through it (an overlay that is mounted
// for one build step) can be asked afterwards on what of that tree its work may depend. More may be noted than anybody needed;
// less never, with one exception: times, size and link count of directories, which change with every file that comes into
// them, are the same constants for all, so that nobody can depend on them.
//
// Kept as a file of records, each ending in NUL: "acetate access log 1", then letters, a blank and a path, then "end". Without
// the last one the file is not whole.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "layers/layer.h"

namespace acetate {

// How something was looked at; bits. A name that was looked up has had its attributes seen, and where a symlink leads.
enum Access : unsigned {
  kNamed = 1,    // or found to be absent
  kOpened = 2,   // all of the content counts
  kListed = 4,
  kXattrs = 8,
};

// By path from the root, "" the root itself.
using AccessedPaths = std::map<std::string, unsigned, std::less<>>;

// Thread-safe.
class AccessLog {
 public:
  virtual ~AccessLog() = default;
  // What was noted so far. EOVERFLOW when it was too much to be kept, and the error when something was looked at that could not be told:
  // what a process made of an I/O error stands for no tree.
  virtual Result<AccessedPaths> paths() const = 0;
};

struct ObservedLayer {
  LayerPtr layer;
  std::shared_ptr<const AccessLog> log;
};

// `most`: names, beyond which the log gives up.
ObservedLayer observe(LayerPtr layer, std::size_t most = 300'000);

// The modification time of every directory of an observed layer.
inline constexpr timespec kObservedDirTime{1'000'000'000, 0};

std::string format_access_log(const AccessedPaths& paths);
// EBADMSG for what is no whole log.
Result<AccessedPaths> parse_access_log(std::string_view text);

}  // namespace acetate
