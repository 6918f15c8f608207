// acetate images: what is in the store.
#include <fnmatch.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <ostream>

#include "builder/clock.h"
#include "cli/human.h"
#include "cli/image_commands.h"
#include "cli/image_summary.h"
#include "cli/store_place.h"
#include "cli/rows.h"
#include "layers/image/lazy_images.h"
#include "layers/image/names_meant.h"
#include "layers/image/platform.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShortId = 12;

// One line of the list: an image under one of its names.
struct Line {
  const ImageSummary* image;
  std::optional<image::Reference> name;
  std::int64_t created = 0;
};

struct Filter {
  std::string key, value;
};

Result<std::vector<Filter>> parse_filters(const ImagesOptions& options) {
  std::vector<Filter> filters;
  for (const auto& text : options.filters) {
    const auto equals = text.find('=');
    Filter filter{.key = text.substr(0, equals), .value = equals == text.npos ? "" : text.substr(equals + 1)};
    constexpr std::string_view known[] = {"dangling", "reference", "label", "before", "since"};
    if (equals == text.npos || std::ranges::find(known, filter.key) == std::end(known))
      return fail(EINVAL, "--filter knows dangling=true|false, reference=PATTERN, label=KEY[=VALUE], before=IMAGE and "
                          "since=IMAGE; not \"{}\"", text);
    filters.push_back(std::move(filter));
  }
  return filters;
}

// As docker matches: against the whole name and what is typed for it, with or without the tag.
bool matches(const image::Reference& name, const std::string& pattern) {
  for (const auto& text : {name.familiar(), name.familiar_name(), name.str(), name.name()})
    if (::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0) return true;
  return false;
}

Result<bool> passes(const Line& line, const Filter& filter, const image::ImageStore& store) {
  if (filter.key == "dangling") {
    if (filter.value != "true" && filter.value != "false")
      return fail(EINVAL, "--filter dangling wants true or false, not \"{}\"", filter.value);
    return !line.name == (filter.value == "true");
  }
  if (filter.key == "reference") return line.name && matches(*line.name, filter.value);
  if (filter.key == "label") {
    if (!line.image->config) return false;
    const auto equals = filter.value.find('=');
    const auto& labels = line.image->config->labels;
    const auto found = labels.find(filter.value.substr(0, equals));
    return found != labels.end() && (equals == std::string::npos || found->second == filter.value.substr(equals + 1));
  }
  const auto other = summarise(store, TRY(store.find(filter.value)), image::host_platform());
  const auto then = other.config ? build::parse_time(other.config->created).value_or(0) : 0;
  return filter.key == "before" ? line.created < then : line.created > then;
}

bool has_name(const Line& line, const std::vector<image::Reference>& meant, bool said_tag) {
  return line.name && std::ranges::any_of(meant, [&](const auto& name) { return said_tag ? *line.name == name : line.name->name() == name.name(); });
}

Json row_of(const Line& line, const ImagesOptions& options) {
  const auto& image = *line.image;
  const auto id = image.id.hex();
  Json row;
  row["Id"] = id;
  row["ID"] = options.no_trunc ? image.id.str() : id.substr(0, kShortId);
  row["Repository"] = line.name ? line.name->familiar_name() : "<none>";
  row["Tag"] = line.name && !line.name->tag.empty() ? line.name->tag : "<none>";
  row["Digest"] = image.stored.target.digest.str();
  row["RepoTags"] = row["RepoDigests"] = row["Names"] = Json::array();
  for (const auto& name : image.stored.names) {
    row["RepoTags"].push_back(name.familiar());
    row["RepoDigests"].push_back(name.familiar_name() + "@" + image.stored.target.digest.str());
    row["Names"].push_back(name.str());
  }
  row["Created"] = line.created;
  row["CreatedAt"] = image.config && !image.config->created.empty() ? image.config->created : "<unknown>";
  row["CreatedSince"] =
      line.created > 0 ? human_duration(std::max<std::time_t>(0, ::time(nullptr) - line.created)) + " ago" : "N/A";
  // podman's JSON counts bytes, everybody's tables are for people.
  row["Size"] = options.format == "json" ? Json(image.size) : Json(human_size(image.size) + (image.is_lazy ? " (lazy)" : ""));
  row["VirtualSize"] = row["Size"];
  row["Labels"] = Json::object();
  if (image.config)
    for (const auto& [key, value] : image.config->labels) row["Labels"][key] = value;
  row["Platforms"] = Json::array();
  for (const auto& platform : image.platforms) row["Platforms"].push_back(image::format_platform(platform));
  row["ArtifactType"] = image.artifact_type;
  row["ReadOnly"] = image.stored.is_shared;
  row["Lazy"] = image.is_lazy;
  row["Containers"] = "N/A";
  if (!image.problem.empty()) row["Problem"] = image.problem;
  return row;
}

Result<void> sort(std::vector<Line>& lines, const std::string& by) {
  const auto name = [](const Line& line) { return line.name ? line.name->familiar_name() : std::string(); };
  if (by == "created") std::ranges::stable_sort(lines, std::greater<>(), &Line::created);
  else if (by == "id") std::ranges::stable_sort(lines, {}, [](const Line& line) { return line.image->id; });
  else if (by == "repository") std::ranges::stable_sort(lines, {}, name);
  else if (by == "size") std::ranges::stable_sort(lines, {}, [](const Line& line) { return line.image->size; });
  else if (by == "tag") std::ranges::stable_sort(lines, {}, [](const Line& line) { return line.name ? line.name->tag : std::string(); });
  else return fail(EINVAL, "--sort knows created, id, repository, size and tag; not \"{}\"", by);
  return {};
}

std::vector<Column> columns_of(const ImagesOptions& options) {
  std::vector<Column> columns{{"Repository", "REPOSITORY"}, {"Tag", "TAG"}};
  if (options.digests) columns.push_back({"Digest", "DIGEST"});
  columns.insert(columns.end(), {{"ID", "IMAGE ID"}, {"CreatedSince", "CREATED"}, {"Size", "SIZE"}});
  return columns;
}

// Those of the store, and those that are not all here.
Result<std::vector<ImageSummary>> every_image(const image::ImageStore& store) {
  std::vector<ImageSummary> images;
  for (const auto& stored : TRY(store.list())) images.push_back(summarise(store, stored, image::host_platform()));
  const image::LazyImages lazy(store.dir());
  const auto begun = TRY(lazy.list());
  if (begun.empty()) return images;
  const auto files = TRY(lazy.files());
  for (const auto& stored : begun) images.emplace_back(summarise(*files, stored, image::host_platform())).is_lazy = true;
  return images;
}

}  // namespace

Result<int> list_images(const ImagesOptions& options, const Context& context) {
  const auto filters = TRY(parse_filters(options));
  const auto place = TRY(store_place(TRY(find_paths())));
  const auto store = TRY(image::ImageStore::open_to_read(place));
  // What is no name is that of no image.
  const auto meant = image::names_meant(options.name, place);
  const bool said_tag = options.name.find(':', options.name.rfind('/') + 1) != options.name.npos;
  const auto images = TRY(every_image(*store));
  std::vector<Line> lines;
  for (const auto& image : images) {
    if (!image.problem.empty())
      context.streams.err << fmt::format("acetate: {} is damaged: {}\n", image.stored.target.digest.str(), image.problem);
    Line line{.image = &image};
    if (image.config) line.created = build::parse_time(image.config->created).value_or(0);
    for (const auto& name : image.stored.names) {
      line.name = name;
      lines.push_back(line);
    }
    if (image.stored.names.empty()) lines.push_back(line);
  }
  std::vector<Line> shown;
  for (const auto& line : lines) {
    bool is_shown = options.name.empty() || (meant && has_name(line, *meant, said_tag));
    for (const auto& filter : filters) is_shown = is_shown && TRY(passes(line, filter, *store));
    if (is_shown) shown.push_back(line);
  }
  TRY(sort(shown, options.sort));

  auto& out = context.streams.out;
  if (options.quiet) {
    std::vector<Digest> said;
    for (const auto& line : shown) {
      if (std::ranges::count(said, line.image->id) > 0) continue;
      said.push_back(line.image->id);
      out << (options.no_trunc ? line.image->id.str() : line.image->id.hex().substr(0, kShortId)) << '\n';
    }
    return 0;
  }
  std::vector<Json> rows;
  std::vector<const ImageSummary*> once;
  for (const auto& line : shown) {
    // In JSON an image is one object with all of its names.
    if (options.format == "json" && std::ranges::count(once, line.image) > 0) continue;
    once.push_back(line.image);
    rows.push_back(row_of(line, options));
  }
  out << TRY(format_rows(rows, columns_of(options), options.format, !options.no_heading));
  return 0;
}

}  // namespace acetate::cli
