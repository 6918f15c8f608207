// acetate history: how an image came about, newest step first.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <ostream>

#include "builder/clock.h"
#include "cli/human.h"
#include "cli/image_commands.h"
#include "cli/image_name.h"
#include "cli/image_summary.h"
#include "cli/rows.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortId = 12;
constexpr std::size_t kShortCommand = 45;

std::string shortened(std::string text, std::size_t length) {
  std::ranges::replace(text, '\n', ' ');
  std::ranges::replace(text, '\t', ' ');
  if (text.size() > length) text = text.substr(0, length - 3) + "...";
  return text;
}

Json row_of(const image::History& step, std::uint64_t size, const std::string& id, const HistoryOptions& options) {
  const auto created = build::parse_time(step.created);
  Json row;
  row["id"] = id;
  row["ID"] = options.no_trunc || id.size() < kShortId ? id : id.find(':') != id.npos ? id.substr(id.find(':') + 1, kShortId) : id;
  row["created"] = step.created;
  row["CreatedAt"] = step.created.empty() ? "N/A" : step.created;
  row["CreatedSince"] =
      created && *created > 0 ? human_duration(std::max<std::time_t>(0, ::time(nullptr) - *created)) + " ago" : "N/A";
  row["CreatedBy"] = options.no_trunc || options.format == "json" ? step.created_by : shortened(step.created_by, kShortCommand);
  if (options.format == "json") row["size"] = size;
  row["Size"] = options.human ? human_size(size) : fmt::format("{}", size);
  row["Comment"] = step.comment;
  row["Author"] = step.author;
  row["emptyLayer"] = step.empty_layer;
  return row;
}

}  // namespace

Result<int> show_history(const HistoryOptions& options, const Context& context) {
  const auto image = TRY(find_image(TRY(find_paths()), options.image, options.platform));
  auto steps = image.config.history;
  // Configs of some tools have no history, and their layers came from somewhere all the same.
  const auto told = std::ranges::count(steps, false, &image::History::empty_layer);
  for (auto missing = static_cast<std::ptrdiff_t>(image.layers.size()) - told; missing > 0; --missing)
    steps.insert(steps.begin(), image::History{});
  const auto known = id_of(image);
  const std::string id = known ? known->str() : "<missing>";
  std::vector<Json> rows;
  std::size_t layer = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool has_layer = !steps[i].empty_layer && layer < image.layers.size();
    const auto size = has_layer ? image.layers[layer++].size : 0;
    rows.push_back(row_of(steps[i], size, i + 1 == steps.size() ? id : "<missing>", options));
  }
  std::ranges::reverse(rows);
  if (options.quiet) {
    for (const auto& row : rows) context.streams.out << row["ID"].get<std::string>() << '\n';
    return 0;
  }
  const std::vector<Column> columns{{"ID", "ID"},     {"CreatedSince", "CREATED"}, {"CreatedBy", "CREATED BY"},
                                    {"Size", "SIZE"}, {"Comment", "COMMENT"}};
  context.streams.out << TRY(format_rows(rows, columns, options.format, !options.no_heading));
  return 0;
}

}  // namespace acetate::cli
