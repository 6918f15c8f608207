// Python's compiled files, .pyc: each notes when its source was last changed, and how large it is; where that differs Python compiles
// anew, at every start. A build gives the sources that a step wrote another time than they had (clock.h), so their compiled files, when
// the same step wrote them, note that one: what pip installs starts as fast as it did, and is the same on another machine.
//
// PEP 3147 says where they are, PEP 552 what is in them. Those of Python before 3.7, and those that note a checksum instead, stay as
// they are.
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "base/rel_path.h"
#include "base/result.h"
#include "layers/layer.h"

namespace acetate::build {

// The sources of one step. Not thread-safe.
class Bytecode {
 public:
  // A file that the step wrote: the time it has, and whether that is of content (StepClock::of_content).
  void learn(const RelPath& path, const Attr& attr, bool is_content);
  // When the source was changed that it was compiled of, as StepClock is to say it anew: nothing where it is none of the step's, or does
  // not belong to it as it is.
  struct Source {
    timespec time;
    bool is_content;
  };
  Result<std::optional<Source>> source_of(const RelPath& path, const FileView& compiled) const;

 private:
  struct Known {
    Source source;
    std::uint64_t size;
  };
  std::map<RelPath, Known> sources_;
};

// The beginning of a file, at least as much as its header, where it is one that notes `then`: with `now` instead.
void set_noted_time(std::span<std::byte> beginning, std::int64_t then, std::int64_t now);

// The file with another time of its source in it. Borrows `compiled`.
std::unique_ptr<FileView> with_source_time(const FileView& compiled, timespec time);

}  // namespace acetate::build
