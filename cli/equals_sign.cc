#include "cli/equals_sign.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <utility>

namespace acetate::cli {

namespace {

// By "-x" or "--name"; of a command above where the command lets it through. Null for none.
const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_fallthrough() ? app->get_parent() : nullptr)
    if (const CLI::Option* found = app->get_option_no_throw(name)) return found;
  return nullptr;
}

// By its name or another that it goes by; null for none.
const CLI::App* find_below(const CLI::App* app, const std::string& word) {
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; }))
    if (command->check_name(word)) return command;
  return nullptr;
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }
// A value that may be left out is never the next word.
bool wants_value(const CLI::Option& option) { return option.get_items_expected_min() > 0 && option.get_type_size_min() > 0; }

class Rewriting {
 public:
  explicit Rewriting(const CLI::App& app) : app_(&app) {}

  // Whether what follows is options still.
  bool take(const std::string& word) {
    if (std::exchange(value_is_next_, false)) return words_.push_back(word), true;
    if (word == "--") return words_.push_back(word), false;
    if (word.size() > 1 && word[0] == '-') {
      word[1] == '-' ? take_long(word) : take_short(word);
      return true;
    }
    words_.push_back(word);
    if (const CLI::App* command = find_below(app_, word)) return app_ = command, true;
    return !app_->get_prefix_command();
  }
  void take_rest(std::span<const std::string> rest) { words_.insert(words_.end(), rest.begin(), rest.end()); }
  std::vector<std::string> done() { return std::move(words_); }

 private:
  void take_long(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* option = find_option(app_, name);
    const bool valued = option != nullptr && wants_value(*option);
    if (valued && equals + 1 == word.size()) return void(words_.insert(words_.end(), {name, ""}));
    value_is_next_ = valued && equals == std::string::npos;
    words_.push_back(word);
  }

  // Several letters may stand behind one dash; the first that has a value has the rest of the word for it.
  void take_short(const std::string& word) {
    std::string flags = "-";  // those before
    for (std::size_t at = 1; at < word.size(); ++at) {
      const CLI::Option* option = find_option(app_, {'-', word[at]});
      if (option == nullptr) break;
      const bool has_equals = word.size() > at + 2 && word[at + 1] == '=';
      if (is_flag(*option) && !has_equals) {
        flags += word[at];
        continue;
      }
      if (is_flag(*option) && option->get_lnames().empty()) break;
      if (is_flag(*option)) {
        if (flags.size() > 1) words_.push_back(flags);
        words_.push_back("--" + option->get_lnames().front() + word.substr(at + 1));
        return;
      }
      value_is_next_ = wants_value(*option) && at + 1 == word.size();
      words_.push_back(has_equals ? word.substr(0, at + 1) + word.substr(at + 2) : word);
      return;
    }
    words_.push_back(word);
  }

  const CLI::App* app_;
  std::vector<std::string> words_;
  bool value_is_next_ = false;
};

}  // namespace

std::vector<std::string> without_equals_signs(const CLI::App& app, std::span<const std::string> words) {
  Rewriting rewriting(app);
  std::size_t taken = 0;
  while (taken < words.size() && rewriting.take(words[taken])) ++taken;
  if (taken < words.size()) rewriting.take_rest(words.subspan(taken + 1));
  return rewriting.done();
}

}  // namespace acetate::cli
