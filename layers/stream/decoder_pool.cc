#include "layers/stream/decoder_pool.h"

#include <algorithm>
#include <utility>

namespace acetate {

DecoderPool::Lease DecoderPool::take(std::size_t start, std::size_t span) {
  Lock lock(mutex_);
  for (;;) {
    auto decoder = take_idle_locked(start, span);
    // With a start of its own a span is sooner decoded from there, beside the others.
    if (decoder == nullptr && start != span && is_coming_locked(start, span)) {
      ended_.wait(mutex_);
      continue;
    }
    leased_.push_back(span);
    return {*this, span, std::move(decoder)};
  }
}

// Of those that can get there without passing a start, the one that stands nearest.
std::unique_ptr<Decoder> DecoderPool::take_idle_locked(std::size_t start, std::size_t span) {
  auto best = idle_.end();
  for (auto it = idle_.begin(); it != idle_.end(); ++it) {
    if (it->next_span < start || it->next_span > span) continue;
    if (best == idle_.end() || it->next_span >= best->next_span) best = it;
  }
  if (best == idle_.end()) return nullptr;
  auto decoder = std::move(best->decoder);
  idle_.erase(best);
  return decoder;
}

bool DecoderPool::is_coming_locked(std::size_t start, std::size_t span) const {
  return std::ranges::any_of(leased_, [&](std::size_t busy) { return busy >= start && busy < span; });
}

void DecoderPool::end(std::size_t span, std::unique_ptr<Decoder> decoder) {
  Idle dropped{};  // freed without the lock
  Lock lock(mutex_);
  leased_.erase(std::ranges::find(leased_, span));
  if (decoder != nullptr) idle_.push_back({span + 1, std::move(decoder)});
  if (idle_.size() > most_idle_) {
    dropped = std::move(idle_.front());
    idle_.erase(idle_.begin());
  }
  ended_.notify_all();
}

}  // namespace acetate
