// Templates: from text to a syntax tree.
#include <algorithm>
#include <charconv>
#include <cctype>

#include "cli/go_template_syntax.h"

namespace acetate::cli::tmpl {

namespace {

constexpr int kMaxNesting = 64;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// docker's --format: a backslash and t or n mean what they mean in a string.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] == '\\' && (next == 't' || next == 'n')) {
      out += next == 't' ? '\t' : '\n';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

// What stands between {{ and }}, word by word.
class PipelineParser {
 public:
  explicit PipelineParser(std::string_view text) : all_(text), rest_(text) {}

  Result<Pipeline> whole() {
    auto pipeline = TRY(pipe(0));
    skip_space();
    if (!rest_.empty()) return wrong();
    return pipeline;
  }

 private:
  Error wrong() const { return fail(EINVAL, "--format: \"{}\" is not understood in {{{{{}}}}}", rest_, all_); }

  void skip_space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  bool take(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  std::string word() {
    const auto end = std::ranges::find_if_not(rest_, is_word) - rest_.begin();
    const std::string out(rest_.substr(0, static_cast<std::size_t>(end)));
    rest_.remove_prefix(out.size());
    return out;
  }

  // "$x :=" or "$i, $e :=", if the pipeline begins so.
  std::vector<std::string> assigned() {
    const auto before = rest_;
    std::vector<std::string> names;
    for (;;) {
      skip_space();
      if (!take("$")) break;
      names.push_back(word());
      skip_space();
      if (take(",")) continue;
      if (take(":=") || take("=")) return names;
      break;
    }
    rest_ = before;
    return {};
  }

  Result<Pipeline> pipe(int depth) {
    if (depth > kMaxNesting) return fail(EINVAL, "--format: too many parentheses");
    Pipeline pipeline{.assigns = assigned()};
    do {
      pipeline.commands.push_back(TRY(command(depth)));
      skip_space();
    } while (take("|"));
    return pipeline;
  }

  Result<Command> command(int depth) {
    Command operands;
    for (;;) {
      skip_space();
      if (rest_.empty() || rest_.front() == '|' || rest_.front() == ')') break;
      operands.push_back(TRY(operand(depth)));
    }
    if (operands.empty()) return fail(EINVAL, "--format: a value is missing in {{{{{}}}}}", all_);
    return operands;
  }

  Result<Operand> operand(int depth) {
    Operand out;
    const char c = rest_.front();
    if (take("(")) {
      out.kind = Operand::Kind::group;
      out.group = std::make_shared<Pipeline>(TRY(pipe(depth + 1)));
      skip_space();
      if (!take(")")) return fail(EINVAL, "--format: \")\" is missing in {{{{{}}}}}", all_);
    } else if (take("$")) {
      out.kind = Operand::Kind::variable;
      out.name = word();
    } else if (c == '"' || c == '`') {
      out.kind = Operand::Kind::literal;
      out.literal = TRY(string_literal());
      return out;
    } else if (c == '-' || std::isdigit(static_cast<unsigned char>(c)) != 0) {
      out.kind = Operand::Kind::literal;
      out.literal = TRY(number());
      return out;
    } else if (c != '.') {
      const auto name = word();
      if (name.empty()) return wrong();
      out.kind = name == "true" || name == "false" || name == "nil" ? Operand::Kind::literal : Operand::Kind::function;
      out.name = name;
      if (out.kind == Operand::Kind::literal && name != "nil") out.literal = name == "true";
      return out;
    }
    fields(out);
    return out;
  }

  void fields(Operand& out) {
    while (!rest_.empty() && rest_.front() == '.') {
      rest_.remove_prefix(1);
      auto name = word();
      if (name.empty()) return;  // "." itself
      out.fields.push_back(std::move(name));
    }
  }

  Result<Json> string_literal() {
    const char quote = rest_.front();
    std::string out;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        rest_.remove_prefix(i + 1);
        return Json(std::move(out));
      }
      if (quote == '"' && rest_[i] == '\\' && i + 1 < rest_.size()) {
        const char next = rest_[++i];
        out += next == 'n' ? '\n' : next == 't' ? '\t' : next;
      } else {
        out += rest_[i];
      }
    }
    return fail(EINVAL, "--format: a string has no end in {{{{{}}}}}", all_);
  }

  Result<Json> number() {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return wrong();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return Json(value);
  }

  std::string_view all_, rest_;
};

// Text and actions, in order.
class TemplateParser {
 public:
  explicit TemplateParser(std::string_view text) : rest_(text) {}

  Result<std::vector<Node>> whole() {
    auto nodes = TRY(list(0));
    if (!ended_by_.empty()) return fail(EINVAL, "--format: {{{{{}}}}} has no beginning", ended_by_);
    return nodes;
  }

 private:
  struct Action {
    std::string_view text;
    bool trims_before = false;
  };

  // The next {{ }}; the text before it goes to `nodes`.
  Result<std::optional<Action>> next(std::vector<Node>& nodes) {
    const auto open = rest_.find("{{");
    auto text = rest_.substr(0, open);
    if (trim_next_)
      while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    trim_next_ = false;
    if (open == rest_.npos) {
      add_text(nodes, text);
      rest_ = {};
      return std::optional<Action>();
    }
    const auto close = rest_.find("}}", open);
    if (close == rest_.npos) return fail(EINVAL, "--format: {{{{ has no }}}}");
    auto inner = rest_.substr(open + 2, close - open - 2);
    rest_.remove_prefix(close + 2);
    if (inner.size() > 1 && inner.front() == '-' && is_space(inner[1])) {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
      inner.remove_prefix(1);
    }
    if (inner.size() > 1 && inner.back() == '-' && is_space(inner[inner.size() - 2])) {
      trim_next_ = true;
      inner.remove_suffix(1);
    }
    add_text(nodes, text);
    return std::optional(Action{.text = trimmed(inner)});
  }

  static void add_text(std::vector<Node>& nodes, std::string_view text) {
    if (!text.empty()) nodes.push_back({.kind = Node::Kind::text, .text = unescaped(text)});
  }

  // Up to {{end}} or {{else}}, which ended_by_ then says.
  Result<std::vector<Node>> list(int depth) {
    if (depth > kMaxNesting) return fail(EINVAL, "--format: nested too deeply");
    std::vector<Node> nodes;
    for (;;) {
      ended_by_.clear();
      const auto action = TRY(next(nodes));
      if (!action) return nodes;
      const auto text = action->text;
      if (text.starts_with("/*")) continue;
      const auto end = std::ranges::find_if_not(text, is_word) - text.begin();
      const auto word = text.substr(0, static_cast<std::size_t>(end));
      const auto behind = trimmed(text.substr(word.size()));
      if (word == "end" || word == "else") {
        ended_by_ = text;
        return nodes;
      }
      if (word == "if" || word == "range" || word == "with") {
        const auto kind = word == "if" ? Node::Kind::branch : word == "range" ? Node::Kind::range : Node::Kind::with;
        nodes.push_back(TRY(block(kind, behind, depth)));
      } else {
        auto pipeline = TRY(parse_pipeline(text));
        nodes.push_back({.kind = Node::Kind::print, .pipeline = std::move(pipeline)});
      }
    }
  }

  Result<Node> block(Node::Kind kind, std::string_view condition, int depth) {
    Node node{.kind = kind};
    node.pipeline = TRY(parse_pipeline(condition));
    node.body = TRY(list(depth + 1));
    if (ended_by_.starts_with("else")) {
      const std::string rest(trimmed(std::string_view(ended_by_).substr(4)));
      if (rest.starts_with("if ")) {
        node.otherwise.push_back(TRY(block(Node::Kind::branch, trimmed(std::string_view(rest).substr(3)), depth + 1)));
        ended_by_.clear();
        return node;
      }
      node.otherwise = TRY(list(depth + 1));
    }
    if (ended_by_ != "end") return fail(EINVAL, "--format: {{{{end}}}} is missing");
    ended_by_.clear();
    return node;
  }

  std::string_view rest_;
  std::string ended_by_ = {};
  bool trim_next_ = false;
};

}  // namespace

Result<Pipeline> parse_pipeline(std::string_view text) { return PipelineParser(text).whole(); }

Result<std::vector<Node>> parse_template(std::string_view text) { return TemplateParser(text).whole(); }

}  // namespace acetate::cli::tmpl
