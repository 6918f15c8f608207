// The program around the commands: finds the one that was meant, parses its options, runs it, and says what
// went wrong in one form and with one set of exit codes.
#include "cli/app.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <ostream>
#include <utility>
#include <vector>

#include "base/log.h"
#include "cli/command.h"
#include "cli/equals_sign.h"
#include "cli/failure.h"
#include "cli/grouped_words.h"
#include "cli/suggest.h"

namespace acetate::cli {

namespace {

constexpr int kUsage = 2;

// The first word that is no option. Options before the command take no value, so that is the command's name.
std::string_view command_word(std::span<const std::string> args) {
  for (const auto& arg : args)
    if (!arg.starts_with('-')) return arg;
  return {};
}

int unknown_command(std::string_view word, const Streams& streams) {
  std::vector<std::string_view> known;
  for (const auto& command : commands()) {
    if (command.is_ours) continue;
    known.push_back(command.name);
    known.insert(known.end(), command.aliases.begin(), command.aliases.end());
  }
  streams.err << fmt::format("acetate: there is no command \"{}\"", word);
  if (const auto nearest = nearest_word(word, known); !nearest.empty())
    streams.err << fmt::format(", did you mean \"{}\"?", nearest);
  streams.err << "\nTry 'acetate --help'.\n";
  return kUsage;
}

// A word that is a dot is no stop.
std::string without_final_stop(std::string text) {
  while (text.ends_with('\n') || (text.ends_with('.') && !text.ends_with(" ."))) text.pop_back();
  return text;
}

int usage_error(const CLI::ParseError& error, const Command* command, const Streams& streams) {
  const std::string name = command != nullptr ? fmt::format("acetate {}", command->name) : "acetate";
  streams.err << fmt::format("acetate: {}\nTry '{} --help'.\n", without_final_stop(error.what()), name);
  return command != nullptr ? command->usage_exit : kUsage;
}

void dress(CLI::App& app) {
  app.set_help_flag("-h,--help", "print this help and exit");
  app.get_formatter()->label("REQUIRED", "");
  app.get_formatter()->column_width(32);
}

int report(const Result<int>& ended, const Command& command, const Streams& streams) {
  if (!ended) {
    tell_failure(streams, ended.error());
    return command.failure_exit;
  }
  streams.out.flush();
  if (!streams.out) {
    streams.err << "acetate: cannot write to standard output\n";
    return command.failure_exit;
  }
  return *ended;
}

int parse_and_run(std::span<const std::string> args, const Command* command, const Streams& streams) {
  CLI::App app("Lays container image layers over one another without unpacking them.", "acetate");
  dress(app);
  bool verbose = false;
  app.add_flag("-v,--verbose", verbose, "say more about what is done");
  app.set_version_flag("--version", "acetate " ACETATE_VERSION, "print the version and exit");
  app.require_subcommand(1);

  Runner runner;
  for (const auto& each : commands()) {
    CLI::App* sub = app.add_subcommand(std::string(each.name), std::string(each.summary));
    for (const auto alias : each.aliases) sub->alias(std::string(alias));
    if (each.is_ours) sub->group("");  // not in --help
    sub->fallthrough();  // -v may also stand behind the command's name
    if (&each == command) runner = each.describe(*sub);
  }

  try {
    std::vector<std::string> words = without_equals_signs(app, args);
    std::ranges::reverse(words);  // CLI11 takes them from the back
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    streams.out << app.help() << std::flush;
    return 0;
  } catch (const CLI::CallForVersion&) {
    streams.out << "acetate " ACETATE_VERSION "\n" << std::flush;
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(error, command, streams);
  }
  if (verbose) log::set_level(log::Level::info);
  return report(runner(Context{.streams = streams, .verbose = verbose}), *command, streams);
}

}  // namespace

int run(std::span<const std::string> words, const Streams& streams) {
  const auto args = without_group(words);
  const auto word = command_word(args);
  const Command* command = find_command(word);
  if (!word.empty() && command == nullptr) return unknown_command(word, streams);
  try {
    return parse_and_run(args, command, streams);
  } catch (const std::exception&
               error) {  // memory ran out, or a mistake of ours; nothing of ours throws on purpose
    streams.err << fmt::format("acetate: ended by an internal error: {}\n", error.what());
    return command != nullptr ? command->failure_exit : 1;
  }
}

}  // namespace acetate::cli
