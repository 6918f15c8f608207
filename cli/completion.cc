#include "cli/completion.h"

#include <algorithm>

namespace acetate::cli {

namespace {

// Options whose value is a file or directory of ours; every other value is left to the person.
bool wants_path(const DescribedOption& option) {
  static const char* const kPaths[] = {"--volume", "--env-file", "--file", "--build-arg-file", "--ignorefile", "--logfile", "--output", "--input", "--iidfile", "--upper", "--work", "--device", "--authfile"};
  return std::ranges::any_of(option.names, [](const std::string& name) { return std::ranges::find(kPaths, name) != std::end(kPaths); });
}

std::string join(const std::vector<std::string>& words, const char* separator) { return fmt::format("{}", fmt::join(words, separator)); }

std::vector<std::string> all_names(const DescribedCommand& command) {
  std::vector<std::string> names;
  for (const auto& option : command.options) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

// In single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash(const std::vector<DescribedCommand>& commands) {
  std::string names, options, values;
  for (const auto& command : commands) {
    names += (names.empty() ? "" : " ") + join(command.names, " ");
    const std::string pattern = join(command.names, "|");
    options += fmt::format("    {}) words=\"{}\" ;;\n", pattern, join(all_names(command), " "));
    for (const auto& option : command.options) {
      if (!option.takes_value) continue;
      for (const auto& name : command.names)
        for (const auto& spelling : option.names)
          if (!option.values.empty())
            values += fmt::format("    {}:{}) COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")); return ;;\n", name, spelling, join(option.values, " "));
          else if (wants_path(option))
            values += fmt::format("    {}:{}) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", name, spelling);
    }
  }
  return fmt::format(
      "# bash completion for acetate\n"
      "_acetate() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= word words\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    case $word in -*) ;; *) command=$word; break ;; esac\n"
      "  done\n"
      "  if [ -z \"$command\" ]; then\n"
      "    COMPREPLY=($(compgen -W \"{} --help --version --verbose\" -- \"$cur\"))\n"
      "    return\n"
      "  fi\n"
      "  case $command:$prev in\n{}  esac\n"
      "  case $command in\n{}  esac\n"
      "  case $cur in\n"
      "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
      "  esac\n"
      "}}\n"
      "complete -o filenames -F _acetate acetate\n",
      names, values, options);
}

// A description in a zsh _arguments specification, where ':' and brackets mean something.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh(const std::vector<DescribedCommand>& commands) {
  std::string list, cases;
  for (const auto& command : commands) {
    for (const auto& name : command.names) list += fmt::format("    {}\n", quoted(name + ":" + zsh_text(command.help)));
    std::string specs;
    for (const auto& option : command.options) {
      std::string value;
      if (option.takes_value && !option.values.empty()) value = fmt::format(":value:({})", join(option.values, " "));
      else if (option.takes_value) value = wants_path(option) ? ":file:_files" : ":value:";
      for (const auto& name : option.names) specs += fmt::format(" \\\n        {}", quoted(fmt::format("*{}[{}]{}", name, zsh_text(option.help), value)));
    }
    cases += fmt::format("    {})\n      _arguments{} \\\n        '*:file:_files' ;;\n", join(command.names, "|"), specs);
  }
  return fmt::format(
      "#compdef acetate\n"
      "_acetate() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n{}  esac\n"
      "}}\n"
      "_acetate \"$@\"\n",
      list, cases);
}

std::string fish(const std::vector<DescribedCommand>& commands) {
  std::string names, lines;
  for (const auto& command : commands) {
    names += (names.empty() ? "" : " ") + join(command.names, " ");
    for (const auto& name : command.names) lines += fmt::format("complete -c acetate -f -n __acetate_needs_command -a {} -d {}\n", name, quoted(command.help));
    for (const auto& option : command.options) {
      std::string line = fmt::format("complete -c acetate -n '__fish_seen_subcommand_from {}'", join(command.names, " "));
      for (const auto& name : option.names) line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (option.takes_value) line += wants_path(option) ? " -r" : " -x";
      if (!option.values.empty()) line += " -a " + quoted(join(option.values, " "));
      lines += line + " -d " + quoted(option.help) + "\n";
    }
  }
  return fmt::format(
      "# fish completion for acetate\n"
      "function __acetate_needs_command\n"
      "  not __fish_seen_subcommand_from {}\n"
      "end\n{}",
      names, lines);
}

}  // namespace

Result<std::string> completion_script(const std::string& shell, const std::vector<DescribedCommand>& commands) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  return fail(EINVAL, "there is no completion for \"{}\": bash, zsh or fish", shell);
}

}  // namespace acetate::cli
