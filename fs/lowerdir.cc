#include "fs/lowerdir.h"

#include <algorithm>

namespace acetate::fs {

namespace {

std::size_t backslashes_at(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (at + count < text.size() && text[at + count] == '\\') ++count;
  return count;
}

bool is_octal(std::string_view text) {
  return text.size() == 3 && text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' &&
         text[2] >= '0' && text[2] <= '7';
}

// SELinux contexts are the one value callers put in quotes; in a path a quote is a letter like others.
bool takes_quotes(std::string_view option) {
  return option.starts_with("context=") || option.starts_with("fscontext=") || option.starts_with("defcontext=") ||
         option.starts_with("rootcontext=");
}

enum class Colons { separate, literal };

// Every element, empty ones too.
std::vector<std::string> decode(std::string_view text, Colons colons) {
  std::vector<std::string> paths;
  std::string path;
  auto finish = [&] {
    paths.push_back(std::move(path));
    path.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ':' && colons == Colons::separate) {
      finish();
      ++at;
      continue;
    }
    if (text[at] != '\\') {
      path += text[at++];
      continue;
    }
    const std::size_t run = backslashes_at(text, at);
    path.append(run / 4, '\\');
    const std::size_t rest = run % 4;
    at += run;
    if (rest == 0 || at == text.size()) {
      if (rest > 0) path += '\\';  // nothing follows that it could escape
      continue;
    }
    if (text[at] == ':' || text[at] == ',' || text[at] == '"') {
      path += text[at++];
    } else if (rest == 1 && is_octal(text.substr(at, 3))) {  // fuse_opt's "\040"
      path += static_cast<char>((text[at] - '0') * 64 + (text[at + 1] - '0') * 8 + (text[at + 2] - '0'));
      at += 3;
    } else if (rest > 1) {
      path += '\\';
    }
  }
  finish();
  return paths;
}

}  // namespace

std::vector<std::string> split_options(std::string_view text) {
  std::vector<std::string> options;
  std::string option;
  bool quoted = false;
  auto finish = [&] {
    if (!option.empty()) options.push_back(std::move(option));
    option.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\') {
      const std::size_t run = backslashes_at(text, at);
      option.append(run, '\\');
      at += run;
      if (run % 4 != 0 && at < text.size()) option += text[at++];
      continue;
    }
    if (text[at] == '"' && takes_quotes(option)) quoted = !quoted;
    if (text[at] == ',' && !quoted) {
      finish();
    } else {
      option += text[at];
    }
    ++at;
  }
  finish();
  return options;
}

Result<std::vector<std::string>> split_lowers(std::string_view value) {
  std::vector<std::string> paths = decode(value, Colons::separate);
  if (!paths.empty() && paths.back().empty()) paths.pop_back();
  if (!paths.empty() && paths.front().empty()) paths.erase(paths.begin());
  if (std::find(paths.begin(), paths.end(), "") != paths.end())
    return fail(ENOTSUP, "lowerdir={}: what follows '::' is for data alone, which only the kernel's overlay has; nothing is shown of a mount that needs it", value);
  return paths;
}

std::string unescape_path(std::string_view value) { return std::move(decode(value, Colons::literal).front()); }

std::string escape_path(std::string_view path) {
  std::string text;
  for (const char c : path) {
    if (c == '\\') {
      text += R"(\\\\)";
    } else {
      if (c == ':' || c == ',' || c == '"') text += '\\';
      text += c;
    }
  }
  return text;
}

}  // namespace acetate::fs
