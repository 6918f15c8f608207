#include "layers/stream/digester.h"

#include <system_error>
#include <utility>

namespace acetate {

namespace {
// How far the decoding thread may run ahead.
constexpr std::size_t kMaxQueuedBytes = std::size_t{8} << 20;
constexpr std::size_t kMaxSpareBuffers = 32;
}  // namespace

Digester::Digester(Digest::Algorithm packed, Digest::Algorithm plain) : packed_(packed), plain_(plain) {
  try {
    worker_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {
    // No thread to be had (a limit): submit() then hashes itself.
  }
}

Digester::~Digester() { stop(); }

void Digester::packed(std::span<const std::byte> bytes) { submit(What::packed, bytes); }
void Digester::plain(std::span<const std::byte> bytes) { submit(What::plain, bytes); }
void Digester::end_span() { submit(What::end_span, {}); }

Digester::Digests Digester::finish() {
  stop();
  return {packed_.finish(), plain_.finish(), std::move(spans_)};
}

void Digester::submit(What what, std::span<const std::byte> bytes) {
  if (!worker_.joinable()) return hash(what, bytes);
  std::vector<std::byte> buffer;
  {
    Lock lock(mutex_);
    while (queued_bytes_ > kMaxQueuedBytes) changed_.wait(mutex_);
    if (!spare_.empty()) {
      buffer = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  buffer.assign(bytes.begin(), bytes.end());
  Lock lock(mutex_);
  queued_bytes_ += buffer.size();
  jobs_.push_back({what, std::move(buffer)});
  if (jobs_.size() == 1) changed_.notify_all();  // else the worker is awake
}

void Digester::work() {
  for (;;) {
    Job job;
    {
      Lock lock(mutex_);
      while (jobs_.empty() && !stopping_) changed_.wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    hash(job.what, job.bytes);
    Lock lock(mutex_);
    const bool was_full = queued_bytes_ > kMaxQueuedBytes;
    queued_bytes_ -= job.bytes.size();
    if (was_full) changed_.notify_all();
    if (spare_.size() < kMaxSpareBuffers) spare_.push_back(std::move(job.bytes));
  }
}

void Digester::hash(What what, std::span<const std::byte> bytes) {
  switch (what) {
    case What::packed: packed_.update(bytes); break;
    case What::plain:
      plain_.update(bytes);
      span_.update(bytes);
      break;
    case What::end_span: spans_.push_back(std::exchange(span_, Sha256()).finish()); break;
  }
}

void Digester::stop() {
  if (!worker_.joinable()) return;
  {
    Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  worker_.join();
}

}  // namespace acetate
