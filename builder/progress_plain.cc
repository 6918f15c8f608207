#include <fmt/format.h>

#include <ostream>

#include "builder/progress_view.h"

namespace acetate::build {

namespace {

class PlainProgress : public ProgressView {
 public:
  explicit PlainProgress(std::ostream& out) : out_(out) {}
  void begin(int step, std::string_view title) override { say(step, title); }
  void line(int step, double seconds, std::string_view text) override { say(step, fmt::format("{:.3f} {}", seconds, text)); }
  void note(int step, std::string_view text) override { say(step, text); }
  void end(int step, End how, double seconds, std::string_view why) override {
    if (how == End::cached) say(step, "CACHED");
    if (how == End::done) say(step, fmt::format("DONE {:.1f}s", seconds));
    if (how == End::failed) say(step, fmt::format("ERROR: {}", why));
  }
  void warn(const Warned& warned) override { out_ << "WARNING: " << warned.text << '\n' << std::flush; }

 private:
  void say(int step, std::string_view text) { out_ << '#' << step << ' ' << text << '\n' << std::flush; }
  std::ostream& out_;
};

}  // namespace

std::unique_ptr<ProgressView> make_plain_progress(std::ostream& out) { return std::make_unique<PlainProgress>(out); }

}  // namespace acetate::build
