#include "builder/progress.h"

#include <algorithm>

namespace acetate::build {

namespace {
constexpr std::size_t kTailBytes = 4 << 10;
constexpr std::size_t kLongestLine = 64 << 10;  // a line without an end is shown in pieces
}  // namespace

Progress::Progress(std::ostream& out, Mode mode, unsigned columns) {
  if (mode == Mode::plain) view_ = make_plain_progress(out);
  if (mode == Mode::json) view_ = make_json_progress(out);
  if (mode == Mode::terminal) view_ = make_terminal_progress(out, columns);
}

double Progress::seconds_locked(int step) const {
  const auto running = running_.find(step);
  if (running == running_.end()) return 0;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - running->second.began).count();
}

int Progress::begin(std::string_view title) {
  const Lock lock(mutex_);
  const int step = next_++;
  running_[step] = {.began = std::chrono::steady_clock::now()};
  if (view_) view_->begin(step, title);
  return step;
}

void Progress::output(int step, std::string_view bytes) {
  const Lock lock(mutex_);
  Running& running = running_[step];
  running.tail += bytes;
  if (running.tail.size() > 2 * kTailBytes) running.tail.erase(0, running.tail.size() - kTailBytes);
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    running.line += bytes.substr(0, end);
    if (end < bytes.size() || running.line.size() > kLongestLine) flush_locked(step);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
}

void Progress::flush_locked(int step) {
  Running& running = running_[step];
  if (running.line.ends_with('\r')) running.line.pop_back();
  if (view_) view_->line(step, seconds_locked(step), running.line);
  running.line.clear();
}

void Progress::end_locked(int step, ProgressView::End how, std::string_view why) {
  if (!running_[step].line.empty()) flush_locked(step);
  if (view_) view_->end(step, how, seconds_locked(step), why);
}

void Progress::note(int step, std::string_view text) {
  const Lock lock(mutex_);
  if (view_) view_->note(step, text);
}

void Progress::cached(int step) {
  const Lock lock(mutex_);
  end_locked(step, ProgressView::End::cached, "");
}

void Progress::done(int step) {
  const Lock lock(mutex_);
  end_locked(step, ProgressView::End::done, "");
}

void Progress::failed(int step, std::string_view why) {
  const Lock lock(mutex_);
  end_locked(step, ProgressView::End::failed, why);
}

void Progress::warn(const Warned& warned) {
  const Lock lock(mutex_);
  if (view_) view_->warn(warned);
}

std::string Progress::tail(int step) const {
  const Lock lock(mutex_);
  const auto running = running_.find(step);
  if (running == running_.end()) return {};
  std::string_view tail = running->second.tail;
  if (tail.size() > kTailBytes) tail.remove_prefix(tail.size() - kTailBytes);
  // Twenty lines are what a person reads.
  std::size_t begin = tail.size();
  for (int lines = 0; begin > 0 && lines <= 20; --begin)
    if (tail[begin - 1] == '\n' && begin != tail.size() && ++lines > 20) break;
  return std::string(tail.substr(begin));
}

}  // namespace acetate::build
