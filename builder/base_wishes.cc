#include "builder/base_wishes.h"

namespace acetate::build {

void adapt_base(image::Config& config, const BaseWishes& wishes, bool of_stage) {
  if (!wishes.inherit_labels) config.labels.clear();
  for (const std::string& name : wishes.unset_labels) config.labels.erase(name);
  if (of_stage) return;
  for (const auto& [name, value] : wishes.env) set_env(config.env, name, value);
}

}  // namespace acetate::build
