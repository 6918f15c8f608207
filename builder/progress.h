// What a build says while it goes on: numbered steps, shown one of four ways (builder/progress_view.h). Plain is BuildKit's:
//
//   #3 [build 2/4] RUN make
//   #3 0.412 cc -c main.c
//   #3 DONE 1.2s            or: #3 CACHED, #3 ERROR: …
#pragma once

#include <chrono>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "builder/progress_view.h"

namespace acetate::build {

// Thread-safe: a step's output comes from another thread than the steps themselves.
class Progress {
 public:
  enum class Mode { plain, quiet, json, terminal };
  // `columns`: of the terminal.
  Progress(std::ostream& out, Mode mode, unsigned columns = 80);

  // Begins a step; the number it goes by from now on.
  int begin(std::string_view title);
  void output(int step, std::string_view bytes);
  void note(int step, std::string_view text);
  void cached(int step);
  void done(int step);
  void failed(int step, std::string_view why);
  void warn(std::string_view text) { warn(Warned{.text = std::string(text)}); }
  void warn(const Warned& warned);

  // The last lines a step wrote, for the message of its failure.
  std::string tail(int step) const;

 private:
  struct Running {
    std::chrono::steady_clock::time_point began;
    std::string line = {};  // written, but its end is not there yet
    std::string tail = {};
  };
  void flush_locked(int step) REQUIRES(mutex_);
  void end_locked(int step, ProgressView::End how, std::string_view why) REQUIRES(mutex_);
  double seconds_locked(int step) const REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::unique_ptr<ProgressView> view_ GUARDED_BY(mutex_);  // none: quiet
  int next_ GUARDED_BY(mutex_) = 1;
  std::map<int, Running> running_ GUARDED_BY(mutex_);
};

}  // namespace acetate::build
