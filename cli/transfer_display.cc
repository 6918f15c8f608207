#include "cli/transfer_display.h"

#include <algorithm>
#include <array>
#include <ostream>

namespace acetate::cli {

namespace {

using registry::TransferState;

constexpr std::size_t kBar = 20;
constexpr std::chrono::milliseconds kBetweenDrawings{100};

const char* words_for(TransferState state) {
  switch (state) {
    case TransferState::present:
      return "skipped: already exists";
    case TransferState::mounted:
      return "mounted from another repository";
    case TransferState::done:
      return "done";
    case TransferState::moving:
      break;
  }
  return "";
}

}  // namespace

std::string short_size(double bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}B", bytes) : fmt::format("{:.1f}{}", bytes, kUnits[unit]);
}

std::string transfer_row(const image::Descriptor& blob, TransferState state, std::uint64_t done,
                         double seconds) {
  const auto name = fmt::format("Copying blob {}", blob.digest.hex().substr(0, 12));
  if (state != TransferState::moving) return fmt::format("{} {}", name, words_for(state));
  const auto full = blob.size == 0 ? 0 : static_cast<std::size_t>(done * kBar / blob.size);
  std::string bar(std::min(full, kBar), '=');
  if (bar.size() < kBar) bar += '>';
  bar.resize(kBar, ' ');
  const auto rate = seconds > 0 ? short_size(static_cast<double>(done) / seconds) + "/s" : "";
  return fmt::format("{} [{}] {} / {} {}", name, bar, short_size(static_cast<double>(done)),
                     short_size(static_cast<double>(blob.size)), rate);
}

registry::TransferEvents TransferDisplay::events() {
  return [this](const auto& blob, auto state, auto done) { tell(blob, state, done); };
}

void TransferDisplay::tell(const image::Descriptor& blob, TransferState state, std::uint64_t done) {
  if (style_ == Style::silent) return;
  const auto now = Clock::now();
  auto row = std::ranges::find(rows_, blob.digest, [](const Row& each) { return each.blob.digest; });
  const bool fresh = row == rows_.end();
  if (fresh) row = rows_.insert(rows_.end(), {.blob = blob, .state = state, .done = done, .begun = now});
  const bool changed = fresh || row->state != state;
  row->state = state;
  row->done = done;
  if (style_ == Style::lines) {
    if (changed && state == TransferState::moving)
      out_ << fmt::format("Copying blob {} ({})\n", blob.digest.hex().substr(0, 12),
                          short_size(static_cast<double>(blob.size)));
    else if (changed)
      out_ << transfer_row(blob, state, done, 0) << '\n';
    if (changed) out_.flush();
  } else if (changed || now - last_drawn_ >= kBetweenDrawings) {
    draw();
  }
}

void TransferDisplay::draw() {
  last_drawn_ = Clock::now();
  std::string text;
  if (drawn_ != 0) text += fmt::format("\x1b[{}A", drawn_);  // up to where the first bar is
  for (const auto& row : rows_) {
    const std::chrono::duration<double> seconds = last_drawn_ - row.begun;
    text += fmt::format("\r\x1b[K{}\n", transfer_row(row.blob, row.state, row.done, seconds.count()));
  }
  drawn_ = rows_.size();
  out_ << text << std::flush;
}

void TransferDisplay::finish() {
  if (style_ == Style::bars) draw();
  rows_.clear();
  drawn_ = 0;
}

}  // namespace acetate::cli
