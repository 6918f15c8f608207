#include "fs/look_ahead.h"

#include <algorithm>

namespace acetate::fs {

void LookAhead::tell(Plan& plan, std::size_t up_to, std::vector<Ino>& out) {
  for (const std::size_t end = std::min(up_to, plan.dirs.size()); plan.told < end; ++plan.told) out.push_back(plan.dirs[plan.told]);
}

void LookAhead::remember_locked(const PlanPtr& plan) {
  for (std::size_t i = 0; i < plan->dirs.size(); ++i) places_.insert_or_assign(plan->dirs[i], Place{.plan = plan, .at = i});
  plans_.push_front(plan);
  if (plans_.size() <= kPlans) return;
  for (const Ino dir : plans_.back()->dirs)
    if (const auto place = places_.find(dir); place != places_.end() && place->second.plan == plans_.back()) places_.erase(place);
  plans_.pop_back();
}

std::vector<Ino> LookAhead::next(Ino dir, std::vector<Ino> subdirs) {
  std::vector<Ino> out;
  Lock lock(mutex_);
  const auto place = places_.find(dir);
  const Place here = place != places_.end() ? place->second : Place{};
  if (!subdirs.empty()) {
    const auto plan = std::make_shared<Plan>(Plan{.dirs = std::move(subdirs)});
    tell(*plan, here.plan ? kAhead : kAtFirst, out);
    remember_locked(plan);
  }
  if (here.plan) {
    here.plan->told = std::max(here.plan->told, here.at + 1);  // what was passed over is not wanted
    tell(*here.plan, here.at + 1 + kAhead, out);
  }
  return out;
}

void LookAhead::clear() noexcept {
  Lock lock(mutex_);
  plans_.clear();
  places_.clear();
}

}  // namespace acetate::fs
