#include "builder/git_ref.h"

#include <algorithm>
#include <cctype>

namespace acetate::build {

namespace {

// "%2F" as "/"; what is no escape stays.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto digit = [&](std::size_t where) {
      return where < text.size() && std::isxdigit(static_cast<unsigned char>(text[where])) != 0;
    };
    if (text[at] == '%' && digit(at + 1) && digit(at + 2)) {
      out += static_cast<char>(std::stoi(std::string(text.substr(at + 1, 2)), nullptr, 16));
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

Result<void> set_once(std::string& value, const std::string& given, std::string_view name) {
  if (!value.empty() && value != given) return fail(EINVAL, "{} conflicts: the repository's is {} and {}", name, value, given);
  value = given;
  return {};
}

Result<bool> parse_bool(std::string_view key, const std::string& value) {
  if (value.empty() || value == "1" || value == "true") return true;
  if (value == "0" || value == "false") return false;
  return fail(EINVAL, "{} of a repository wants true or false, not \"{}\"", key, value);
}

std::string with_prefix(std::string_view prefix, const std::string& value) {
  return value.starts_with(prefix) ? value : std::string(prefix) + value;
}

Result<void> set_query(GitRef& git, std::string_view query) {
  std::string tag, branch;
  for (std::size_t at = 0; at <= query.size() && !query.empty();) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string_view part = query.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    const std::string key(part.substr(0, equals));
    const std::string value = equals == std::string_view::npos ? "" : unescape(part.substr(equals + 1));
    if (value.empty() && key != "keep-git-dir" && key != "submodules" && key != "fetch-by-commit")
      return fail(EINVAL, "the query \"{}\" of a repository has no value", key);
    if (key == "ref") TRY(set_once(git.ref, value, "ref"));
    else if (key == "tag") tag = with_prefix("refs/tags/", value);
    else if (key == "branch") branch = with_prefix("refs/heads/", value);
    else if (key == "subdir") TRY(set_once(git.subdir, value, "subdir"));
    else if (key == "checksum" || key == "commit") git.checksum = value;
    else if (key == "keep-git-dir") git.keep_git_dir = TRY(parse_bool(key, value));
    else if (key == "submodules") git.submodules = TRY(parse_bool(key, value));
    else if (key == "fetch-by-commit") git.by_commit = TRY(parse_bool(key, value));
    else if (key == "mtime" && (value == "checkout" || value == "commit")) git.commit_times = value == "commit";
    else if (key == "mtime") return fail(EINVAL, "invalid mtime value \"{}\" of a repository: checkout and commit are known", value);
    else return fail(EINVAL, "a repository knows no query \"{}\"", key);
  }
  if (!tag.empty() && !branch.empty()) return fail(EINVAL, "branch conflicts with tag: the repository's are {} and {}", branch, tag);
  for (const std::string& named : {tag, branch})
    if (!named.empty()) TRY(set_once(git.ref, named, "ref"));
  return {};
}

// "git@host:path" and "user@host:path", as ssh has it: no scheme, and a colon before any slash.
bool is_scp_like(std::string_view text) {
  const std::size_t at = text.find('@'), colon = text.find(':');
  return at != std::string_view::npos && colon != std::string_view::npos && at < colon &&
         text.substr(0, colon).find('/') == std::string_view::npos && text.find("://") == std::string_view::npos;
}

}  // namespace

bool is_commit(std::string_view text) {
  constexpr std::size_t kSha1 = 40, kSha256 = 64;
  return (text.size() == kSha1 || text.size() == kSha256) && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<void> check_commit(std::string_view checksum) {
  if (checksum.find_first_not_of("0123456789abcdef") == std::string_view::npos) return {};
  return fail(EINVAL, "invalid checksum {}: expected hex commit hash", checksum);
}

Result<std::optional<GitRef>> parse_git_ref(std::string_view text) {
  using Answer = std::optional<GitRef>;
  const bool scp = is_scp_like(text), http = text.starts_with("http://") || text.starts_with("https://");
  if (!scp && !http && !text.starts_with("git://") && !text.starts_with("ssh://")) return Answer();
  const std::size_t hash = text.find('#');
  std::string_view rest = text.substr(0, hash), fragment = hash == std::string_view::npos ? "" : text.substr(hash + 1);
  const std::size_t mark = rest.find('?');
  const std::string_view query = mark == std::string_view::npos ? "" : rest.substr(mark + 1);
  rest = rest.substr(0, mark);
  if (http && !rest.ends_with(".git")) return Answer();
  GitRef git{.remote = std::string(rest)};
  const std::size_t colon = fragment.find(':');
  git.ref = fragment.substr(0, colon);
  if (colon != std::string_view::npos) git.subdir = fragment.substr(colon + 1);
  TRY(set_query(git, query));
  // Taken as an option by git, one of these would be a command of whoever wrote the Dockerfile.
  for (const std::string& word : {git.remote, git.ref, git.checksum})
    if (word.starts_with('-')) return fail(EINVAL, "\"{}\" cannot be part of a repository's name", word);
  TRY(check_commit(git.checksum));
  return Answer(std::move(git));
}

}  // namespace acetate::build
