// acetate ps: the containers that run --keep has kept.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/kept.h"
#include "cli/rows.h"
#include "cli/run_commands.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string format;
  bool quiet = false, no_heading = false, all = true;
};

const char* state(const KeptEntry& entry) {
  if (entry.running) return "running";
  return entry.record.exit_code ? "exited" : "interrupted";
}

std::string status(const KeptEntry& entry) {
  if (entry.running || !entry.record.exit_code) return state(entry);
  return fmt::format("exited ({}) {}", *entry.record.exit_code, entry.record.finished);
}

// As podman's: lists and objects where there are several.
void print_json(const std::vector<KeptEntry>& entries, std::ostream& out) {
  Json list = Json::array();
  for (const KeptEntry& entry : entries) {
    Json one{{"Names", {entry.record.name}},     {"Image", entry.record.image.name}, {"Command", entry.record.command},
             {"Created", entry.record.created}, {"State", state(entry)},            {"Status", status(entry)},
             {"Labels", entry.record.labels}};
    if (entry.record.exit_code) one["ExitCode"] = *entry.record.exit_code;
    list.push_back(std::move(one));
  }
  out << list.dump(4, ' ', false, Json::error_handler_t::replace) << '\n';
}

// For tables and templates: text.
Json row(const KeptEntry& entry) {
  std::string labels;
  for (const auto& [name, value] : entry.record.labels) labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", name, value);
  return {{"Names", entry.record.name},
          {"Image", entry.record.image.name},
          {"Command", fmt::format("{}", fmt::join(entry.record.command, " "))},
          {"CreatedAt", entry.record.created},
          {"State", state(entry)},
          {"Status", status(entry)},
          {"Labels", labels}};
}

Result<int> ps(const Options& options, const Context& context) {
  const auto entries = TRY(list_kept(containers_dir(TRY(find_paths()))));
  auto& out = context.streams.out;
  if (options.quiet) {
    for (const KeptEntry& entry : entries) out << entry.record.name << '\n';
    return 0;
  }
  if (options.format == "json") {
    print_json(entries, out);
    return 0;
  }
  std::vector<Json> rows;
  for (const KeptEntry& entry : entries) rows.push_back(row(entry));
  const std::vector<Column> columns{{"Names", "NAMES"}, {"Image", "IMAGE"}, {"Status", "STATUS"}, {"Command", "COMMAND"}};
  out << TRY(format_rows(rows, columns, options.format, !options.no_heading));
  return 0;
}

}  // namespace

Runner ps_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_flag("-a,--all", options->all, "those that are not running too: always so");
  app.add_flag("-q,--quiet", options->quiet, "names only");
  app.add_flag("-n,--noheading", options->no_heading, "no line above the columns");
  app.add_option("--format", options->format, "json, or a template like '{{.Names}} {{.Status}}'")->type_name("");
  return [options](const Context& context) { return ps(*options, context); };
}

}  // namespace acetate::cli
