// Undo: what has to be undone on every early return, and not once the thing is published.
#pragma once

#include <utility>

namespace acetate {

// Undo undo{[&] { … }}; …; undo.release();
template <class F>
class [[nodiscard]] Undo {
 public:
  explicit Undo(F action) : action_(std::move(action)) {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (armed_) action_();
  }
  void release() noexcept { armed_ = false; }

 private:
  F action_;
  bool armed_ = true;
};

}  // namespace acetate
