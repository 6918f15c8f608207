#include "cli/man_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace acetate::cli {

namespace {

std::string capitals(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// As a sentence.
std::string sentence(std::string text) {
  if (text.empty()) return text;
  text[0] = capitals(text.substr(0, 1))[0];
  if (!text.ends_with('.')) text += '.';
  return text;
}

std::string value_of(const DescribedOption& option) {
  if (!option.takes_value) return {};
  const std::string value = option.values.empty() ? fmt::format("\\fI{}\\fR", roff(option.value)) : roff(fmt::format("{}", fmt::join(option.values, "|")));
  return fmt::format(" {}{}", value, option.repeatable ? " ..." : "");
}

std::string heading_of(const DescribedOption& option) {
  std::string names;
  for (const std::string& name : option.names) names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
  return names + value_of(option);
}

}  // namespace

std::string roff(std::string_view text) {
  std::string out;
  bool begins_line = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (begins_line && (c == '.' || c == '\'')) out += "\\&";
    begins_line = c == '\n';
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      case '"': out += "\\(dq"; break;
      default: out += c;
    }
    // Where a long word may go on in the next line.
    if ((c == ',' || c == '|') && i + 1 < text.size() && text[i + 1] != ' ' && text[i + 1] != '\n') out += "\\:";
  }
  return out;
}

std::string man_page(const DescribedCommand& command) {
  const std::string& name = command.names.front();
  std::string names;
  for (const std::string& each : command.names) names += fmt::format("{}acetate\\-{}", names.empty() ? "" : ", ", roff(each));
  std::string page = fmt::format(
      ".\\\" Made of the command table (acetate {} --help says the same).\n"
      ".TH \"ACETATE-{}\" 1 \"\" \"acetate {}\" \"User Commands\"\n"
      ".nh\n.ad l\n"
      ".SH NAME\n{} \\- {}\n"
      ".SH SYNOPSIS\n\\fBacetate {}\\fR [\\fIoptions\\fR] {}\n"
      ".SH DESCRIPTION\n{}\n",
      name, capitals(name), ACETATE_VERSION, names, roff(command.help), roff(name), roff(command.synopsis), roff(sentence(command.help)));
  if (!command.more.empty()) page += fmt::format(".PP\n{}\n", roff(command.more));
  page += fmt::format(".PP\nAll of it, with examples and the environment, is told in\n.BR acetate (1),\nsection {}.\n", roff(capitals(name)));
  if (!command.arguments.empty()) page += ".SH ARGUMENTS\n";
  for (const DescribedArgument& argument : command.arguments) page += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(argument.name), roff(argument.help));
  page += ".SH OPTIONS\n";
  // Not made sentences of: many begin with a word that is to be typed as it stands.
  for (const DescribedOption& option : command.options) page += fmt::format(".TP\n{}\n{}\n", heading_of(option), roff(option.help));
  page += fmt::format(".SH EXIT STATUS\n{}\n.SH SEE ALSO\n.BR acetate (1)\n", roff(command.exit_status));
  return page;
}

}  // namespace acetate::cli
