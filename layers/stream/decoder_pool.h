// DecoderPool: the live decoders of one source, each standing where a span ends and the next begins.
//
// A sequential reader finds the decoder it left and goes on; a stream is then never started twice. Decoders in
// use are known too: who needs a span that cannot be started at waits for one on its way there.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "layers/stream/decoder.h"

namespace acetate {

// Thread-safe.
class DecoderPool {
 public:
  explicit DecoderPool(std::size_t most_idle) : most_idle_(most_idle) {}

  // One reader's right to decode up to the end of a span. Its destructor frees the decoder, unless put back.
  struct Lease {
    Lease(DecoderPool& in, std::size_t to, std::unique_ptr<Decoder> with)
        : decoder(std::move(with)), pool(&in), span(to) {}
    Lease(Lease&& other) noexcept
        : decoder(std::move(other.decoder)), pool(std::exchange(other.pool, nullptr)), span(other.span) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool != nullptr) pool->end(span, nullptr);
    }
    // The decoder stands at the end of the span: for whoever reads on there.
    void put_back() && { std::exchange(pool, nullptr)->end(span, std::move(decoder)); }

    std::unique_ptr<Decoder> decoder;
    DecoderPool* pool;
    std::size_t span;
  };

  // A lease for `span`, the nearest start before which is span `start` (may be the same). Its decoder stands at
  // the beginning of one of the spans from `start` to `span`; null: none does, and the caller makes one at
  // `start`.
  Lease take(std::size_t start, std::size_t span);

 private:
  struct Idle {
    std::size_t next_span;
    std::unique_ptr<Decoder> decoder;
  };
  void end(std::size_t span, std::unique_ptr<Decoder> decoder);
  std::unique_ptr<Decoder> take_idle_locked(std::size_t start, std::size_t span) REQUIRES(mutex_);
  bool is_coming_locked(std::size_t start, std::size_t span) const REQUIRES(mutex_);

  const std::size_t most_idle_;
  Mutex mutex_;
  std::condition_variable_any ended_;
  std::vector<Idle> idle_ GUARDED_BY(mutex_);         // the one used last is at the back
  std::vector<std::size_t> leased_ GUARDED_BY(mutex_);  // the spans being decoded
};

}  // namespace acetate
