// How far the blobs of a pull or push are: a bar for each on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "cli/app.h"
#include "layers/registry/transfer.h"

namespace acetate::cli {

// Is told everything under the lock of whoever transfers (transfer.h), so needs none of its own.
class TransferDisplay {
 public:
  enum class Style { bars, lines, silent };
  TransferDisplay(std::ostream& out, Style style) : out_(out), style_(style) {}
  // On streams.err, as it can be there.
  TransferDisplay(const Streams& streams, bool quiet)
      : TransferDisplay(streams.err, quiet ? Style::silent : streams.tty ? Style::bars : Style::lines) {}

  registry::TransferEvents events();
  // The last state of every bar, before anything else is written.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  struct Row {
    image::Descriptor blob;
    registry::TransferState state;
    std::uint64_t done = 0;
    Clock::time_point begun;
  };
  void tell(const image::Descriptor& blob, registry::TransferState state, std::uint64_t done);
  void draw();

  std::ostream& out_;
  const Style style_;
  std::vector<Row> rows_;
  std::size_t drawn_ = 0;  // rows that are on the screen
  Clock::time_point last_drawn_;
};

// "Copying blob 5843afab3874 [=====>     ] 12.3MB / 45.0MB 8.1MB/s"; without the bar when done. Pure.
std::string transfer_row(const image::Descriptor& blob, registry::TransferState state, std::uint64_t done,
                         double seconds);
// "45.2MB", in powers of 1000 as docker counts. Pure.
std::string short_size(double bytes);

}  // namespace acetate::cli
