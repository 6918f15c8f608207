// acetate doctor: what works here, what does not, and what to do about it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/command.h"
#include "cli/doctor.h"

namespace acetate::cli {

namespace {

const char* word(Check::State state) {
  switch (state) {
    case Check::State::good: return "ok";
    case Check::State::degraded: return "degraded";
    case Check::State::bad: return "bad";
  }
  return "";
}

void print_json(const std::vector<Check>& checks, std::ostream& out) {
  auto list = nlohmann::ordered_json::array();
  for (const Check& check : checks) list.push_back({{"check", check.name}, {"state", word(check.state)}, {"found", check.found}, {"fix", check.fix}});
  out << list.dump(4, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

void print_table(const std::vector<Check>& checks, std::ostream& out) {
  std::size_t width = 0;
  for (const Check& check : checks) width = std::max(width, check.name.size());
  for (const Check& check : checks) {
    const char* mark = check.state == Check::State::good ? "✓" : check.state == Check::State::degraded ? "!" : "✗";
    out << fmt::format("{} {:{}}  {}\n", mark, check.name, width, check.found);
    if (!check.fix.empty() && check.state != Check::State::good) out << fmt::format("  {:{}}  -> {}\n", "", width, check.fix);
  }
}

}  // namespace

Runner doctor_command(CLI::App& app) {
  const auto format = std::make_shared<std::string>();
  app.add_option("--format", *format, "json, instead of a table")->check(CLI::IsMember({"json"}));
  return [format](const Context& context) -> Result<int> {
    const auto checks = examine(TRY(find_paths()));
    if (*format == "json") print_json(checks, context.streams.out);
    else print_table(checks, context.streams.out);
    int worst = 0;
    for (const Check& check : checks) worst = std::max(worst, static_cast<int>(check.state));
    return worst;
  };
}

}  // namespace acetate::cli
