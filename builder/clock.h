// The times a build writes: logical ones, so that building twice gives the same digests.
//
// A wall clock in a layer makes every build differ from every other, and a constant (0, or "now" clamped) makes
// make(1) believe that an object is as new as the source that was copied after it. So each step has a logical
// time of its own:
//
//   - it begins with the time the base image was created (0 for scratch; never before 1980, which some formats cannot say), and goes up by one second a step;
//   - what a step wrote just now (a modification time within the step's run, and another than the file below had)
//     is stamped with it;
//   - times that came out of content, such as tar(1) and dpkg set them, are kept; when one is newer than the
//     step's time, the step's time becomes it, so that what a step wrote is never older than what it unpacked.
//     What is copied from another stage or an archive is content, however young the base is whose times it has;
//   - files of the context get the step's time too: a checkout's times differ from one clone to the next;
//   - `created` of history and image are the steps' times.
//
// SOURCE_DATE_EPOCH replaces all this by the reproducible-builds.org rule: nothing is newer than it, and what
// would be has exactly it. --timestamps=keep leaves the real times alone, for those who need them.
//
// What stands in the cache keeps its times when the base is made anew (placed_record.h), and may then be older than that.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::build {

struct TimeRule {
  enum class Kind { logical, epoch, keep } kind = Kind::logical;
  std::int64_t epoch = 0;  // of `epoch`

  std::string str() const;  // for cache keys: what it is decides what layers hold. Not which epoch: builder/placed_record.h
};

// A SOURCE_DATE_EPOCH of seconds since 1970. EINVAL with words.
Result<std::int64_t> parse_epoch(std::string_view text);

// Stamps one step's entries: first learn() every time that was found, then ask what to write.
class StepClock {
 public:
  // `previous` is now() of the step before. The step begins when the object is made.
  StepClock(const TimeRule& rule, std::int64_t previous);

  // A time that a RUN left: its own, or one out of content.
  void learn_output(timespec time);
  // A time that is known to have come out of content: of another stage, an archive, or what is below the step.
  void learn_content(timespec time);

  // What is written for a time of that kind; of one that a RUN left,
  timespec of_output(timespec time) const;
  // of one that another stage or an archive has, or the tree below,
  timespec of_content(timespec time) const;
  // and of a file of the context, or of one the builder makes itself.
  timespec of_copy(timespec time) const;

  // Whether a time that a RUN left is one of its own, and none out of content.
  bool is_own(timespec time) const;
  bool is_of_epoch() const { return rule_.kind == TimeRule::Kind::epoch; }
  // Whether a time of content is none that the epoch allows: what is written of it is right for this epoch only.
  bool is_cut(timespec content) const { return rule_.kind == TimeRule::Kind::epoch && content.tv_sec >= rule_.epoch; }

  // The step's time.
  std::int64_t now() const { return now_; }
  // When it began, by the wall clock: the first time that is taken for one of its own.
  timespec began() const { return began_; }

 private:
  timespec stamp() const { return {.tv_sec = now_, .tv_nsec = 0}; }
  TimeRule rule_;
  std::int64_t now_;
  timespec began_;
};

// "2024-01-31T10:20:30Z" and back. Parsing accepts fractions and offsets (RFC 3339); nothing for what is none.
std::string format_time(std::int64_t seconds);
std::optional<std::int64_t> parse_time(const std::string& text);

}  // namespace acetate::build
