// Which ids a holder can have here: found by looking, and then by making one that does nothing.
#include <pwd.h>
#include <unistd.h>

#include <cstdint>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "builder/sandbox/any_holder.h"

namespace acetate::sandbox {

namespace {

// What an image needs: nobody is 65534.
constexpr std::uint64_t kEnoughIds = 65536;

std::uint64_t count(const std::vector<sys::IdRange>& ranges) {
  std::uint64_t total = 0;
  for (const auto& range : ranges) total += range.count;
  return total;
}

std::string own_name() {
  const struct passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_name : fmt::format("user {}", ::getuid());
}

// Makes such a holder and lets it go. Without a pid namespace where only that is refused.
Result<HolderPlan> really_try(HolderPlan plan) {
  auto nothing = [] { return 0; };
  plan.own_pids = true;
  auto tried = run_in_holder(plan, nothing);
  if (tried) return plan;
  plan.own_pids = false;
  if (run_in_holder(plan, nothing)) {
    plan.why += fmt::format("; no pid namespace: {}", tried.error().message());
    return plan;
  }
  return std::move(tried).error();
}

// Why there is no range for us in a file, or nothing when there is one.
std::string missing_range(const char* path, const Result<std::vector<sys::IdRange>>& ranges) {
  if (!ranges) return ranges.error().message();
  if (!ranges->empty()) return {};
  const auto text = sys::read_file(path, 16 << 20);
  if (!text) return fmt::format("there is no {}", path);
  for (const std::string& owner : {own_name() + ":", fmt::format("{}:", ::getuid())})
    if (text->starts_with(owner) || text->find("\n" + owner) != std::string::npos)
      return fmt::format("the entry for {} in {} is malformed (it should read {}100000:65536)", own_name(), path, owner);
  return fmt::format("no entry for {} in {} (as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {})",
                     own_name(), path, own_name());
}

// Appends the subordinate ranges to 0 -> us.
std::vector<sys::IdRange> with_us(std::uint32_t id, const std::vector<sys::IdRange>& ranges) {
  std::vector<sys::IdRange> map{{0, id, 1}};
  map.insert(map.end(), ranges.begin(), ranges.end());
  return map;
}

// A plan with a subordinate range, or words why there is none. Only looks.
Result<HolderPlan> look_for_range() {
  const auto uids = sys::subordinate_uids();
  if (std::string why = missing_range("/etc/subuid", uids); !why.empty()) return fail(ENOENT, "{}", why);
  const auto gids = sys::subordinate_gids();
  if (std::string why = missing_range("/etc/subgid", gids); !why.empty()) return fail(ENOENT, "{}", why);
  for (const char* helper : {"newuidmap", "newgidmap"})
    if (!sys::find_program(helper))
      return fail(ENOENT, "{} is not installed (apt install uidmap; dnf install shadow-utils)", helper);
  return HolderPlan{.mode = IdMode::range,
                    .uids = with_us(::geteuid(), *uids),
                    .gids = with_us(::getegid(), *gids),
                    .why = fmt::format("{} has {} subordinate user ids and {} group ids", own_name(), count(*uids), count(*gids))};
}

// As root with enough ids; words why not otherwise. Only looks.
Result<HolderPlan> look_for_ids() {
  if (::geteuid() != 0) return Error(EPERM, std::string());  // nothing to say: hardly anybody is
  const std::uint64_t ids = std::min(count(TRY(sys::current_uid_map())), count(TRY(sys::current_gid_map())));
  if (ids < kEnoughIds) return fail(EPERM, "in a user namespace with only {} ids; ", ids);
  const bool all = ids >= UINT32_MAX;
  return HolderPlan{.mode = IdMode::none,
                    .why = all ? std::string("running as root") : fmt::format("already in a user namespace with {} ids", ids)};
}

HolderPlan single_plan(std::string why) {
  return {.mode = IdMode::single, .uids = {{0, ::geteuid(), 1}}, .gids = {{0, ::getegid(), 1}}, .why = std::move(why)};
}

}  // namespace

HolderPlan plan_without(const Error& why) {
  return {.mode = ::geteuid() == 0 ? IdMode::none : IdMode::single, .own_pids = false, .why = why.message()};
}

HolderPlan likely_plan() {
  auto ids = look_for_ids();
  if (ids) return *std::move(ids);
  auto range = look_for_range();
  if (range) return *std::move(range);
  return single_plan(ids.error().message() + range.error().message());
}

Result<HolderPlan> plan_holder() {
  std::string why;
  if (auto ids = look_for_ids()) {
    auto plan = really_try(*std::move(ids));
    if (plan) return plan;
    why = fmt::format("root may not mount here ({}); ", plan.error().message());
  } else {
    why = ids.error().message();
  }
  auto range = look_for_range();
  if (range) range = really_try(*std::move(range));
  if (range) return range;
  return really_try(single_plan(why + range.error().message()));
}

}  // namespace acetate::sandbox
