#include "cli/grouped_words.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace acetate::cli {

namespace {

struct Grouped {
  std::string_view group, word, command;
};

constexpr Grouped kGrouped[] = {
    {"image", "ls", "images"},      {"image", "list", "images"},    {"image", "rm", "rmi"},           {"image", "remove", "rmi"},     {"image", "inspect", "inspect"},
    {"image", "history", "history"}, {"image", "pull", "pull"},      {"image", "push", "push"},        {"image", "save", "save"},      {"image", "load", "load"},
    {"image", "tag", "tag"},        {"image", "untag", "untag"},    {"image", "build", "build"},      {"image", "exists", "exists"},  {"image", "prune", "gc"},
    {"image", "mount", "mount"},    {"image", "unmount", "unmount"}, {"image", "umount", "unmount"},   {"system", "df", "df"},         {"system", "prune", "gc"},
    {"container", "ls", "ps"},      {"container", "list", "ps"},    {"container", "ps", "ps"},        {"container", "rm", "rm"},      {"container", "run", "run"},
    {"container", "diff", "diff"},  {"container", "commit", "commit"}, {"container", "export", "export"},
};

auto first_word(auto from, auto end) {
  return std::find_if(from, end, [](const std::string& word) { return !word.starts_with('-'); });
}

}  // namespace

std::vector<std::string> without_group(std::span<const std::string> words) {
  std::vector<std::string> meant(words.begin(), words.end());
  const auto group = first_word(meant.begin(), meant.end());
  if (group == meant.end()) return meant;
  const auto word = group + 1;  // an option between the two would be nobody's
  if (word == meant.end()) return meant;
  const auto found = std::ranges::find_if(kGrouped, [&](const Grouped& each) { return each.group == *group && each.word == *word; });
  if (found == std::end(kGrouped)) return meant;
  *word = found->command;
  meant.erase(group);
  return meant;
}

}  // namespace acetate::cli
