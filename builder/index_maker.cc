#include "builder/index_maker.h"

#include <system_error>
#include <utility>

#include "base/log.h"

namespace acetate::build {

void IndexMaker::add(LayerSpec layer) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(layer));
  changed_.notify_one();
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    // As many processes as there may be: it is made at the end.
  }
}

IndexMaker::~IndexMaker() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  else run();
}

void IndexMaker::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_over_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const LayerSpec layer = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    if (const auto made = layers_.make_index(layer); !made) log::info("no index is made of {}: {}", layer.path, made.error().message());
  }
}

}  // namespace acetate::build
