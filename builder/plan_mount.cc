// RUN --mount planned: options understood, targets absolute, ids filled in.

#include <algorithm>

#include "base/rel_path.h"
#include "builder/plan_mount.h"
#include "builder/stage_planner.h"

namespace acetate::build {

namespace {

using Type = dockerfile::Mount::Type;

std::string last_name(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace

void fill_in(dockerfile::Mount& mount) {
  if (mount.type == Type::cache && mount.id.empty()) mount.id = mount.target;
  if (mount.type == Type::secret) {
    if (mount.id.empty()) mount.id = mount.source.empty() ? last_name(mount.target) : mount.source;
    if (mount.target.empty() && !mount.env) mount.target = "/run/secrets/" + last_name(mount.id);
    if (mount.env && mount.env->empty()) mount.env = mount.id;
  }
  if (mount.type == Type::ssh && mount.id.empty()) mount.id = "default";
}

Result<std::vector<RunStep::Mount>> StagePlanner::plan_mounts(const std::vector<std::string>& written) {
  std::vector<RunStep::Mount> mounts;
  std::size_t agents = 0;
  const dockerfile::ExpandValue expand_value = [this](std::string_view value) {
    return dockerfile::expand(value, args_.lookup(config_.env), {.escape = escape_});
  };
  for (const std::string& text : written) {
    auto parsed = dockerfile::parse_mount(text, expand_value);
    if (!parsed) return complain(text, parsed.error().message());
    RunStep::Mount mount{.is = *std::move(parsed)};
    dockerfile::Mount& is = mount.is;
    if (!is.target.empty()) is.target = TRY(absolute(is.target, text));
    fill_in(is);
    if (const auto space = args_.given("BUILDKIT_CACHE_MOUNT_NS"); space && !space->empty() && is.type == Type::cache) is.id = *space + "/" + is.id;
    if (is.type == Type::ssh && is.target.empty()) is.target = fmt::format("/run/buildkit/ssh_agent.{}", agents++);
    if (is.target == "/") return complain(text, "invalid mount target \"/\"");
    if (!is.from.empty() && (is.type == Type::bind || is.type == Type::cache)) mount.from = origin(is.from);
    if (mount.from && mount.from->kind == Origin::Kind::image && is_stage_to_come(file_, is.from, stage_))
      return complain(text, fmt::format("cannot mount from stage \"{}\" to \"{}\", stage needs to be defined before current command", is.from, is.target));
    for (const RunStep::Mount& other : mounts)
      if (!is.target.empty() && other.is.target == is.target)
        return complain(text, fmt::format("two mounts of one step cannot have the same target {}", is.target));
    mounts.push_back(std::move(mount));
  }
  // As BuildKit has them: by where they lie, one above what is in it whoever was written first; then secrets and agents as they were written.
  const auto is_file = [](const RunStep::Mount& mount) { return mount.is.type == Type::secret || mount.is.type == Type::ssh; };
  std::ranges::stable_sort(mounts, [&](const RunStep::Mount& a, const RunStep::Mount& b) {
    return is_file(a) != is_file(b) ? is_file(b) : !is_file(a) && a.is.target < b.is.target;
  });
  return mounts;
}

Origin StagePlanner::origin(std::string_view name) const { return resolve_from(file_, name, stage_, options_.contexts); }

}  // namespace acetate::build
