#include "builder/dockerfile/lint.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

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
         !has_part(name, {"public"});
}

struct Instruction {
  std::string word;  // as written
  Node node;
};

class Linter {
 public:
  Linter(const Lines& lines, const IgnoreRules& ignore, const LintOptions& options)
      : lines_(lines), ignore_(ignore), options_(options) {}

  std::vector<LintWarning> run() {
    if (options_.skip_all) return {};
    std::vector<Instruction> all;
    for (const Line& line : lines_.lines) {
      auto node = parse_line(line, lines_.source, lines_.directives.escape);
      if (!node) return {};
      all.push_back({node->original.substr(0, node->original.find_first_of(" \t")), *std::move(node)});
    }
    check_casing(all);
    for (const Instruction& each : all) {
      place_ = each.node.place;
      check(each);
    }
    end_stage();
    std::stable_sort(warnings_.begin(), warnings_.end(),
                     [](const LintWarning& a, const LintWarning& b) { return a.place.first < b.place.first; });
    return std::move(warnings_);
  }

 private:
  void warn(std::string_view rule, std::string text) { warn_at(place_, rule, std::move(text)); }
  void warn_at(Place place, std::string_view rule, std::string text) {
    if (!options_.skip.contains(rule)) warnings_.push_back({std::string(rule), std::move(text), place});
  }

  void check_casing(const std::vector<Instruction>& all) {
    std::ptrdiff_t balance = 0;
    for (const Instruction& each : all) balance += each.word == lower(each.word) ? 1 : each.word == upper(each.word) ? -1 : 0;
    for (const Instruction& each : all)
      if (each.word != (balance > 0 ? lower(each.word) : upper(each.word)))
        warn_at(each.node.place, "ConsistentInstructionCasing",
                fmt::format("Command '{}' should match the case of the command majority ({})", each.word,
                            balance > 0 ? "lowercase" : "uppercase"));
  }

  void check(const Instruction& each) {
    const std::string& keyword = each.node.keyword;
    const auto& args = each.node.args;
    if (keyword == "from") return from(each);
    if (keyword == "arg") return arg(args);
    if (keyword == "maintainer") warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label");
    if (keyword == "env" || keyword == "label") pairs(keyword, args);
    if (keyword == "cmd" || keyword == "entrypoint" || keyword == "healthcheck") only_last(each);
    if (keyword == "shell") shell_ = true;
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
    }
    for (const std::string& flag : each.node.flags)
      if (flag.starts_with("--platform=")) platform(flag.substr(11), name);
    // What a stage has from the one it is built on.
    const auto base = stages_.find(lower(args.front()));
    workdir_set_ = base != stages_.end() && base->second;
    stage_ = name;
    in_stage_ = true;
  }

  void platform(const std::string& value, const std::string& stage) {
    if (value == "$TARGETPLATFORM" || value == "${TARGETPLATFORM}") {
      warn("RedundantTargetPlatform",
           fmt::format("Setting platform to predefined {} in FROM is redundant as this is the default behavior", value));
    } else if (value.find('$') == std::string::npos) {
      // A stage that is named for its platform is meant to be for that one only.
      for (std::size_t at = 0; at <= value.size();) {
        const std::size_t end = std::min(value.find('/', at), value.size());
        if (end > at && stage.find(value.substr(at, end - at)) != std::string::npos) return;
        at = end + 1;
      }
      warn("FromPlatformFlagConstDisallowed", fmt::format("FROM --platform flag should not use constant value \"{}\"", value));
    }
  }

  // Variables of FROM are those before the first stage.
  void check_base(const std::string& base) {
    std::vector<std::string> unknown;
    const Lookup look_up = [&](std::string_view name) -> std::optional<std::string> {
      const auto found = globals_.find(name);
      if (found != globals_.end()) return found->second;
      if (!name.starts_with("BUILD") && !name.starts_with("TARGET")) unknown.emplace_back(name);
      return std::nullopt;
    };
    const auto expanded = expand(base, look_up, {.escape = lines_.directives.escape});
    for (const std::string& name : unknown) warn("UndefinedArgInFrom", fmt::format("FROM argument '{}' is not declared", name));
    if (unknown.empty() && base.find('$') != std::string::npos &&
        (!expanded || expanded->empty() || expanded->starts_with(':') || expanded->ends_with(':') || expanded->ends_with('/')))
      warn("InvalidDefaultArgInFrom", fmt::format("Default value for ARG {} results in empty or invalid base image name", base));
  }

  void arg(const std::vector<std::string>& args) {
    for (const std::string& text : args) {
      const std::size_t equals = text.find('=');
      const std::string name = text.substr(0, equals);
      if (names_a_secret(name)) secret("ARG", name);
      if (in_stage_) continue;
      std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
      const Lookup look_up = [&](std::string_view known) -> std::optional<std::string> {
        const auto found = globals_.find(known);
        return found == globals_.end() ? std::nullopt : std::optional(found->second);
      };
      if (auto expanded = expand(value, look_up, {.escape = lines_.directives.escape})) value = *std::move(expanded);
      globals_[name] = value;
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
    if (each.node.keyword != "healthcheck" && !each.node.json && !shell_)
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
    shell_ = false;
    if (!stage_.empty()) stages_[stage_] = workdir_set_;
    stage_.clear();
  }

  void workdir(const std::string& path) {
    if (path.starts_with('/') || path.starts_with('$')) {
      workdir_set_ = true;
    } else if (!workdir_set_) {
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

  void copy(const Node& node) {
    for (const std::string& flag : node.flags)
      if (flag.starts_with("--from=")) return;
    for (std::size_t n = 0; n + 1 < node.args.size(); ++n) {
      std::string_view source = node.args[n];
      if (source.find_first_of("$*?[") != std::string_view::npos || source.find("://") != std::string_view::npos ||
          source.starts_with("<<"))
        continue;
      while (source.starts_with("./") || source.starts_with('/')) source.remove_prefix(source.find('/') + 1);
      while (source.ends_with('/')) source.remove_suffix(1);
      if (!source.empty() && source != "." && ignore_.ignores(source))
        warn("CopyIgnoredFile", fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore",
                                            node.keyword == "add" ? "Add" : "Copy", node.args[n]));
    }
  }

  const Lines& lines_;
  const IgnoreRules& ignore_;
  const LintOptions& options_;
  std::vector<LintWarning> warnings_;
  Place place_;
  std::map<std::string, std::string, std::less<>> globals_;
  std::map<std::string, bool> stages_;  // by name: whether an absolute WORKDIR was given
  std::string stage_;
  bool in_stage_ = false, shell_ = false, workdir_set_ = false;
  std::map<std::string, std::vector<Place>> last_;  // of this stage: instructions of which only the last counts
};

}  // namespace

std::string LintWarning::url() const {
  std::string page;
  for (std::size_t at = 0; at < rule.size(); ++at) {
    const auto is_upper = [&](std::size_t where) { return where < rule.size() && std::isupper(static_cast<unsigned char>(rule[where])) != 0; };
    // "JSONArgs" is "json-args".
    if (at > 0 && is_upper(at) && (!is_upper(at - 1) || (at + 1 < rule.size() && !is_upper(at + 1)))) page += '-';
    page += static_cast<char>(std::tolower(static_cast<unsigned char>(rule[at])));
  }
  return fmt::format("https://docs.docker.com/go/dockerfile/rule/{}/", page);
}

Result<LintOptions> parse_check(std::string_view text) {
  LintOptions options;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    const std::size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals), value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
    if (key == "skip" && value == "all") {
      options.skip_all = true;
    } else if (key == "skip") {
      for (std::size_t at = 0; at <= value.size();) {
        const std::size_t comma = std::min(value.find(',', at), value.size());
        options.skip.emplace(value.substr(at, comma - at));
        at = comma + 1;
      }
    } else if (key == "error" && (value == "true" || value == "false")) {
      options.error = value == "true";
    } else if (key != "experimental") {
      return fail(EINVAL, "check knows skip=RULE,…, skip=all and error=true, not \"{}\"", part);
    }
  }
  return options;
}

std::vector<LintWarning> lint(const Lines& lines, const IgnoreRules& ignore, const LintOptions& options) {
  return Linter(lines, ignore, options).run();
}

std::string format_warning(const LintWarning& warning, const SourceText& source) {
  return fmt::format("WARNING: {} - {}\n{}\n{}:{}\n{}\n", warning.rule, warning.url(), warning.text, source.name, warning.place.first,
                     source.excerpt(warning.place));
}

}  // namespace acetate::dockerfile
