#include "builder/outline.h"

#include <algorithm>
#include <map>
#include <set>

#include "builder/dockerfile/mount.h"
#include "builder/plan_mount.h"

namespace acetate::build {

namespace {

using dockerfile::Place;

// The comment "# NAME …" above an instruction tells what NAME is for.
std::string description_of(const dockerfile::Lines& lines, Place place, std::string_view name) {
  const auto line = std::ranges::find(lines.lines, place.first, [](const dockerfile::Line& each) { return each.place.first; });
  if (line == lines.lines.end() || name.empty()) return {};
  for (const std::string& comment : line->comments)
    if (comment.starts_with(name) && comment.size() > name.size() && comment[name.size()] == ' ') return comment.substr(name.size() + 1);
  return {};
}

class Outliner {
 public:
  Outliner(const dockerfile::Dockerfile& file, const dockerfile::Lines& lines, const Graph& graph, const GlobalScope& scope,
           const Strings& build_args, BaseImages& bases)
      : file_(file), lines_(lines), graph_(graph), scope_(scope), build_args_(build_args), bases_(bases) {}

  Result<Outline> run() {
    for (const dockerfile::Instruction& instruction : file_.globals)
      for (const auto& one : std::get<dockerfile::Arg>(instruction.what).args) read_global(one, instruction.place);
    for (const std::size_t stage : graph_.needed) TRY(read_stage(stage));  // a stage comes after what it is built on

    const dockerfile::Stage& target = file_.stages[graph_.target];
    Outline outline{.name = target.name, .description = description_of(lines_, target.place, target.name)};
    // Of one name in several stages it is the target's that counts, and of the others the latest.
    for (auto stage = graph_.needed.rbegin(); stage != graph_.needed.rend(); ++stage) {
      Read& read = stages_.at(*stage);
      take(outline.arguments, read.arguments);
      take(outline.secrets, read.secrets);
      take(outline.agents, read.agents);
    }
    std::vector<Outline::Argument> used;
    for (const auto& [name, global] : globals_)
      if (used_.contains(name)) used.push_back(global.argument);
    take(outline.arguments, used);
    const auto by_place = [](const auto& one) { return one.place; };
    std::ranges::stable_sort(outline.arguments, {}, by_place);
    std::ranges::stable_sort(outline.secrets, {}, by_place);
    std::ranges::stable_sort(outline.agents, {}, by_place);
    return outline;
  }

 private:
  using Names = std::set<std::string, std::less<>>;
  struct Global {
    Outline::Argument argument;
    Names uses;  // in its default
  };
  struct Read {
    StageArgs args;
    std::vector<std::string> env;
    std::vector<Outline::Argument> arguments = {};
    std::vector<Outline::Need> secrets = {}, agents = {};
  };

  template <class T>
  static void take(std::vector<T>& into, const std::vector<T>& from) {
    for (const T& one : from)
      if (std::ranges::find(into, one.name, &T::name) == into.end()) into.push_back(one);
  }
  template <class T>
  static void put(std::vector<T>& into, T one) {
    std::erase_if(into, [&](const T& other) { return other.name == one.name; });
    into.push_back(std::move(one));
  }

  // Variables that a word names, whatever they hold.
  Names names_in(std::string_view word) const {
    Names names;
    const dockerfile::Lookup noting = [&](std::string_view name) {
      names.emplace(name);
      return std::optional<std::string>("x");
    };
    dockerfile::expand_or(word, noting, {.escape = file_.directives.escape}, "");
    return names;
  }

  void read_global(const dockerfile::Arg::One& one, Place place) {
    Global global{.argument = {one.name, scope_.find(one.name).value_or(""), description_of(lines_, place, one.name), place},
                  .uses = names_in(one.value.value_or(""))};
    // "ARG V=${V}more" leans on whatever the earlier one did.
    if (const auto earlier = globals_.find(one.name); earlier != globals_.end() && global.uses.contains(one.name))
      global.uses.insert(earlier->second.uses.begin(), earlier->second.uses.end());
    globals_[one.name] = std::move(global);
  }

  void use(const std::string& name) {
    const auto global = globals_.find(name);
    if (global == globals_.end() || !used_.insert(name).second) return;
    for (const std::string& other : global->second.uses) use(other);
  }

  Result<void> read_stage(std::size_t number) {
    const dockerfile::Stage& stage = file_.stages[number];
    for (const std::string& name : names_in(stage.base)) use(name);
    for (const std::string& name : names_in(stage.platform.value_or(""))) use(name);
    Read read{.args = StageArgs(scope_, build_args_), .env = {}};
    const Origin& base = graph_.bases[number];
    if (base.kind == Origin::Kind::stage) {
      const Read& below = stages_.at(base.stage);
      read.args = below.args;
      read.args.hide_all();
      read.env = below.env;
    } else if (base.kind == Origin::Kind::image) {
      if (const auto state = bases_.open_here(base.image, graph_.platforms[number])) read.env = (*state)->config.env;
    }
    for (const dockerfile::Instruction& instruction : stage.body) {
      if (const auto* arg = std::get_if<dockerfile::Arg>(&instruction.what))
        for (const auto& one : arg->args) declare(read, one, instruction.place);
      if (const auto* env = std::get_if<dockerfile::Env>(&instruction.what)) {
        const std::vector<std::string> before = read.env;
        for (const auto& [name, value] : env->values) set_env(read.env, name, expanded(value, read.args.lookup(before)));
        for (const auto& [name, value] : env->values) read.args.hide(name);
      }
      if (const auto* run = std::get_if<dockerfile::Run>(&instruction.what))
        for (const std::string& mount : run->mounts) TRY(need(read, mount, instruction.place));
    }
    stages_.emplace(number, std::move(read));
    return {};
  }

  std::string expanded(std::string_view word, const dockerfile::Lookup& lookup) const {
    return dockerfile::expand_or(word, lookup, {.escape = file_.directives.escape}, "");
  }

  void declare(Read& read, const dockerfile::Arg::One& one, Place place) {
    std::optional<std::string> value;
    if (one.value) value = expanded(*one.value, read.args.lookup(read.env));
    else if (!read.args.given(one.name)) use(one.name);
    read.args.declare(one.name, std::move(value));
    const std::vector<std::string> no_env;
    std::string is = read.args.lookup(no_env)(one.name).value_or("");
    put(read.arguments, {one.name, std::move(is), description_of(lines_, place, one.name), place});
  }

  Result<void> need(Read& read, const std::string& text, Place place) {
    const auto lookup = read.args.lookup(read.env);
    auto mount = dockerfile::parse_mount(text, [&](std::string_view value) { return Result<std::string>(expanded(value, lookup)); });
    if (!mount) return file_.source.complain(place, text, mount.error().message());
    fill_in(*mount);
    if (mount->type == dockerfile::Mount::Type::secret) put(read.secrets, {mount->id, mount->required, place});
    if (mount->type == dockerfile::Mount::Type::ssh) put(read.agents, {mount->id, mount->required, place});
    return {};
  }

  const dockerfile::Dockerfile& file_;
  const dockerfile::Lines& lines_;
  const Graph& graph_;
  const GlobalScope& scope_;
  const Strings& build_args_;
  BaseImages& bases_;
  std::map<std::string, Global, std::less<>> globals_;
  Names used_;  // of the globals
  std::map<std::size_t, Read> stages_;
};

}  // namespace

Result<Outline> outline(const dockerfile::Dockerfile& file, const dockerfile::Lines& lines, const Graph& graph, const GlobalScope& scope,
                        const Strings& build_args, BaseImages& bases) {
  return Outliner(file, lines, graph, scope, build_args, bases).run();
}

std::vector<Target> targets(const dockerfile::Dockerfile& file, const dockerfile::Lines& lines) {
  std::vector<Target> all;
  for (const dockerfile::Stage& stage : file.stages)
    all.push_back({.name = stage.name,
                   .description = description_of(lines, stage.place, stage.name),
                   .base = stage.base,
                   .platform = stage.platform.value_or(""),
                   .is_default = &stage == &file.stages.back(),
                   .place = stage.place});
  return all;
}

}  // namespace acetate::build
