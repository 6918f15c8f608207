#include "layers/registry/challenge.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace acetate::registry {

namespace {

// Reads one header from the left: tokens, '=', quoted strings and commas.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip_blanks();
    return text_.empty();
  }
  bool take(char wanted) {
    skip_blanks();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string token() {
    skip_blanks();
    std::size_t end = 0;
    while (end < text_.size() && is_token(text_[end])) ++end;
    std::string taken(text_.substr(0, end));
    text_.remove_prefix(end);
    return taken;
  }
  std::optional<std::string> value() {
    if (!take('"')) return token();
    std::string taken;
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
      taken += text_.front();
      text_.remove_prefix(1);
    }
    if (!take('"')) return std::nullopt;
    return taken;
  }
  // A token with '=' behind it is a parameter; without, it is the scheme of the next challenge.
  bool parameter_follows() const {
    Reader ahead = *this;
    return !ahead.token().empty() && ahead.take('=');
  }

 private:
  static bool is_token(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~/:").find(c) != std::string_view::npos;
  }
  void skip_blanks() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t')) text_.remove_prefix(1);
  }
  std::string_view text_;
};

std::string small(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void parse_into(std::vector<Challenge>& found, std::string_view header) {
  Reader reader(header);
  while (!reader.at_end()) {
    if (reader.take(',')) continue;
    auto scheme = small(reader.token());
    if (scheme.empty()) return;
    Challenge challenge{.scheme = std::move(scheme), .parameters = {}};
    while (reader.parameter_follows()) {
      const auto name = small(reader.token());
      reader.take('=');
      auto value = reader.value();
      if (!value) return;
      challenge.parameters.emplace(name, *std::move(value));
      while (reader.take(',')) continue;
    }
    found.push_back(std::move(challenge));
  }
}

}  // namespace

std::vector<Challenge> parse_challenges(const std::vector<std::string>& headers) {
  std::vector<Challenge> found;
  for (const auto& header : headers) parse_into(found, header);
  return found;
}

}  // namespace acetate::registry
