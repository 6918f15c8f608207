#include <utility>

#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

namespace {

constexpr std::pair<Hook::Stage, const char*> kStages[] = {
    {Hook::Stage::prestart, "prestart"},
    {Hook::Stage::create_runtime, "createRuntime"},
    {Hook::Stage::create_container, "createContainer"},
    {Hook::Stage::start_container, "startContainer"},
    {Hook::Stage::poststart, "poststart"},
    {Hook::Stage::poststop, "poststop"},
};

}  // namespace

const char* name_of(Hook::Stage stage) noexcept { return kStages[static_cast<std::size_t>(stage)].second; }

std::optional<Hook::Stage> parse_hook_stage(std::string_view name) noexcept {
  for (const auto& [stage, known] : kStages)
    if (name == known) return stage;
  return std::nullopt;
}

}  // namespace acetate::sandbox
