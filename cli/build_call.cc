#include "cli/build_call.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/base64.h"
#include "builder/dockerfile/csv.h"
#include "builder/questions.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string written(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json location(dockerfile::Place place) {
  return {{"ranges", Json::array({{{"start", {{"line", place.first}}}, {"end", {{"line", place.last}}}}})}};
}

// What is empty is not told.
void add(Json& into, const char* key, const std::string& value) {
  if (!value.empty()) into[key] = value;
}

// Rows with their columns below one another, `gap` blanks between.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t gap) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t n = 0; n < row.size(); ++n) widths[n] = std::max(widths[n], row[n].size());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t n = 0; n < row.size(); ++n) text += fmt::format("{:<{}}", row[n], n + 1 < row.size() ? widths[n] + gap : row[n].size());
    text += "\n";
  }
  return text;
}

std::string check_text(const build::CheckReport& report) {
  const std::size_t count = report.warnings.size();
  std::string text = count == 0 ? "Check complete, no warnings found.\n"
                                : fmt::format("Check complete, {} warning{} been found!\n", count, count == 1 ? " has" : "s have");
  for (const dockerfile::LintWarning& warning : report.warnings) text += "\n" + format_warning(warning, report.source);
  if (report.mistake) text += "\n" + *report.mistake + "\n";
  return text;
}

std::string check_json(const build::CheckReport& report) {
  Json value{{"warnings", Json::array()}};
  for (const dockerfile::LintWarning& warning : report.warnings) {
    Json one{{"ruleName", warning.rule}};
    add(one, "description", std::string(warning.description()));
    add(one, "url", warning.url());
    add(one, "detail", warning.text);
    one["location"] = location(warning.place);
    value["warnings"].push_back(std::move(one));
  }
  value["sources"] = Json::array({{{"filename", report.source.name}, {"data", base64_encode(report.text)}, {"language", "Dockerfile"}}});
  if (report.mistake) {
    const auto [words, line] = dockerfile::read_complaint(report.source, *report.mistake);
    value["buildError"] = {{"message", words}, {"location", line == 0 ? Json::object() : location({line, line})}};
  }
  return written(value);
}

std::string outline_text(const build::Outline& outline) {
  std::string text;
  if (!outline.name.empty() || !outline.description.empty()) {
    std::vector<std::vector<std::string>> head{{"TARGET:", outline.name.empty() ? "(default)" : outline.name}};
    if (!outline.description.empty()) head.push_back({"DESCRIPTION:", outline.description});
    text += table(head, 1) + "\n";
  }
  std::vector<std::vector<std::string>> rows{{"BUILD ARG", "VALUE", "DESCRIPTION"}};
  for (const auto& argument : outline.arguments) rows.push_back({argument.name, argument.value, argument.description});
  if (rows.size() > 1) text += table(rows, 3) + "\n";
  for (const auto& [title, needs] : {std::pair{"SECRET", &outline.secrets}, std::pair{"SSH", &outline.agents}}) {
    rows = {{title, "REQUIRED"}};
    for (const auto& need : *needs) rows.push_back({need.name, need.required ? "true" : ""});
    if (rows.size() > 1) text += table(rows, 3) + "\n";
  }
  return text;
}

std::string outline_json(const build::OutlineReport& report) {
  const build::Outline& outline = report.outline;
  Json value = Json::object();
  add(value, "name", outline.name);
  add(value, "description", outline.description);
  for (const auto& argument : outline.arguments) {
    Json one{{"name", argument.name}};
    add(one, "description", argument.description);
    add(one, "value", argument.value);
    one["location"] = location(argument.place);
    value["args"].push_back(std::move(one));
  }
  for (const auto& [key, needs] : {std::pair{"secrets", &outline.secrets}, std::pair{"ssh", &outline.agents}}) {
    for (const auto& need : *needs) {
      Json one{{"name", need.name}};
      if (need.required) one["required"] = true;
      one["location"] = location(need.place);
      value[key].push_back(std::move(one));
    }
  }
  value["sources"] = Json::array({base64_encode(report.text)});
  return written(value);
}

std::string targets_text(const std::vector<build::Target>& targets) {
  std::vector<std::vector<std::string>> rows{{"TARGET", "DESCRIPTION"}};
  for (const build::Target& target : targets) {
    std::string name = target.name;
    if (target.is_default) name += name.empty() ? "(default)" : " (default)";
    rows.push_back({std::move(name), target.description});
  }
  return table(rows, 1);
}

std::string targets_json(const build::TargetsReport& report) {
  Json value{{"targets", Json::array()}};
  for (const build::Target& target : report.targets) {
    Json one = Json::object();
    add(one, "name", target.name);
    if (target.is_default) one["default"] = true;
    add(one, "description", target.description);
    add(one, "base", target.base);
    add(one, "platform", target.platform);
    one["location"] = location(target.place);
    value["targets"].push_back(std::move(one));
  }
  value["sources"] = Json::array({base64_encode(report.text)});
  return written(value);
}

// By BuildKit's names for them.
struct Known {
  const char *name, *description;
  bool by_target = false;  // --target makes a difference to the answer, which BuildKit says of one
  bool has_status = false;
};
constexpr Known kQuestions[] = {{"frontend.lint", "Lint a Dockerfile", false, true},
                                {"frontend.outline", "List all parameters current build target supports", true},
                                {"frontend.subrequests.describe", "List available subrequest types"},
                                {"frontend.targets", "List all targets current build supports"}};
constexpr const char* kVersion = "1.0.0";

std::string questions_text() {
  std::vector<std::vector<std::string>> rows{{"NAME", "VERSION", "DESCRIPTION"}};
  for (const Known& question : kQuestions) rows.push_back({question.name, kVersion, question.description});
  return table(rows, 2);
}

std::string questions_json() {
  const auto named = [](const char* name, const char* description = "") { return Json{{"name", name}, {"description", description}}; };
  Json value = Json::array();
  for (const Known& question : kQuestions) {
    Json one{{"name", question.name}, {"version", kVersion}, {"type", "rpc"}, {"description", question.description}};
    for (const char* list : {"opts", "inputs", "metadata", "refs"}) one[list] = Json::array();
    if (question.by_target) one["opts"].push_back(named("target", "Target build stage"));
    one["metadata"] = {named("result.json"), named("result.txt")};
    if (question.has_status) one["metadata"].push_back(named("result.statuscode"));
    value.push_back(std::move(one));
  }
  return written(value);
}

}  // namespace

Result<Call> parse_call(const std::string& text) {
  using Question = Call::Question;
  Call call;
  const auto fields = TRY(dockerfile::split_csv(text));
  for (const std::string& field : fields) {
    if (field == "format=json") call.json = true;
    else if (field == "format=text") call.json = false;
    else if (field == "build") call.question = Question::none;
    else if (field == "check" || field == "lint") call.question = Question::check;
    else if (field == "outline") call.question = Question::outline;
    else if (field == "targets") call.question = Question::targets;
    else if (field == "subrequests.describe") call.question = Question::questions;
    else return fail(EINVAL, "--call knows build, check, outline, targets and subrequests.describe, each with format=text or format=json; not \"{}\"", field);
  }
  return call;
}

Result<bool> answer(const Call& call, const build::BuildOptions& build, std::ostream& out) {
  if (call.question == Call::Question::questions) {
    out << (call.json ? questions_json() : questions_text());
    return true;
  }
  if (call.question == Call::Question::outline) {
    const auto report = TRY(build::outline(build));
    out << (call.json ? outline_json(report) : outline_text(report.outline));
    return true;
  }
  if (call.question == Call::Question::targets) {
    const auto report = TRY(build::targets(build));
    out << (call.json ? targets_json(report) : targets_text(report.targets));
    return true;
  }
  const auto report = TRY(build::check(build));
  if (report.mistake && report.warnings.empty() && !call.json) return fail(EINVAL, "{}", *report.mistake);
  out << (call.json ? check_json(report) : check_text(report));
  return report.clean();
}

}  // namespace acetate::cli
