#include "cli/go_template.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "cli/go_template_syntax.h"

namespace acetate::cli {

namespace {

using tmpl::Json;
using tmpl::Node;
using tmpl::Operand;
using tmpl::Pipeline;
using Variables = std::map<std::string, Json>;

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string names_in(const Json& object) {
  std::string out;
  for (const auto& [name, value] : object.items()) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// Maps that came from an image (labels) may lack anything; our own objects have what they have.
Result<Json> field(const Json& value, const std::string& name) {
  if (value.is_null()) return Json("");
  if (!value.is_object()) return fail(EINVAL, "--format: there is no field \"{}\" in {}", name, tmpl::print_value(value));
  if (const auto exact = value.find(name); exact != value.end()) return *exact;
  for (const auto& [key, each] : value.items())
    if (same_letters(key, name)) return each;
  return fail(EINVAL, "--format: there is no field \"{}\"; there are {}", name, names_in(value));
}

class Renderer {
 public:
  explicit Renderer(const Json& top) : variables_{{"", top}} {}

  Result<void> nodes(const std::vector<Node>& list, const Json& dot, std::string& out) {
    for (const auto& node : list) TRY(one(node, dot, out));
    return {};
  }

 private:
  Result<void> one(const Node& node, const Json& dot, std::string& out) {
    if (node.kind == Node::Kind::text) {
      out += node.text;
      return {};
    }
    if (node.kind == Node::Kind::range) return range(node, dot, out);
    const Json value = TRY(pipeline(node.pipeline, dot));
    if (node.kind == Node::Kind::print) {
      if (node.pipeline.assigns.empty()) out += tmpl::print_value(value);
      return {};
    }
    const bool yes = tmpl::is_true(value);
    return nodes(yes ? node.body : node.otherwise, yes && node.kind == Node::Kind::with ? value : dot, out);
  }

  Result<void> range(const Node& node, const Json& dot, std::string& out) {
    Pipeline plain{.commands = node.pipeline.commands};
    const Json value = TRY(pipeline(plain, dot));
    if (!value.is_structured() && !value.is_null())
      return fail(EINVAL, "--format: range wants a list or a map, not {}", tmpl::print_value(value));
    if (value.empty()) return nodes(node.otherwise, dot, out);
    const auto& assigns = node.pipeline.assigns;
    std::size_t number = 0;
    for (const auto& [key, each] : value.items()) {
      if (assigns.size() == 2) variables_[assigns[0]] = value.is_object() ? Json(key) : Json(number);
      if (!assigns.empty()) variables_[assigns.back()] = each;
      ++number;
      TRY(nodes(node.body, each, out));
    }
    return {};
  }

  Result<Json> pipeline(const Pipeline& pipeline, const Json& dot) {
    Json value;
    bool is_first = true;
    for (const auto& command : pipeline.commands) {
      value = TRY(run(command, dot, is_first ? nullptr : &value));
      is_first = false;
    }
    for (const auto& name : pipeline.assigns) variables_[name] = value;
    return value;
  }

  // `piped` becomes the last argument.
  Result<Json> run(const tmpl::Command& command, const Json& dot, const Json* piped) {
    const Operand& first = command[0];
    if (first.kind != Operand::Kind::function) {
      if (command.size() > 1 || piped != nullptr)
        return fail(EINVAL, "--format: a value is used as if it were a function");
      return operand(first, dot);
    }
    std::vector<Json> arguments;
    for (std::size_t i = 1; i < command.size(); ++i) arguments.push_back(TRY(operand(command[i], dot)));
    if (piped != nullptr) arguments.push_back(*piped);
    auto value = tmpl::call_function(first.name, arguments);
    if (!value && value.error().is(ENOENT)) return fail(EINVAL, "--format: there is no function \"{}\"", first.name);
    return value;
  }

  Result<Json> operand(const Operand& operand, const Json& dot) {
    Json value;
    switch (operand.kind) {
      case Operand::Kind::dot: value = dot; break;
      case Operand::Kind::literal: return operand.literal;
      case Operand::Kind::group: value = TRY(pipeline(*operand.group, dot)); break;
      case Operand::Kind::function: value = TRY(run({operand}, dot, nullptr)); break;
      case Operand::Kind::variable: {
        const auto found = variables_.find(operand.name);
        if (found == variables_.end()) return fail(EINVAL, "--format: there is no variable ${}", operand.name);
        value = found->second;
      }
    }
    for (const auto& name : operand.fields) {
      Json next = TRY(field(value, name));
      value = std::move(next);
    }
    return value;
  }

  Variables variables_;
};

void collect_fields(const Pipeline& pipeline, std::vector<std::string>& fields) {
  for (const auto& command : pipeline.commands)
    for (const auto& operand : command) {
      if (operand.group) collect_fields(*operand.group, fields);
      if (operand.kind == Operand::Kind::dot && !operand.fields.empty()) fields.push_back(operand.fields.back());
    }
}

}  // namespace

struct GoTemplate::State {
  std::vector<Node> nodes;
};

GoTemplate::GoTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
GoTemplate::GoTemplate(GoTemplate&&) noexcept = default;
GoTemplate& GoTemplate::operator=(GoTemplate&&) noexcept = default;
GoTemplate::~GoTemplate() = default;

Result<GoTemplate> GoTemplate::parse(std::string_view text) {
  return GoTemplate(std::make_unique<State>(State{.nodes = TRY(tmpl::parse_template(text))}));
}

Result<std::string> GoTemplate::render(const Json& value) const {
  std::string out;
  TRY(Renderer(value).nodes(state_->nodes, value, out));
  return out;
}

std::vector<std::string> GoTemplate::fields() const {
  std::vector<std::string> fields;
  for (const auto& node : state_->nodes) collect_fields(node.pipeline, fields);
  return fields;
}

}  // namespace acetate::cli
