#include "builder/fetch_git.h"

#include <fcntl.h>

#include <cstdlib>

#include "base/rel_path.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/process.h"
#include "builder/public_url.h"

extern char** environ;  // NOLINT: environ(7)

namespace acetate::build {

namespace {

std::vector<std::string> environment() {
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (const std::string_view text = *entry; !text.starts_with("GIT_")) env.emplace_back(text);
  // A repository names submodules as it likes; only what comes over a network is fetched for it.
  for (const char* ours : {"GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=https:http:ssh:git", "GIT_ADVICE=0"}) env.emplace_back(ours);
  return env;
}

// Files have the modes that git knows, 644 and 755, whatever our umask is: by way of the shell, because a umask is a process's.
Result<std::string> run_git(const std::string& dir, std::vector<std::string> words) {
  words.insert(words.begin(), {"sh", "-c", "umask 022 && exec git \"$@\"", "git", "-C", dir, "-c", "core.hooksPath=/dev/null", "-c",
                               "advice.detachedHead=false"});
  const auto ran = sys::run_captured({.argv = std::move(words), .env = environment()});
  if (!ran) return ran.error().clone();
  if (ran->exit.ok()) return ran->out;
  const std::size_t end = ran->err.find_last_not_of('\n');
  return fail(EREMOTEIO, "git {}: {}", ran->exit.describe(), without_users(ran->err.substr(0, end == std::string::npos ? 0 : end + 1)));
}

constexpr std::size_t kSha256Name = 64;  // digits of a commit's name

std::string first_word(const std::string& text) { return text.substr(0, text.find_first_of(" \t\n")); }

// Into a repository of that kind, sha1 or sha256.
Result<std::string> fetch_into(const GitRef& git, const std::string& dir, const std::string& wanted, const char* format) {
  TRY(run_git(dir, {"init", "-q", fmt::format("--object-format={}", format)}));
  TRY(run_git(dir, {"remote", "add", "origin", git.remote}));
  auto fetched = run_git(dir, {"fetch", "-q", "--depth", "1", "--no-tags", "origin", wanted});
  // Not every server gives a commit, or anything, without its history.
  if (!fetched && is_commit(wanted)) fetched = run_git(dir, {"fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*"});
  if (!fetched) fetched = run_git(dir, {"fetch", "-q", "--no-tags", "origin", wanted});
  return fetched;
}

// What names its objects by sha256 says so by the length of the names; asked only when the other kind has failed.
bool is_sha256(const GitRef& git, const std::string& dir) {
  const auto said = run_git(dir, {"ls-remote", git.remote});
  return said && first_word(*said).size() == kSha256Name;
}

Result<void> fetch_submodules(const std::string& dir) {
  const std::vector<std::string> update{"submodule", "update", "-q", "--init", "--recursive"};
  std::vector<std::string> shallow = update;
  shallow.insert(shallow.end(), {"--depth", "1"});
  if (!run_git(dir, shallow)) TRY(run_git(dir, update));
  return {};
}

// Takes names and passwords out of the URLs that a repository's configuration has.
Result<void> hide_users(const std::string& dir, const std::string& git_dir) {
  const std::string file = git_dir + "/config";
  const std::string listed = TRY(run_git(dir, {"config", "--file", file, "-z", "--list"}));
  for (std::size_t at = 0; at < listed.size();) {
    const std::size_t end = std::min(listed.find('\0', at), listed.size());
    const std::string entry = listed.substr(at, end - at);
    at = end + 1;
    const std::size_t value = entry.find('\n');
    if (value == std::string::npos || !entry.substr(0, value).ends_with("url")) continue;
    const std::string secret = entry.substr(value + 1), told = without_users(secret);
    if (told != secret) TRY(run_git(dir, {"config", "--file", file, "--replace-all", entry.substr(0, value), told}));
  }
  return {};
}

// What stays gets into an image: of the repository, and of its submodules, whose relative URLs git completes by what it was fetched by.
Result<void> hide_all_users(const std::string& dir, bool has_submodules) {
  TRY(hide_users(dir, ".git"));
  if (!has_submodules) return {};
  const std::string found = TRY(run_git(dir, {"submodule", "foreach", "--quiet", "--recursive", "git rev-parse --absolute-git-dir"}));
  for (std::size_t at = 0; at < found.size();) {
    const std::size_t end = std::min(found.find('\n', at), found.size());
    TRY(hide_users(dir, found.substr(at, end - at)));
    at = end + 1;
  }
  return {};
}

}  // namespace

Result<GitTree> fetch_git(const GitRef& git, const std::string& dir, bool keep_git_dir) {
  if (const auto program = sys::find_program("git"); !program && program.error().is(ENOENT))
    return fail(ENOENT, "git is not installed, and a repository is to be fetched");
  TRY_WITHIN(sys::make_dirs(dir, 0755), "making {}", dir);
  const std::string remote = without_users(git.remote);  // as it is told
  const std::string named = git.ref.empty() ? "HEAD" : git.ref;
  const std::string wanted = git.by_commit && !git.checksum.empty() ? git.checksum : named;
  if (git.by_commit && !is_commit(wanted))
    return fail(EINVAL, "fetch-by-commit wants the whole name of a commit as checksum or reference, not \"{}\": {}", wanted, remote);
  auto fetched = fetch_into(git, dir, wanted, wanted.size() == kSha256Name && is_commit(wanted) ? "sha256" : "sha1");
  if (!fetched && is_sha256(git, dir)) {
    TRY(sys::remove_tree({kWorkingDir, (dir + "/.git").c_str()}));
    fetched = fetch_into(git, dir, wanted, "sha256");
  }
  if (!fetched && fetched.error().message().find("couldn't find remote ref") != std::string::npos)
    return fail(ENOENT, "repository does not contain ref {}: {}", wanted, remote);
  if (!fetched) return std::move(fetched).error().within(fmt::format("fetching {} of {}", wanted, remote));
  const std::string what = is_commit(wanted) ? wanted : "FETCH_HEAD";
  const std::string commit = first_word(TRY(run_git(dir, {"rev-parse", "--verify", what + "^{commit}"})));
  if (!git.checksum.empty() && !commit.starts_with(git.checksum)) {
    // The checksum of an annotated tag is the tag's own too.
    const std::string tag = first_word(TRY(run_git(dir, {"rev-parse", "--verify", what})));
    if (!tag.starts_with(git.checksum))
      return fail(EBADMSG, "expected checksum to match {}, got {}: {} of {}", git.checksum, commit, wanted, remote);
  }
  const std::string committed = first_word(TRY(run_git(dir, {"show", "-s", "--format=%ct", commit})));
  TRY(run_git(dir, {"checkout", "-q", "--detach", commit}));
  const bool has_submodules = git.submodules && sys::stat_following(dir + "/.gitmodules");
  if (has_submodules) TRY_WITHIN(fetch_submodules(dir), "fetching the submodules of {}", remote);
  if (keep_git_dir) TRY_WITHIN(hide_all_users(dir, has_submodules), "looking for passwords in what {} left", remote);
  else TRY(sys::remove_tree({kWorkingDir, (dir + "/.git").c_str()}));

  const RelPath subdir = TRY(RelPath::parse_clamped(git.subdir));
  const Fd root = TRY(sys::open(dir, O_PATH | O_DIRECTORY));
  const Fd found = TRY_WITHIN(sys::open_beneath(root.ref(), subdir, O_RDONLY | O_DIRECTORY), "{} in {}", git.subdir, remote);
  return GitTree{.dir = subdir.is_root() ? dir : dir + "/" + subdir.str(), .commit = commit, .time = std::strtoll(committed.c_str(), nullptr, 10)};
}

}  // namespace acetate::build
