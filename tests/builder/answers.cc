// What this builder makes of one word, line, pattern or name after another: a line of JSON is a question, a line of JSON the answer. corpora.py asks it
// for every row of the tables that other projects test their parsers with, which are no part of this repository.
//
//   {"ask": "expand", "text": "${V:-w}", "env": {"V": "x"}}   {"value": "x", "found": ["V"], "missing": []}   or {"error": "words"}
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/json_array.h"
#include "builder/dockerfile/parse.h"
#include "builder/dockerfile/words.h"
#include "builder/frontend.h"
#include "builder/git_ref.h"
#include "builder/plan.h"
#include "layers/image/config.h"
#include "layers/image/reference.h"
#include "tests/builder/dockerfile/dump.h"

namespace acetate {
namespace {

using nlohmann::json;

std::string text_of(const json& question) { return question.value("text", ""); }

// Answers with `make(value)`, or with the error.
template <class T, class Make>
json answer(const Result<T>& result, Make make) {
  if (!result) return {{"error", result.error().message()}};
  return make(*result);
}

struct Environment {
  explicit Environment(const json& question) : values(question.value("env", std::map<std::string, std::string>())) {}
  dockerfile::Lookup lookup() {
    return [this](std::string_view name) -> std::optional<std::string> {
      const auto at = values.find(std::string(name));
      (at == values.end() ? missing : found).emplace(name);
      return at == values.end() ? std::nullopt : std::optional(at->second);
    };
  }
  std::map<std::string, std::string> values;
  std::set<std::string> found, missing;
};

dockerfile::WordOptions options_of(const json& question) {
  return {.raw_quotes = question.value("raw_quotes", false), .skip_unset = question.value("skip_unset", false)};
}

json expand(const json& question) {
  Environment environment(question);
  return answer(dockerfile::expand(text_of(question), environment.lookup(), options_of(question)), [&](const std::string& value) {
    return json{{"value", value}, {"found", environment.found}, {"missing", environment.missing}};
  });
}

json words(const json& question) {
  Environment environment(question);
  return answer(dockerfile::expand_words(text_of(question), environment.lookup(), options_of(question)),
                [](const std::vector<std::string>& all) { return json{{"value", all}}; });
}

json tree(const json& question) {
  return answer(dockerfile::dump(text_of(question)), [](const std::string& value) { return json{{"value", value}}; });
}

json heredocs_of(const std::vector<dockerfile::Heredoc>& heredocs) {
  json all = json::array();
  for (const auto& doc : heredocs)
    all.push_back({{"name", doc.name}, {"content", doc.content}, {"expand", doc.expand}, {"chomp", doc.chomp}, {"fd", doc.fd}});
  return all;
}

json lines(const json& question) {
  return answer(dockerfile::split_lines(text_of(question), "Dockerfile"), [](const dockerfile::Lines& file) {
    json all = json::array();
    for (const auto& line : file.lines)
      all.push_back({{"first", line.place.first}, {"last", line.place.last}, {"text", line.text}, {"empty", line.empty_line != 0},
                     {"heredocs", heredocs_of(line.heredocs)}, {"comments", line.comments}});
    return json{{"lines", all}, {"syntax", file.directives.syntax.value_or("")}, {"check", file.directives.check.value_or("")},
                {"escape", std::string(1, file.directives.escape)}};
  });
}

json heredoc(const json& question) {
  const auto doc = dockerfile::parse_heredoc_word(text_of(question));
  return doc ? json{{"name", doc->name}} : json{{"name", nullptr}};
}

// The instructions of the only stage; with "plan", the configuration that they come to as well.
json parse(const json& question) {
  return answer(dockerfile::parse(text_of(question), "Dockerfile"), [&](const dockerfile::Dockerfile& file) {
    json all = json::array();
    for (const auto& one : file.stages.at(0).body) {
      if (const auto* copy = std::get_if<dockerfile::Copy>(&one.what))
        all.push_back({{"sources", copy->sources}, {"dest", copy->dest}, {"files", heredocs_of(copy->inline_files)}});
      else if (const auto* run = std::get_if<dockerfile::Run>(&one.what))
        all.push_back({{"shell", run->command.shell}, {"words", run->command.words}, {"files", heredocs_of(run->heredocs)}});
      else
        all.push_back(json::object());
    }
    json out{{"instructions", all}};
    if (!question.value("plan", false)) return out;
    const build::Strings none;
    const auto scope = build::GlobalScope::make(file, none, image::host_platform(), "");
    if (!scope) return json{{"error", scope.error().message()}};
    return answer(build::plan_stage(file, 0, image::empty_config(image::host_platform()), build::StageArgs(*scope, none), {}),
                  [&](const build::PlannedStage& stage) { return out["ports"] = stage.config.exposed_ports, out; });
  });
}

json ignore(const json& question) {
  return answer(dockerfile::IgnoreRules::parse(text_of(question)),
                [&](const dockerfile::IgnoreRules& rules) { return json{{"value", rules.ignores(question.value("path", ""))}}; });
}

json reference(const json& question) {
  return answer(image::parse_reference(text_of(question)), [](const image::Reference& name) {
    return json{{"registry", name.registry}, {"repository", name.repository}, {"tag", name.tag}, {"digest", name.digest ? name.digest->str() : ""},
                {"str", name.str()}, {"familiar", name.familiar_name()}};
  });
}

json git(const json& question) {
  return answer(build::parse_git_ref(text_of(question)), [](const std::optional<build::GitRef>& ref) {
    if (!ref) return json{{"remote", nullptr}};
    return json{{"remote", ref->remote}, {"ref", ref->ref}, {"subdir", ref->subdir}, {"checksum", ref->checksum}};
  });
}

json exec_form(const json& question) {
  const auto array = dockerfile::parse_json_array(text_of(question));
  constexpr const char* kKinds[] = {"none", "mixed", "strings"};
  return {{"kind", kKinds[static_cast<int>(array.kind)]}, {"items", array.items}};
}

// The flags of one instruction that knows those of "values" and "booleans".
json flags(const json& question) {
  const dockerfile::Node node{.place = {1, 1}, .flags = question.value("flags", std::vector<std::string>())};
  const dockerfile::SourceText source{.name = "Dockerfile", .lines = {""}};
  dockerfile::Flags all(node, source);
  json out = json::object();
  for (const std::string& name : question.value("values", std::vector<std::string>())) {
    const auto value = all.value(name);
    if (!value) return {{"error", value.error().message()}};
    if (*value) out[name] = **value;
  }
  for (const std::string& name : question.value("booleans", std::vector<std::string>())) {
    const auto value = all.boolean(name);
    if (!value) return {{"error", value.error().message()}};
    if (*value) out[name] = **value;
  }
  if (const auto done = all.done(); !done) return {{"error", done.error().message()}};
  return {{"value", out}};
}

json reply(const json& question) {
  static const std::map<std::string, json (*)(const json&)> kAnswers = {
      {"expand", expand}, {"words", words}, {"tree", tree},           {"lines", lines}, {"heredoc", heredoc},     {"parse", parse},
      {"ignore", ignore}, {"git", git},     {"reference", reference}, {"flags", flags}, {"exec_form", exec_form}};
  const auto at = kAnswers.find(question.value("ask", ""));
  return at == kAnswers.end() ? json{{"error", "no such question"}} : at->second(question);
}

}  // namespace
}  // namespace acetate

int main() {
  for (std::string line; std::getline(std::cin, line);)
    std::cout << acetate::reply(nlohmann::json::parse(line)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}
