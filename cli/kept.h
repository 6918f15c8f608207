// Kept containers: what `run --keep NAME` wrote, under a name, with what it was written on.
//
//   CONTAINERS/NAME/container.json   the record: image, command, labels, how it ended
//   CONTAINERS/NAME/upper, upper.work   the writable layer, as the overlay has it
//   CONTAINERS/NAME/upper.kernel   there once the kernel's overlay has written to it
//   CONTAINERS/NAME/lock             locked by whoever runs or reads it
//
// A directory without a record is what an interrupted removal left: no container, and in nobody's way but its own name's.
//
// The record keeps the layers it lies on, so that a container is what it was when the image's name has been moved.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "layers/dir_layer.h"
#include "layers/image/image.h"

namespace acetate::cli {

struct KeptRecord {
  std::string name;
  image::Image image;                // as far as layers and configuration go
  std::vector<std::string> command;  // the last one
  std::map<std::string, std::string> labels;
  std::string created, finished;      // RFC 3339; finished is empty from the start of a command to its end
  std::optional<int> exit_code = {};  // of the last command; none while it runs, and when it was cut short
};

Result<std::string> to_json(const KeptRecord& record);
Result<KeptRecord> parse_kept(std::string_view json, const std::string& what);

// One kept container, locked for as long as the object lives.
class Kept {
 public:
  enum class Use { write, read };
  // Takes it up again. ENOENT bare when there is none; EBUSY with words while somebody else has it.
  static Result<Kept> open(const std::string& containers, const std::string& name, Use use);
  // Makes one. EINVAL with words for a name that cannot be one; EEXIST with words where an interrupted removal left files.
  static Result<Kept> make(const std::string& containers, const std::string& name, const image::Image& image);

  const KeptRecord& record() const noexcept { return record_; }
  std::string upper() const { return dir_ + "/upper"; }
  WhiteoutFiles whiteout_files() const;  // in the upper
  const std::string& dir() const noexcept { return dir_; }
  // Writes the record anew; one with an exit code has finished now, and one without has not.
  Result<void> save(KeptRecord record);
  // Removes it with everything in it, or what an interrupted removal left of it. Inside the holder, where other ids' files
  // can be removed. ENOENT with words when there is neither; EBUSY as for open().
  static Result<void> remove(const std::string& containers, const std::string& name);

 private:
  Kept(std::string dir, Fd lock, KeptRecord record) : dir_(std::move(dir)), lock_(std::move(lock)), record_(std::move(record)) {}
  std::string dir_;
  Fd lock_;
  KeptRecord record_;
};

// Kept::open for a name that a person typed: ENOENT with words.
Result<Kept> find_kept(const std::string& containers, const std::string& name, Kept::Use use);

// Every kept container, by name; what cannot be read is left out and said on the log. `running`: somebody has it locked.
struct KeptEntry {
  KeptRecord record;
  bool running = false;
};
Result<std::vector<KeptEntry>> list_kept(const std::string& containers);

// The layers that kept containers lie on: a store that loses them loses the containers. An error when a record cannot be
// read, for then it is not known.
Result<std::set<Digest>> layers_of_kept(const std::string& containers);

// EEXIST with words when the image is not the one that `kept` was written on.
Result<void> check_same_image(const KeptRecord& kept, const image::Image& image);

}  // namespace acetate::cli
