#include "cli/described_command.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"

namespace acetate::cli {

namespace {

// What CLI11 shows of a closed set: "{a,b,c}" in the option's type.
std::vector<std::string> allowed_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.find('}');
  std::vector<std::string> values;
  if (open == std::string::npos || close == std::string::npos) return values;
  for (std::size_t at = open + 1; at < close;) {
    const std::size_t end = std::min(type.find(',', at), close);
    values.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  std::ranges::sort(values);
  return values;
}

// The type is "TEXT", "INT:POSITIVE", ":FLOAT in [0 - 3600]" or nothing.
std::string value_name(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto begin = std::ranges::find_if(type, is_capital);
  const std::string name(begin, std::find_if_not(begin, type.end(), is_capital));
  return name.empty() ? "VALUE" : name;
}

// The command's own line of --help, from behind its name and options. Some have a formatter of their own, for what CLI11 has no positionals for.
std::string synopsis(const CLI::App& app, const std::string& name) {
  const auto formatter = std::dynamic_pointer_cast<CLI::Formatter>(app.get_formatter());
  if (!formatter) return {};
  std::string line = formatter->make_usage(&app, name);
  line.erase(0, line.find(name) + name.size());
  if (const std::string options = " [OPTIONS]"; line.starts_with(options)) line.erase(0, options.size());
  line.erase(0, line.find_first_not_of(' '));
  while (line.ends_with('\n')) line.pop_back();
  return line;
}

std::string exit_status(const Command& command) {
  std::string text = command.exits.empty() ? "0 when it did what it was to do." : std::string(command.exits);
  if (command.failure_exit == command.usage_exit) return text + fmt::format(" {} for an error, also in the command line.", command.failure_exit);
  return text + fmt::format(" {} for an error, {} when the command line makes no sense.", command.failure_exit, command.usage_exit);
}

}  // namespace

std::vector<DescribedCommand> described_commands() {
  std::vector<DescribedCommand> all;
  for (const Command& command : commands()) {
    if (command.is_ours) continue;
    CLI::App app;
    app.set_help_flag("-h,--help", "print this help and exit");
    command.describe(app);
    DescribedCommand one{.names = {std::string(command.name)}, .help = std::string(command.summary)};
    for (const auto alias : command.aliases) one.names.emplace_back(alias);
    one.synopsis = synopsis(app, std::string(command.name));
    one.more = app.get_footer();
    one.exit_status = exit_status(command);
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_group().empty()) continue;  // for our own programs
      if (option->get_positional()) one.arguments.push_back({.name = option->get_name(true), .help = option->get_description()});
      DescribedOption described{.names = {},
                                .help = option->get_description(),
                                .takes_value = option->get_expected_max() > 0,
                                .repeatable = option->get_expected_max() == CLI::detail::expected_max_vector_size,
                                .value = value_name(*option),
                                .values = allowed_values(*option)};
      for (const auto& name : option->get_snames()) described.names.push_back("-" + name);
      for (const auto& name : option->get_lnames()) described.names.push_back("--" + name);
      if (!described.names.empty()) one.options.push_back(std::move(described));
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace acetate::cli
