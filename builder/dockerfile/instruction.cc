// The grammar of each instruction: a node in, a typed instruction out.

#include <algorithm>
#include <cctype>
#include <charconv>

#include "builder/dockerfile/duration.h"
#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/parse.h"

namespace acetate::dockerfile {

namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

class InstructionParser {
 public:
  InstructionParser(const Node& node, const SourceText& source)
      : node_(node), source_(source), flags_(node, source) {}

  using What = decltype(Instruction::what);

  Result<What> run() {
    What what = TRY(parse());
    TRY(flags_.done());
    return what;
  }

 private:
  Result<What> parse() {
    const std::string& keyword = node_.keyword;
    if (keyword == "arg") return TRY(arg());
    if (keyword == "env") return Env{TRY(names_and_values())};
    if (keyword == "label") return Label{TRY(names_and_values())};
    if (keyword == "run") return TRY(run_());
    if (keyword == "copy" || keyword == "add") return TRY(copy(keyword == "add"));
    if (keyword == "workdir") return Workdir{TRY(one())};
    if (keyword == "user") return User{TRY(one())};
    if (keyword == "stopsignal") return StopSignal{TRY(one())};
    if (keyword == "maintainer") return Maintainer{TRY(one())};
    if (keyword == "expose") return Expose{TRY(at_least_one())};
    if (keyword == "volume") return TRY(volume());
    if (keyword == "cmd") return Cmd{command()};
    if (keyword == "entrypoint") return Entrypoint{command()};
    if (keyword == "shell") return TRY(shell());
    if (keyword == "healthcheck") return TRY(health_check());
    if (keyword == "onbuild") return TRY(on_build());
    return complain(node_.original, fmt::format("{} cannot stand here", upper(keyword)));
  }

  Result<What> arg() {
    Arg arg;
    for (const std::string& word : TRY(at_least_one())) {
      const std::size_t equals = word.find('=');
      Arg::One one{.name = word.substr(0, equals), .value = std::nullopt};
      if (equals != std::string::npos) one.value = word.substr(equals + 1);
      if (one.name.empty()) return complain(word, "ARG names can not be blank");
      arg.args.push_back(std::move(one));
    }
    return arg;
  }

  Result<std::vector<NameValue>> names_and_values() {
    TRY(at_least_one());
    std::vector<NameValue> values;
    for (std::size_t at = 0; at + 2 < node_.args.size(); at += 3) {
      if (node_.args[at].empty()) return complain("=", fmt::format("{} names can not be blank", upper(node_.keyword)));
      values.push_back({node_.args[at], node_.args[at + 1]});
    }
    return values;
  }

  Result<What> run_() {
    Run run;
    run.mounts = TRY(flags_.values("mount"));
    run.network = TRY(flags_.value("network"));
    run.security = TRY(flags_.value("security"));
    run.devices = TRY(flags_.values("device"));
    TRY(at_least_one());
    run.command = command();
    run.heredocs = node_.heredocs;
    return run;
  }

  Result<What> copy(bool add) {
    Copy copy;
    copy.add = add;
    copy.chown = TRY(flags_.value("chown"));
    copy.chmod = TRY(flags_.value("chmod"));
    copy.link = TRY(flags_.boolean("link")).value_or(false);
    copy.excludes = TRY(flags_.values("exclude"));
    if (add) {
      copy.checksum = TRY(flags_.value("checksum"));
      copy.keep_git_dir = TRY(flags_.boolean("keep-git-dir")).value_or(false);
      copy.unpack = TRY(flags_.boolean("unpack"));
    } else {
      copy.from = TRY(flags_.value("from"));
      copy.parents = TRY(flags_.boolean("parents")).value_or(false);
    }
    std::vector<std::string> words = node_.args;
    if (words.size() < 2)
      return complain(node_.original, fmt::format("{} requires at least two arguments, but only one was provided. Destination could not be determined",
                                                   upper(node_.keyword)));
    copy.dest = std::move(words.back());
    words.pop_back();
    std::size_t heredoc = 0;
    for (std::string& word : words) {
      if (heredoc < node_.heredocs.size() && parse_heredoc_word(word)) {
        copy.inline_files.push_back(node_.heredocs[heredoc++]);
      } else {
        copy.sources.push_back(std::move(word));
      }
    }
    if (heredoc < node_.heredocs.size())
      return complain("<<", fmt::format("{} cannot accept a heredoc as a destination", upper(node_.keyword)));
    return copy;
  }

  Result<What> volume() {
    Volume volume{TRY(at_least_one())};
    for (const std::string& path : volume.paths)
      if (path.find_first_not_of(" \t") == std::string::npos) return complain("\"\"", "VOLUME specified can not be an empty string");
    return volume;
  }

  Result<What> shell() {
    if (!node_.json || node_.args.empty())
      return complain(node_.rest, "SHELL requires the arguments to be in JSON form: SHELL [\"program\", \"flag\"]");
    return Shell{node_.args};
  }

  Result<What> health_check() {
    Healthcheck check;
    const std::string type = upper(TRY(at_least_one()).front());
    if (type == "NONE") {
      if (node_.args.size() > 1) return complain(node_.args[1], "HEALTHCHECK NONE takes no arguments");
      check.none = true;
      return check;
    }
    if (type != "CMD")
      return complain(node_.args.front(), fmt::format("Unknown type \"{}\" in HEALTHCHECK (try CMD, or NONE)", type));
    check.interval = TRY(duration("interval"));
    check.timeout = TRY(duration("timeout"));
    check.start_period = TRY(duration("start-period"));
    check.start_interval = TRY(duration("start-interval"));
    check.retries = TRY(retries());
    check.command = {.shell = !node_.json, .words = {node_.args.begin() + 1, node_.args.end()}};
    if (check.command.words.empty() || check.command.words.front().empty())
      return complain(node_.args.front(), "Missing command after HEALTHCHECK CMD");
    return check;
  }

  Result<std::chrono::nanoseconds> duration(std::string_view name) {
    const auto text = TRY(flags_.value(name));
    if (!text) return std::chrono::nanoseconds(0);
    const auto value = parse_duration(*text);
    if (!value)
      return complain("--" + std::string(name), fmt::format("--{} wants a duration such as 30s or 1m30s, not \"{}\"", name, *text));
    if (value->count() != 0 && *value < std::chrono::milliseconds(1))
      return complain("--" + std::string(name), fmt::format("Interval \"{}\" cannot be less than 1ms, unless it is 0", name));
    return *value;
  }

  Result<int> retries() {
    const auto text = TRY(flags_.value("retries"));
    if (!text) return 0;
    int value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size())
      return complain("--retries", fmt::format("--retries wants a number, not \"{}\"", *text));
    if (value < 0) return complain("--retries", fmt::format("--retries cannot be negative ({})", value));
    return value;
  }

  Result<What> on_build() {
    if (node_.trigger.empty()) return complain(node_.original, "ONBUILD requires at least one argument: an instruction");
    const Node& inner = node_.trigger.front();
    if (inner.keyword == "onbuild") return complain(inner.original, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (inner.keyword == "from" || inner.keyword == "maintainer")
      return complain(inner.original, fmt::format("{} isn't allowed as an ONBUILD trigger", upper(inner.keyword)));
    TRY(parse_instruction(inner, source_));
    std::string text = inner.original;
    for (const Heredoc& heredoc : inner.heredocs) text += "\n" + heredoc.content + heredoc.name;
    return Onbuild{std::move(text)};
  }

  CommandLine command() const { return {.shell = !node_.json, .words = node_.args}; }

  Result<std::vector<std::string>> at_least_one() const {
    if (node_.args.empty())
      return complain(node_.original, fmt::format("{} requires at least one argument", upper(node_.keyword)));
    return node_.args;
  }

  Result<std::string> one() const {
    if (node_.args.size() != 1)
      return complain(node_.original, fmt::format("{} requires exactly one argument", upper(node_.keyword)));
    return node_.args.front();
  }

  Error complain(std::string_view at, std::string_view words) const {
    return source_.parse_error(node_.place, at, words);
  }

  const Node& node_;
  const SourceText& source_;
  Flags flags_;
};

}  // namespace

Result<Instruction> parse_instruction(const Node& node, const SourceText& source) {
  auto what = TRY(InstructionParser(node, source).run());
  return Instruction{.place = node.place, .original = node.original, .what = std::move(what)};
}

}  // namespace acetate::dockerfile
