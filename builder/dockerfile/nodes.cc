#include "builder/dockerfile/nodes.h"

#include <algorithm>
#include <cctype>

#include "builder/dockerfile/json_array.h"
#include "builder/dockerfile/suggest.h"

namespace acetate::dockerfile {

namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// The first word, and what follows it.
struct FirstWord {
  std::string_view word, rest;
};
FirstWord first_word(std::string_view text) {
  text = trim(text);
  const auto end = std::find_if(text.begin(), text.end(), is_blank);
  const auto length = static_cast<std::size_t>(end - text.begin());
  return {text.substr(0, length), trim(text.substr(length))};
}

std::vector<std::string> split_blanks(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim(text)).empty()) {
    const auto [word, rest] = first_word(text);
    words.emplace_back(word);
    text = rest;
  }
  return words;
}

// Takes leading "--…" words off `rest`, quotes and escapes resolved; a bare "--" ends them and is dropped.
std::vector<std::string> take_flags(std::string_view& rest) {
  std::vector<std::string> flags;
  while ((rest = trim(rest)).starts_with("--")) {
    std::string flag;
    char quote = '\0';
    std::size_t at = 0;
    for (; at < rest.size() && (quote != '\0' || !is_blank(rest[at])); ++at) {
      const char c = rest[at];
      if (c == '\\') {
        if (at + 1 < rest.size()) flag += rest[++at];
      } else if (quote != '\0') {
        if (c == quote) {
          quote = '\0';
        } else {
          flag += c;
        }
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else {
        flag += c;
      }
    }
    rest = trim(rest.substr(at));
    if (flag == "--") break;
    flags.push_back(std::move(flag));
  }
  return flags;
}

// Words with their quotes and escapes left in place, for ARG, ENV and LABEL.
std::vector<std::string> quoted_words(std::string_view text, char escape) {
  std::vector<std::string> words;
  std::string word;
  char quote = '\0';
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote == '\0' && is_blank(c)) {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
      continue;
    }
    word += c;
    if (c == escape && quote != '\'') {
      if (at + 1 < text.size()) word += text[++at];
      else word.pop_back();  // an escape of nothing
    } else if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '\'' || c == '"') {
      quote = c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

class NodeParser {
 public:
  NodeParser(Node& node, const SourceText& source, char escape) : node_(node), source_(source), escape_(escape) {}

  Result<void> blank_separated() {
    node_.args = split_blanks(node_.rest);
    return {};
  }

  Result<void> whole() {
    if (!node_.rest.empty()) node_.args = {node_.rest};
    return {};
  }

  // The exec form, or the text as one argument.
  Result<void> maybe_json() {
    if (TRY(json(node_.rest))) return {};
    return whole();
  }

  // The exec form, or words.
  Result<void> maybe_json_list() {
    if (TRY(json(node_.rest))) return {};
    return blank_separated();
  }

  Result<void> names_with_defaults() {
    node_.args = quoted_words(node_.rest, escape_);
    return {};
  }

  // "K=V K=V …" or the old "K V with blanks".
  Result<void> names_and_values() {
    const auto words = quoted_words(node_.rest, escape_);
    if (words.empty()) return {};
    if (words.front().find('=') == std::string::npos) {
      const auto [name, value] = first_word(node_.rest);
      if (value.empty()) return complain(name, fmt::format("{} must have two arguments", upper()));
      node_.args = {std::string(name), std::string(value), ""};
      return {};
    }
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos)
        return complain(word, fmt::format("Syntax error - can't find = in \"{}\". Must be of the form: name=value", word));
      node_.args.insert(node_.args.end(), {word.substr(0, equals), word.substr(equals + 1), "="});
    }
    return {};
  }

  Result<void> health_check() {
    const auto [type, rest] = first_word(node_.rest);
    if (type.empty()) return {};
    node_.args = {std::string(type)};
    if (rest.empty()) return {};
    if (!TRY(json(rest))) node_.args.emplace_back(rest);
    return {};
  }

  Result<void> on_build() {
    if (node_.rest.empty()) return {};
    Line inner{.place = node_.place, .text = node_.rest, .heredocs = node_.heredocs};
    node_.trigger.push_back(TRY(parse_line(inner, source_, escape_)));
    return {};
  }

  Error complain(std::string_view at, std::string_view words) const {
    return source_.parse_error(node_.place, at, words);
  }

 private:
  // Adds the items of a JSON array; false when the text is none.
  Result<bool> json(std::string_view text) {
    JsonArray array = parse_json_array(text);
    if (array.kind == JsonArray::Kind::mixed)
      return complain(text, "when using JSON array syntax, arrays must be comprised of strings only");
    if (array.kind == JsonArray::Kind::none) return false;
    node_.args.insert(node_.args.end(), array.items.begin(), array.items.end());
    node_.json = true;
    return true;
  }

  std::string upper() const {
    std::string word = node_.keyword;
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return word;
  }

  Node& node_;
  const SourceText& source_;
  char escape_;
};

struct Grammar {
  std::string_view keyword;
  Result<void> (NodeParser::*parse)();
};
constexpr Grammar kGrammars[] = {
    {"add", &NodeParser::maybe_json_list},
    {"arg", &NodeParser::names_with_defaults},
    {"cmd", &NodeParser::maybe_json},
    {"copy", &NodeParser::maybe_json_list},
    {"entrypoint", &NodeParser::maybe_json},
    {"env", &NodeParser::names_and_values},
    {"expose", &NodeParser::blank_separated},
    {"from", &NodeParser::blank_separated},
    {"healthcheck", &NodeParser::health_check},
    {"label", &NodeParser::names_and_values},
    {"maintainer", &NodeParser::whole},
    {"onbuild", &NodeParser::on_build},
    {"run", &NodeParser::maybe_json},
    {"shell", &NodeParser::maybe_json},
    {"stopsignal", &NodeParser::whole},
    {"user", &NodeParser::whole},
    {"volume", &NodeParser::maybe_json_list},
    {"workdir", &NodeParser::whole},
};

}  // namespace

const std::vector<std::string_view>& keywords() {
  static const std::vector<std::string_view> all = {
      "ADD",  "ARG",   "CMD",        "COPY",    "ENTRYPOINT", "ENV",   "EXPOSE",     "FROM", "HEALTHCHECK",
      "LABEL", "MAINTAINER", "ONBUILD", "RUN",  "SHELL",      "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"};
  return all;
}

Result<Node> parse_line(const Line& line, const SourceText& source, char escape) {
  const auto [word, rest] = first_word(line.text);
  Node node{.place = line.place, .original = std::string(trim(line.text)), .heredocs = line.heredocs};
  node.keyword = word;
  std::transform(node.keyword.begin(), node.keyword.end(), node.keyword.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto* grammar = std::find_if(std::begin(kGrammars), std::end(kGrammars),
                                     [&](const Grammar& g) { return g.keyword == node.keyword; });
  if (grammar == std::end(kGrammars))
    return source.parse_error(line.place, word,
                              fmt::format("unknown instruction: {}{}", word, did_you_mean(word, keywords())));
  std::string_view arguments = rest;
  node.flags = take_flags(arguments);
  node.rest = arguments;
  NodeParser parser(node, source, escape);
  TRY((parser.*grammar->parse)());
  return node;
}

}  // namespace acetate::dockerfile
