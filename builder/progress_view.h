// How the progress of a build is shown: one class for each way. Private to progress*.cc.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>

#include "builder/dockerfile/source_text.h"

namespace acetate::build {

// What had better not be so. Where it is about lines of a file, those, and what there is to read about it.
struct Warned {
  std::string text;
  std::string detail = {};  // what the rule behind it is
  std::string url = {};
  std::string file = {}, source = {};  // the name and the text of the file
  dockerfile::Place place = {};        // 0: none
};

// Told of everything, by one thread at a time. `seconds` are since the step began.
class ProgressView {
 public:
  enum class End { cached, done, failed };
  virtual ~ProgressView() = default;
  virtual void begin(int step, std::string_view title) = 0;
  virtual void line(int step, double seconds, std::string_view text) = 0;  // that the step wrote
  virtual void note(int step, std::string_view text) = 0;
  virtual void end(int step, End how, double seconds, std::string_view why) = 0;
  virtual void warn(const Warned& warned) = 0;
};

std::unique_ptr<ProgressView> make_plain_progress(std::ostream& out);
// One JSON object a line, as buildx writes them with --progress=rawjson.
std::unique_ptr<ProgressView> make_json_progress(std::ostream& out);
// Finished steps scroll up; below them stands what is being done, with the last line that each step wrote, drawn again ten
// times a second. `columns`: how wide the terminal is.
std::unique_ptr<ProgressView> make_terminal_progress(std::ostream& out, unsigned columns);

}  // namespace acetate::build
