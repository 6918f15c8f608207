#include "builder/sandbox/id_maps.h"

#include <fmt/format.h>

#include <algorithm>

namespace acetate::sandbox {

std::vector<sys::IdRange> keep_id_map(std::uint32_t id, std::uint32_t count) {
  std::vector<sys::IdRange> map;
  const std::uint32_t others = count - 1;  // all but the caller
  const std::uint32_t before = std::min(id, others);
  if (before > 0) map.push_back({0, 1, before});
  map.push_back({id, 0, 1});
  if (others > before) map.push_back({before + 1, before + 1, others - before});
  return map;
}

std::vector<sys::IdRange> within_lines(const std::vector<sys::IdRange>& map, const std::vector<sys::IdRange>& ours) {
  std::vector<sys::IdRange> split;
  for (sys::IdRange rest : map)
    while (rest.count > 0) {
      std::uint32_t count = rest.count;  // of an id that we do not have the kernel says so
      for (const auto& line : ours)
        if (rest.outside >= line.inside && rest.outside - line.inside < line.count) count = std::min(count, line.count - (rest.outside - line.inside));
      split.push_back({rest.inside, rest.outside, count});
      rest = {rest.inside + count, rest.outside + count, rest.count - count};
    }
  return split;
}

KeepIdMaps keep_id_maps(uid_t uid, gid_t gid, const std::vector<sys::IdRange>& uids, const std::vector<sys::IdRange>& gids) {
  const auto count = [](const std::vector<sys::IdRange>& map) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(count_ids(map), UINT32_MAX)); };
  return {.uids = within_lines(keep_id_map(uid, count(uids)), uids), .gids = within_lines(keep_id_map(gid, count(gids)), gids)};
}

Result<KeepIdMaps> keep_id_maps(uid_t uid, gid_t gid) { return keep_id_maps(uid, gid, TRY(sys::current_uid_map()), TRY(sys::current_gid_map())); }

std::string mapping_option(const std::vector<sys::IdRange>& map) {
  std::string text;
  for (const auto& range : map) {
    if (!text.empty()) text += ':';
    text += fmt::format("{}:{}:{}", range.inside, range.outside, range.count);
  }
  return text;
}

std::vector<sys::IdRange> onto_themselves(std::vector<sys::IdRange> map) {
  for (auto& range : map) range.outside = range.inside;
  return map;
}

std::uint64_t count_ids(const std::vector<sys::IdRange>& map) {
  std::uint64_t total = 0;
  for (const auto& range : map) total += range.count;
  return total;
}

}  // namespace acetate::sandbox
