// "check=…" read, and warnings written.

#include <algorithm>
#include <cctype>

#include "builder/dockerfile/lint.h"

namespace acetate::dockerfile {

namespace {

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

void add_rules(std::string_view text, std::set<std::string, std::less<>>& rules, bool& all) {
  if (text == "all") {
    all = true;
    return;
  }
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    rules.emplace(trim(text.substr(at, comma - at)));
    at = comma + 1;
  }
}

}  // namespace

std::string LintWarning::url() const {
  if (rule == "InvalidBaseImagePlatform") return {};
  std::string page;
  for (std::size_t at = 0; at < rule.size(); ++at) {
    const auto is_upper = [&](std::size_t where) { return where < rule.size() && std::isupper(static_cast<unsigned char>(rule[where])) != 0; };
    // "JSONArgs" is "json-args".
    if (at > 0 && is_upper(at) && (!is_upper(at - 1) || (at + 1 < rule.size() && !is_upper(at + 1)))) page += '-';
    page += static_cast<char>(std::tolower(static_cast<unsigned char>(rule[at])));
  }
  return fmt::format("https://docs.docker.com/go/dockerfile/rule/{}/", page);
}

Result<LintOptions> parse_check(std::string_view text) {
  LintOptions options;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view part = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = part.find('=');
    const std::string_view key = trim(part.substr(0, equals));
    const std::string_view value = equals == std::string_view::npos ? "" : trim(part.substr(equals + 1));
    if (key == "skip" && equals != std::string_view::npos) {
      add_rules(value, options.skip, options.skip_all);
    } else if (key == "experimental" && equals != std::string_view::npos) {
      add_rules(value, options.experimental, options.experimental_all);
    } else if (key == "error" && (value == "true" || value == "1" || value == "false" || value == "0")) {
      options.error = value == "true" || value == "1";
    } else {
      return fail(EINVAL, "check knows skip=RULE,…, skip=all, experimental=RULE,… and error=true, not \"{}\"", part);
    }
  }
  return options;
}

std::string format_warning(const LintWarning& warning, const SourceText& source) {
  const std::string url = warning.url();
  return fmt::format("WARNING: {}{}{}\n{}\n{}:{}\n{}\n", warning.rule, url.empty() ? "" : " - ", url, warning.text, source.name,
                     warning.place.first, source.excerpt(warning.place));
}

}  // namespace acetate::dockerfile
