// The syntax tree of a template, and its parser: for go_template.cc and go_template_functions.cc alone.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::cli::tmpl {

using Json = nlohmann::ordered_json;

struct Pipeline;

// One word of a command: a value, or the name of a function at its beginning.
struct Operand {
  enum class Kind { dot, variable, literal, function, group };
  Kind kind = Kind::dot;
  std::string name = {};                    // of a variable ("" is $) or function
  Json literal = {};
  std::shared_ptr<Pipeline> group = {};     // in parentheses
  std::vector<std::string> fields = {};     // .A.B behind any of them
};

using Command = std::vector<Operand>;

struct Pipeline {
  std::vector<std::string> assigns = {};  // $x := …; two in a range
  std::vector<Command> commands = {};
};

struct Node {
  enum class Kind { text, print, branch, range, with };
  Kind kind = Kind::text;
  std::string text = {};
  Pipeline pipeline = {};
  std::vector<Node> body = {}, otherwise = {};
};

Result<std::vector<Node>> parse_template(std::string_view text);
// Of what stands between {{ and }}, without the key word.
Result<Pipeline> parse_pipeline(std::string_view text);

// A function's value. ENOENT bare when there is none of that name.
Result<Json> call_function(const std::string& name, const std::vector<Json>& arguments);
// As Go prints a value: strings as they are, lists as [a b], objects as map[k:v].
std::string print_value(const Json& value);
bool is_true(const Json& value);

}  // namespace acetate::cli::tmpl
