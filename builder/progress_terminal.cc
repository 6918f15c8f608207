#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <ostream>
#include <thread>

#include "builder/progress_view.h"

namespace acetate::build {

namespace {

using Clock = std::chrono::steady_clock;

// What fits in so many columns, without what would move the cursor; a UTF-8 character counts as one column.
std::string fitting(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '\x1b') {  // a sequence up to its final letter
      while (at + 1 < text.size() && !std::isalpha(static_cast<unsigned char>(text[at]))) ++at;
      continue;
    }
    if (c < ' ' && c != '\t') continue;
    if ((c & 0xc0) != 0x80 && ++used > columns) break;
    out += c == '\t' ? ' ' : text[at];
  }
  return out;
}

class TerminalProgress : public ProgressView {
 public:
  TerminalProgress(std::ostream& out, unsigned columns) : out_(out), columns_(columns < 20 ? 80 : columns), began_(Clock::now()) {
    ticker_ = std::thread([this] { tick(); });
  }
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;
  ~TerminalProgress() override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_.notify_all();
    ticker_.join();
    erase();
    out_ << std::flush;
  }

  void begin(int step, std::string_view title) override {
    const std::lock_guard lock(mutex_);
    running_[step] = {.title = std::string(title), .last = {}, .began = Clock::now()};
    ++begun_;
    draw();
  }
  void line(int step, double, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    if (!text.empty()) running_[step].last = text;
  }
  void note(int step, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    keep(fmt::format("    {}", text));
    running_[step].last = text;
  }
  void end(int step, End how, double seconds, std::string_view why) override {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(step);
    if (found == running_.end()) return;
    const std::string& title = found->second.title;
    if (how == End::cached) keep(fmt::format(" \x1b[32mcached\x1b[0m {}", fitting(title, columns_ - 9)));
    if (how == End::done) keep(fmt::format(" {:>5.1f}s {}", seconds, fitting(title, columns_ - 9)));
    if (how == End::failed) keep(fmt::format(" \x1b[31mfailed\x1b[0m {}: {}", title, why));
    running_.erase(found);
    ++ended_;
    draw();
  }
  void warn(const Warned& warned) override {
    const std::lock_guard lock(mutex_);
    keep(fmt::format("\x1b[33mwarning\x1b[0m {}", warned.text));
    draw();
  }

 private:
  struct Running {
    std::string title, last;
    Clock::time_point began;
  };

  void tick() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::milliseconds(100), [this] { return over_; }))
      if (!running_.empty()) draw();
  }

  // Takes away what stands below the finished steps.
  void erase() {
    if (drawn_ > 0) out_ << fmt::format("\x1b[{}A\x1b[J", drawn_);
    drawn_ = 0;
  }
  void keep(const std::string& text) {
    erase();
    out_ << text << '\n';
  }
  void draw() {
    erase();
    const auto seconds = [](Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); };
    constexpr unsigned kBar = 24;
    const unsigned full = begun_ == 0 ? 0 : kBar * ended_ / begun_;
    const std::string bar = std::string(full, '=') + (full < kBar ? ">" : "") + std::string(full < kBar ? kBar - full - 1 : 0, ' ');
    print(fmt::format("[{}] {} of {} steps, {:.1f}s", bar, ended_, begun_, seconds(began_)));
    for (const auto& [step, running] : running_) {
      print(fmt::format(" {:>5.1f}s {}", seconds(running.began), running.title));
      if (!running.last.empty()) print("        " + running.last);
    }
    out_ << std::flush;
  }
  void print(std::string_view text) {
    out_ << fitting(text, columns_ - 1) << '\n';
    ++drawn_;
  }

  std::ostream& out_;
  const std::size_t columns_;
  const Clock::time_point began_;
  std::mutex mutex_;  // between the ticker and the others
  std::condition_variable wake_;
  bool over_ = false;
  std::map<int, Running> running_;
  unsigned begun_ = 0, ended_ = 0, drawn_ = 0;
  std::thread ticker_;
};

}  // namespace

std::unique_ptr<ProgressView> make_terminal_progress(std::ostream& out, unsigned columns) {
  return std::make_unique<TerminalProgress>(out, columns);
}

}  // namespace acetate::build
