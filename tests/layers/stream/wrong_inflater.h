// A fast inflater that gets one byte wrong and does not notice.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "layers/stream/inflater.h"

namespace acetate::test {

// As long as one lives.
class WrongInflater {
 public:
  WrongInflater() {
    set_fast_inflater([]() -> Result<std::unique_ptr<Inflater>> { return std::unique_ptr<Inflater>(std::make_unique<Wrong>(TRY(zlib_inflater()))); });
  }
  ~WrongInflater() { set_fast_inflater(nullptr); }
  WrongInflater(const WrongInflater&) = delete;
  WrongInflater& operator=(const WrongInflater&) = delete;

 private:
  class Wrong final : public Inflater {
   public:
    explicit Wrong(std::unique_ptr<Inflater> right) : right_(std::move(right)) {}
    Result<void> begin() override { return right_->begin(); }
    Result<void> resume(unsigned bits, std::byte byte, std::span<const std::byte> window) override { return right_->resume(bits, byte, window); }
    Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool stop_at_blocks) override {
      const Step step = TRY(right_->step(in, out, stop_at_blocks));
      if (step.produced > 0) out[0] ^= std::byte{1};
      return step;
    }

   private:
    std::unique_ptr<Inflater> right_;
  };
};

}  // namespace acetate::test
