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
  if (sessions_.size() >= kMost) return fail(EBUSY, "{} uploads are under way already", sessions_.size());
  auto id = fresh_id();
  sessions_[id] = std::move(session);
  return id;
}

std::shared_ptr<UploadSession> Uploads::find(const std::string& repository, const std::string& id) {
  const Lock lock(mutex_);
  const auto at = sessions_.find(id);
  return at == sessions_.end() || at->second->repository != repository ? nullptr : at->second;
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
