#include "cli/go_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/rows.h"

namespace acetate::cli {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

Json sample() {
  return Json::parse(R"({"Id":"sha256:0123456789ab","Size":42,"On":true,"Off":false,"None":null,
    "RepoTags":["app:1","app:2"],"Empty":[],"Config":{"Env":["A=1"],"Labels":{"a.b":"x","c":"y"},"ExposedPorts":{"80/tcp":{}}}})");
}

std::string rendered(const std::string& text) {
  const auto parsed = GoTemplate::parse(text);
  if (!parsed) return "ERROR " + parsed.error().message();
  const auto out = parsed->render(sample());
  return out ? *out : "ERROR " + out.error().message();
}

TEST(GoTemplate, PrintsWhatScriptsAskFor) {
  const std::pair<const char*, const char*> rows[] = {
      {"plain", "plain"},
      {"{{.Id}}", "sha256:0123456789ab"},
      {"{{ .ID }}", "sha256:0123456789ab"},
      {"{{.Size}} {{.On}} {{.None}}", "42 true <nil>"},
      {"{{.RepoTags}}", "[app:1 app:2]"},
      {"{{.Config.Labels}}", "map[a.b:x c:y]"},
      {"{{.Config.ExposedPorts}}", "map[80/tcp:{}]"},
      {"{{json .RepoTags}}", R"(["app:1","app:2"])"},
      {"{{.Config.Env | json}}", R"(["A=1"])"},
      {"{{index .RepoTags 1}}", "app:2"},
      {R"({{index .Config.Labels "a.b"}})", "x"},
      {R"({{index .Config.Labels "none"}}.)", "."},
      {"{{(index .RepoTags 0)}}", "app:1"},
      {"{{range .RepoTags}}{{.}},{{end}}", "app:1,app:2,"},
      {"{{range .RepoTags}}{{println .}}{{end}}", "app:1\napp:2\n"},
      {"{{range $i, $e := .RepoTags}}{{$i}}={{$e}} {{end}}", "0=app:1 1=app:2 "},
      {"{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=x;c=y;"},
      {"{{range .Empty}}x{{else}}nothing{{end}}", "nothing"},
      {"{{range .RepoTags}}{{$.Size}}{{end}}", "4242"},
      {"{{if .On}}yes{{else}}no{{end}}{{if .Off}}yes{{else}}no{{end}}", "yesno"},
      {"{{if .Off}}a{{else if .On}}b{{else}}c{{end}}", "b"},
      {"{{if and .On (eq .Size 42)}}both{{end}}", "both"},
      {"{{if or .Off (gt .Size 50) (not .Off)}}one{{end}}", "one"},
      {"{{with .Config}}{{.Env}}{{end}}", "[A=1]"},
      {"{{$x := .Size}}{{$x}}", "42"},
      {R"({{join .RepoTags ", "}})", "app:1, app:2"},
      {R"({{index (split .Id ":") 1}})", "0123456789ab"},
      {"{{len .RepoTags}} {{len .Id}}", "2 19"},
      {"{{upper \"a\"}}{{lower \"B\"}}{{title \"one two\"}}", "AbOne Two"},
      {R"({{printf "%s|%-4d|%4d|%.3s|%q|%%" .Size .Size .Size .Id "x"}})", R"(42|42  |  42|sha|"x"|%)"},
      {"{{truncate .Id 6}}", "sha256"},
      {"a  {{- .Size -}}  b", "a42b"},
      {"{{/* nothing */}}x", "x"},
      {R"(a\tb\n)", "a\tb\n"},
      {R"({{print "a" "b" 1 2}})", "ab1 2"},
  };
  for (const auto& [text, out] : rows) EXPECT_EQ(rendered(text), out) << text;
}

TEST(GoTemplate, SaysWhatItDoesNotUnderstand) {
  EXPECT_THAT(rendered("{{.Nosuch}}"), HasSubstr("there is no field \"Nosuch\"; there are Id, Size"));
  EXPECT_THAT(rendered("{{.Size.X}}"), HasSubstr("no field \"X\" in 42"));
  EXPECT_THAT(rendered("{{frob .Id}}"), HasSubstr("there is no function \"frob\""));
  EXPECT_THAT(rendered("{{index .RepoTags 7}}"), HasSubstr("there is no element 7 in a list of 2"));
  for (const char* text : {"{{.Id", "{{if .On}}x", "{{end}}", "{{}}", "{{.Id | }}", "{{range}}x{{end}}", "{{\"x}}", "{{(.Id}}",
                           "{{$no}}", "{{.Id .Id}}", "{{.Id ,}}", "{{range .Size}}{{end}}", "{{printf 1}}", "{{lt .Id 1}}"})
    EXPECT_THAT(rendered(text), HasSubstr("ERROR --format: ")) << text;
  EXPECT_THAT(rendered(std::string(1000, '(')), std::string(1000, '('));
  EXPECT_THAT(rendered("{{" + std::string(1000, '(') + "}}"), HasSubstr("too many parentheses"));
}

TEST(Rows, AreATableJsonOrATemplateForEach) {
  const std::vector<Json> rows{{{"Name", "a"}, {"CreatedAt", "now"}}, {{"Name", "caf\xc3\xa9"}, {"CreatedAt", ""}}};
  const std::vector<Column> columns{{"Name", "THE NAME"}, {"CreatedAt", "CREATED"}};
  EXPECT_EQ(*format_rows(rows, columns, ""), "THE NAME   CREATED\na          now\ncaf\xc3\xa9\n");
  EXPECT_EQ(*format_rows(rows, columns, "", false), "a      now\ncaf\xc3\xa9\n");
  EXPECT_EQ(*format_rows(rows, {}, R"(table {{.CreatedAt}}\t{{.Name}})"), "CREATED AT   NAME\nnow          a\n             caf\xc3\xa9\n");
  EXPECT_EQ(*format_rows(rows, columns, "{{.Name}}"), "a\ncaf\xc3\xa9\n");
  EXPECT_EQ(Json::parse(*format_rows(rows, columns, "json")), Json(rows));
  EXPECT_EQ(*format_rows({}, columns, "json"), "[]\n");
}

}  // namespace
}  // namespace acetate::cli
