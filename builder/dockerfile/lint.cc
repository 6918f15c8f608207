#include "builder/dockerfile/lint.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "builder/dockerfile/lint_variables.h"
#include "builder/dockerfile/suggest.h"

namespace acetate::dockerfile {

namespace {

std::string changed(std::string_view text, int (*change)(int)) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(change(static_cast<unsigned char>(c)));
  return out;
}
std::string lower(std::string_view text) { return changed(text, std::tolower); }
std::string upper(std::string_view text) { return changed(text, std::toupper); }

// One of the words stands in a NAME_LIKE_THIS, whatever its case.
bool has_part(std::string_view name, std::initializer_list<std::string_view> words) {
  const std::string text = lower(name);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('_', at), text.size());
    if (std::find(words.begin(), words.end(), std::string_view(text).substr(at, end - at)) != words.end()) return true;
    at = end + 1;
  }
  return false;
}

bool names_a_secret(std::string_view name) {
  return has_part(name, {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"}) &&
         !has_part(name, {"public", "file", "version"});
}

// The comment "check=…" before one instruction, which counts for that one only; words after it are a reason.
LintOptions options_here(const Line& line) {
  for (const std::string& comment : line.comments) {
    const std::size_t equals = comment.find('=');
    if (equals == std::string::npos || lower(comment.substr(0, comment.find_first_of(" ="))) != "check") continue;
    std::string value = comment.substr(equals + 1);
    value.erase(0, value.find_first_not_of(' '));
    auto options = parse_check(value.substr(0, value.find(' ')));
    return options ? *std::move(options) : LintOptions();
  }
  return {};
}

// The rules that are kept before everything is understood: what is said of a file that does not parse.
bool is_early(const std::string& rule) {
  return rule == "StageNameCasing" || rule == "FromAsCasing" || rule == "MaintainerDeprecated" || rule == "LegacyKeyValueFormat" ||
         rule == "NoEmptyContinuation" || rule == "InvalidDefinitionDescription";
}

// The rules that look at what an instruction does, and not at the form of the file: a stage that is not built does nothing.
bool is_of_what_is_done(std::string_view rule) {
  static constexpr std::string_view kRules[] = {"CopyIgnoredFile", "ExposeInvalidFormat", "ExposeProtoCasing", "InvalidBaseImagePlatform",
                                                "JSONArgsRecommended", "LegacyKeyValueFormat", "MultipleInstructionsDisallowed",
                                                "SecretsUsedInArgOrEnv",
                                                "UndefinedVar", "WorkdirRelativePath"};
  return std::ranges::find(kRules, rule) != std::end(kRules);
}

struct Instruction {
  std::string word;  // as written
  Node node;
  const Line* line;
};

class Linter {
 public:
  Linter(const Lines& lines, const LintSurroundings& around, const LintOptions& options)
      : lines_(lines), around_(around), options_(options), defaults_(predefined()), globals_(defaults_) {}

  std::vector<LintWarning> run() {
    std::vector<Instruction> all;
    bool parses = true;
    for (const Line& line : lines_.lines) {
      auto node = parse_line(line, lines_.source, lines_.directives.escape);
      if (!(parses = node.has_value())) break;
      std::string word = node->original.substr(0, node->original.find_first_of(" \t"));
      all.push_back({std::move(word), *std::move(node), &line});
    }
    check_casing(all);
    for (const Instruction& each : all) {
      place_ = each.node.place;
      here_ = options_here(*each.line);
      check(each);
    }
    end_stage();
    if (!parses) std::erase_if(warnings_, [](const LintWarning& warning) { return !is_early(warning.rule); });
    std::stable_sort(warnings_.begin(), warnings_.end(),
                     [](const LintWarning& a, const LintWarning& b) { return a.place.first < b.place.first; });
    return std::move(warnings_);
  }

 private:
  // What the platform gives, and --build-arg may change.
  Variables predefined() const {
    Variables variables;
    const std::string& platform = around_.platform;
    const std::size_t slash = std::min(platform.find('/'), platform.size());
    for (const char* side : {"BUILD", "TARGET"}) {
      const std::string prefix = side;
      variables[prefix + "PLATFORM"] = platform;
      variables[prefix + "OS"] = platform.substr(0, slash);
      variables[prefix + "ARCH"] = platform.substr(std::min(slash + 1, platform.size()));
      variables[prefix + "OSVERSION"] = variables[prefix + "VARIANT"] = "";
    }
    variables["TARGETSTAGE"] = "default";
    return variables;
  }

  void warn(std::string_view rule, std::string text) { warn_at(place_, rule, std::move(text)); }
  void warn_at(Place place, std::string_view rule, std::string text) {
    const auto skips = [&](const LintOptions& options) { return options.skip_all || options.skip.contains(rule); };
    if (skips(options_) || skips(here_)) return;
    if (stage_ && around_.built && is_of_what_is_done(rule) && std::ranges::find(*around_.built, number_) == around_.built->end()) return;
    warnings_.push_back({std::string(rule), std::move(text), place});
  }
  bool is_on(std::string_view experimental) const {
    const auto names = [&](const LintOptions& options) { return options.experimental_all || options.experimental.contains(experimental); };
    return names(options_) || names(here_);
  }

  void check_casing(const std::vector<Instruction>& all) {
    std::ptrdiff_t balance = 0;
    for (const Instruction& each : all) balance += each.word == lower(each.word) ? 1 : each.word == upper(each.word) ? -1 : 0;
    for (const Instruction& each : all) {
      here_ = options_here(*each.line);
      if (each.word != (balance > 0 ? lower(each.word) : upper(each.word)))
        warn_at(each.node.place, "ConsistentInstructionCasing",
                fmt::format("Command '{}' should match the case of the command majority ({})", each.word,
                            balance > 0 ? "lowercase" : "uppercase"));
    }
  }

  void check(const Instruction& each) {
    const std::string& keyword = each.node.keyword;
    const auto& args = each.node.args;
    if (each.line->empty_line != 0) {
      const Place last{each.line->empty_line, each.line->empty_line};
      warn_at(last, "NoEmptyContinuation", "Empty continuation line");
    }
    if (keyword == "from") return from(each);
    if (keyword == "arg") arg(each);
    if (stage_) undefined(each.node);
    if (keyword == "maintainer") warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label");
    if (keyword == "env" || keyword == "label") pairs(keyword, args);
    if (keyword == "cmd" || keyword == "entrypoint" || keyword == "healthcheck") only_last(each);
    if (keyword == "shell" && stage_) stage_->shell = true;
    if (keyword == "workdir" && !args.empty()) workdir(args.front());
    if (keyword == "expose") expose(args);
    if (keyword == "copy" || keyword == "add") copy(each.node);
  }

  void from(const Instruction& each) {
    end_stage();
    const auto& args = each.node.args;
    if (args.empty()) return;
    check_base(args.front());
    std::string name = args.size() == 3 ? args[2] : "";
    if (args.size() == 3) {
      if (name != lower(name)) warn("StageNameCasing", fmt::format("Stage name '{}' should be lowercase", name));
      const bool up = each.word == upper(each.word), low = each.word == lower(each.word);
      if ((up && args[1] != upper(args[1])) || (low && args[1] != lower(args[1])))
        warn("FromAsCasing", fmt::format("'{}' and '{}' keywords' casing do not match", args[1], each.word));
      name = lower(name);
      if (name == "scratch" || name == "context")
        warn("ReservedStageName", fmt::format("Stage name should not use the same name as reserved stage \"{}\"", name));
      if (stages_.contains(name))
        warn("DuplicateStageName", fmt::format("Duplicate stage name \"{}\", stage names should be unique", name));
      check_description(each, "FROM", {name});
    }
    std::string wanted = around_.platform;
    for (const std::string& flag : each.node.flags)
      if (flag.starts_with("--platform=")) wanted = platform(flag.substr(11), name);
    begin_stage(args.front(), wanted);
    stage_name_ = name;
  }

  // What a stage has from what it is built on.
  void begin_stage(const std::string& written, const std::string& platform) {
    const std::string base = expand_or(written, look_up(globals_), expanding(), written);
    if (const auto earlier = stages_.find(lower(base)); earlier != stages_.end()) {
      stage_ = earlier->second;
      return;
    }
    stage_ = Stage{.variables = StageVariables(globals_, around_.build_args, lines_.directives.escape)};
    stage_->variables.add_env({"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"});
    if (base == "scratch") return;
    const std::string& expected = platform.empty() ? around_.platform : platform;
    const auto facts = around_.find_base ? around_.find_base(base, expected) : std::nullopt;
    if (!facts) return stage_->variables.set_base_unknown();
    stage_->variables.add_env(facts->env);
    const auto two_parts = [](const std::string& text) { return text.substr(0, text.find('/', text.find('/') + 1)); };
    if (!facts->platform.empty() && two_parts(facts->platform) != two_parts(expected))
      warn("InvalidBaseImagePlatform", fmt::format("Base image {} was pulled with platform \"{}\", expected \"{}\" for current build",
                                                   base, facts->platform, expected));
  }

  // The platform that is meant.
  std::string platform(const std::string& value, const std::string& stage) {
    std::vector<std::string> used, unknown;
    const Lookup recording = [&](std::string_view name) -> std::optional<std::string> {
      const auto found = globals_.find(name);
      (found == globals_.end() ? unknown : used).emplace_back(name);
      if (found == globals_.end()) return std::nullopt;
      return found->second;
    };
    const std::string result = expand_or(value, recording, expanding(), "");
    undeclared(unknown);
    if (unknown.empty() && used.size() == 1 && used.front() == "TARGETPLATFORM" && result == globals_["TARGETPLATFORM"])
      warn("RedundantTargetPlatform",
           fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default behavior", value));
    if (!used.empty() || !unknown.empty()) return result;
    // A stage that is named for its platform is meant to be for that one only.
    const std::size_t slash = std::min(result.find('/'), result.size());
    const std::string os = result.substr(0, slash);
    const std::string machine = result.substr(std::min(slash + 1, result.size()), result.find('/', slash + 1) - slash - 1);
    for (const std::string& part : {os, machine})
      if (!part.empty() && stage.find(part) != std::string::npos) return result;
    warn("FromPlatformFlagConstDisallowed", fmt::format("FROM --platform flag should not use constant value \"{}\"", result));
    return result;
  }

  WordOptions expanding() const { return {.escape = lines_.directives.escape}; }
  static Lookup look_up(const Variables& variables) {
    return [&variables](std::string_view name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return std::nullopt;
      return found->second;
    };
  }

  // Variables of FROM are those before the first stage.
  void undeclared(const std::vector<std::string>& unknown) {
    std::vector<std::string_view> known;
    for (const auto& [name, value] : globals_) known.push_back(name);
    for (const std::string& name : unknown) {
      const std::string_view meant = nearest(name, known, Case::counts);
      warn("UndefinedArgInFrom", fmt::format("FROM argument '{}' is not declared{}", name,
                                             meant.empty() ? "" : fmt::format(" (did you mean {}?)", meant)));
    }
  }

  void check_base(const std::string& base) {
    std::vector<std::string> unknown;
    const Lookup recording = [&](std::string_view name) -> std::optional<std::string> {
      const auto found = defaults_.find(name);
      if (found != defaults_.end()) return found->second;
      unknown.emplace_back(name);
      return std::nullopt;
    };
    const auto expanded = expand(base, recording, expanding());
    undeclared(unknown);
    if (base.find('$') != std::string::npos &&
        (!expanded || expanded->empty() || expanded->starts_with(':') || expanded->ends_with(':') || expanded->ends_with('/')))
      warn("InvalidDefaultArgInFrom", fmt::format("Default value for ARG {} results in empty or invalid base image name", base));
  }

  // A comment directly above a stage or an argument is taken for its description.
  void check_description(const Instruction& each, std::string_view instruction, const std::vector<std::string>& names) {
    if (!each.line->described || names.empty() || !is_on("InvalidDefinitionDescription")) return;
    const std::string& comment = each.line->comments.back();
    if (std::find(names.begin(), names.end(), comment.substr(0, comment.find(' '))) != names.end()) return;
    // Whoever asks for an experimental check gets it, whatever else is skipped.
    warnings_.push_back({"InvalidDefinitionDescription",
                         fmt::format("Comment for {} should follow the format: `# {} <description>`", instruction,
                                     names.size() > 1 ? "<arg_key>" : names.front()),
                         place_});
  }

  void arg(const Instruction& each) {
    std::vector<std::string> names;
    for (const std::string& text : each.node.args) {
      const std::size_t equals = text.find('=');
      const std::string name = names.emplace_back(text.substr(0, equals));
      if (names_a_secret(name)) secret("ARG", name);
      if (stage_) continue;
      const auto given = around_.build_args.find(name);
      if (equals == std::string::npos) {  // what the platform gives stays
        defaults_.try_emplace(name, "");
        globals_.try_emplace(name, "");
      } else {
        const std::string value = text.substr(equals + 1);
        defaults_[name] = expand_or(value, look_up(defaults_), expanding(), value);
        globals_[name] = expand_or(value, look_up(globals_), expanding(), value);
      }
      if (given != around_.build_args.end()) globals_[name] = given->second;
    }
    check_description(each, "ARG", names);
  }

  void undefined(const Node& node) {
    const auto known = stage_->variables.names();
    const auto names = stage_->variables.undefined_in(node);
    for (const std::string& name : names) {
      const std::string_view meant = nearest(name, known, Case::counts);
      // GOPATH is no slip for PATH where the base may define it; letters in another order are one.
      if (stage_->variables.base_unknown() && !std::ranges::is_permutation(meant, name)) continue;
      warn("UndefinedVar", fmt::format("Usage of undefined variable '${}'{}", name,
                                       meant.empty() ? "" : fmt::format(" (did you mean ${}?)", meant)));
    }
  }

  void secret(std::string_view instruction, const std::string& name) {
    warn("SecretsUsedInArgOrEnv", fmt::format("Do not use ARG or ENV instructions for sensitive data ({} \"{}\")", instruction, name));
  }

  void pairs(const std::string& keyword, const std::vector<std::string>& args) {
    bool legacy = false;
    for (std::size_t at = 0; at + 2 < args.size(); at += 3) {
      legacy = legacy || args[at + 2].empty();
      if (keyword == "env" && names_a_secret(args[at])) secret("ENV", args[at]);
    }
    const std::string name = upper(keyword);
    if (legacy)
      warn("LegacyKeyValueFormat",
           fmt::format("\"{} key=value\" should be used instead of legacy \"{} key value\" format", name, name));
  }

  void only_last(const Instruction& each) {
    const std::string name = upper(each.node.keyword);
    if (each.node.keyword != "healthcheck" && !each.node.json && stage_ && !stage_->shell)
      warn("JSONArgsRecommended",
           fmt::format("JSON arguments recommended for {} to prevent unintended behavior related to OS signals", name));
    last_[name].push_back(each.node.place);
  }

  void end_stage() {
    for (const auto& [name, places] : last_)
      for (std::size_t n = 0; n + 1 < places.size(); ++n)
        warn_at(places[n], "MultipleInstructionsDisallowed",
                fmt::format("Multiple {} instructions should not be used in the same stage because only the last one will be used", name));
    last_.clear();
    if (stage_ && !stage_name_.empty()) stages_.insert_or_assign(stage_name_, *stage_);
    if (stage_) ++number_;
    stage_.reset();
  }

  void workdir(const std::string& path) {
    if (stage_ && !std::exchange(stage_->workdir_set, true) && !path.starts_with('/') && !path.starts_with('$')) {
      warn("WorkdirRelativePath", fmt::format("Relative workdir \"{}\" can have unexpected results if the base image changes", path));
    }
  }

  void expose(const std::vector<std::string>& ports) {
    for (const std::string& port : ports) {
      if (port.find('$') != std::string::npos) continue;
      const std::size_t slash = port.find('/');
      const std::string protocol = slash == std::string::npos ? "" : port.substr(slash + 1);
      if (protocol != lower(protocol))
        warn("ExposeProtoCasing", fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port));
      if (port.substr(0, slash).find(':') != std::string::npos)
        warn("ExposeInvalidFormat",
             fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, found '{}'", port));
    }
  }

  // Exceptions make it impossible to tell without the files: a directory may be left out and a file in it be taken.
  void copy(const Node& node) {
    if (around_.ignore == nullptr || around_.ignore->has_exceptions()) return;
    for (const std::string& flag : node.flags)
      if (flag.starts_with("--from=")) return;
    for (std::size_t n = 0; n + 1 < node.args.size(); ++n) {
      std::string_view source = node.args[n];
      if (source.find_first_of("$*?[") != std::string_view::npos || source.find("://") != std::string_view::npos ||
          source.starts_with("<<"))
        continue;
      while (source.starts_with("./") || source.starts_with('/')) source.remove_prefix(source.find('/') + 1);
      while (source.ends_with('/')) source.remove_suffix(1);
      // The context itself is left out where everything is: "*", not ".*".
      const bool whole = source.empty() || source == ".";
      if (whole ? around_.ignore->ignores("a") && around_.ignore->ignores("0~") : around_.ignore->ignores(source))
        warn("CopyIgnoredFile", fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore",
                                            node.keyword == "add" ? "Add" : "Copy", whole ? "." : source));
    }
  }

  struct Stage {
    StageVariables variables;
    bool shell = false;        // SHELL was given
    bool workdir_set = false;
  };

  const Lines& lines_;
  const LintSurroundings& around_;
  const LintOptions& options_;
  LintOptions here_;  // of the instruction at hand
  std::vector<LintWarning> warnings_;
  Place place_;
  Variables defaults_, globals_;  // before the first stage: without and with --build-arg
  std::map<std::string, Stage, std::less<>> stages_;
  std::optional<Stage> stage_;  // the one at hand
  std::string stage_name_;
  std::size_t number_ = 0;  // its number
  std::map<std::string, std::vector<Place>> last_;  // of this stage: instructions of which only the last counts
};

}  // namespace

std::vector<LintWarning> lint(const Lines& lines, const LintSurroundings& around, const LintOptions& options) {
  return Linter(lines, around, options).run();
}

}  // namespace acetate::dockerfile
