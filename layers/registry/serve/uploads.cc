#include "layers/registry/serve/uploads.h"

#include <random>

namespace acetate::registry {

namespace {

std::string fresh_id() {
  std::random_device random;  // getrandom(2)
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", random());
  return id;
}

}  // namespace

Result<std::string> Uploads::begin(const std::string& repository, std::unique_ptr<image::BlobWriter> writer) {
  auto session = std::make_shared<UploadSession>();
  session->repository = repository;
  {
    const Lock lock(session->mutex);
    session->writer = std::move(writer);
  }
  const Lock lock(mutex_);
  if (sessions_.size() >= most_) {
    const auto idle = longest_idle(std::chrono::steady_clock::now() - rests_);
    if (idle == sessions_.end()) return fail(EBUSY, "{} uploads are under way already", sessions_.size());
    sessions_.erase(idle);
  }
  auto id = fresh_id();
  sessions_[id] = std::move(session);
  return id;
}

std::shared_ptr<UploadSession> Uploads::find(const std::string& repository, const std::string& id) {
  const Lock lock(mutex_);
  const auto at = sessions_.find(id);
  return at == sessions_.end() || at->second->repository != repository ? nullptr : at->second;
}

Uploads::Sessions::iterator Uploads::longest_idle(std::chrono::steady_clock::time_point since) {
  auto found = sessions_.end();
  for (auto each = sessions_.begin(); each != sessions_.end(); ++each) {
    if (each->second.use_count() > 1) continue;  // a request is at it
    const Lock inner(each->second->mutex);
    if (each->second->touched > since) continue;
    since = each->second->touched;
    found = each;
  }
  return found;
}

void Uploads::end(const std::string& id) {
  const Lock lock(mutex_);
  sessions_.erase(id);
}

void Uploads::drop_idle() {
  const auto since = std::chrono::steady_clock::now() - kIdle;
  const Lock lock(mutex_);
  std::erase_if(sessions_, [&](const auto& entry) {
    UploadSession& session = *entry.second;
    if (entry.second.use_count() > 1) return false;  // a request is at it
    const Lock inner(session.mutex);
    return session.touched < since;
  });
}

}  // namespace acetate::registry
