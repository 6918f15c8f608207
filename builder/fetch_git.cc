#include "builder/fetch_git.h"

#include <fcntl.h>

#include <cstdlib>

#include "base/rel_path.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/process.h"

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

Result<std::string> run_git(const std::string& dir, std::vector<std::string> words) {
  words.insert(words.begin(), {"git", "-C", dir, "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"});
  const auto ran = sys::run_captured({.argv = std::move(words), .env = environment()});
  if (!ran && ran.error().is(ENOENT)) return fail(ENOENT, "git is not installed, and a repository is to be fetched");
  if (!ran) return ran.error().clone();
  if (ran->exit.ok()) return ran->out;
  const std::size_t end = ran->err.find_last_not_of('\n');
  return fail(EREMOTEIO, "git {}: {}", ran->exit.describe(), ran->err.substr(0, end == std::string::npos ? 0 : end + 1));
}

std::string first_word(const std::string& text) { return text.substr(0, text.find_first_of(" \t\n")); }

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<GitTree> fetch_git(const GitRef& git, const std::string& dir, bool keep_git_dir) {
  TRY_WITHIN(sys::make_dirs(dir, 0755), "making {}", dir);
  TRY(run_git(dir, {"init", "-q"}));
  TRY(run_git(dir, {"remote", "add", "origin", git.remote}));
  const std::string wanted = git.ref.empty() ? "HEAD" : git.ref;
  auto fetched = run_git(dir, {"fetch", "-q", "--depth", "1", "--no-tags", "origin", wanted});
  // Not every server gives a commit, or anything, without its history.
  if (!fetched && is_commit(wanted)) fetched = run_git(dir, {"fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*"});
  if (!fetched) fetched = run_git(dir, {"fetch", "-q", "--no-tags", "origin", wanted});
  if (!fetched) return std::move(fetched).error().within(fmt::format("fetching {} of {}", wanted, git.remote));
  const std::string what = is_commit(wanted) ? wanted : "FETCH_HEAD";
  const std::string commit = first_word(TRY(run_git(dir, {"rev-parse", "--verify", what + "^{commit}"})));
  if (!git.checksum.empty() && !commit.starts_with(git.checksum)) {
    // The checksum of an annotated tag is the tag's own too.
    const std::string tag = first_word(TRY(run_git(dir, {"rev-parse", "--verify", what})));
    if (!tag.starts_with(git.checksum))
      return fail(EBADMSG, "{} of {} is {}, not {}", wanted, git.remote, commit, git.checksum);
  }
  TRY(run_git(dir, {"checkout", "-q", "--detach", commit}));
  if (git.submodules && sys::stat_following(dir + "/.gitmodules"))
    TRY_WITHIN(run_git(dir, {"submodule", "update", "-q", "--init", "--recursive", "--depth", "1"}), "fetching the submodules of {}", git.remote);
  if (!keep_git_dir) TRY(sys::remove_tree({kWorkingDir, (dir + "/.git").c_str()}));

  const RelPath subdir = TRY(RelPath::parse_clamped(git.subdir));
  const Fd root = TRY(sys::open(dir, O_PATH | O_DIRECTORY));
  const Fd found = TRY_WITHIN(sys::open_beneath(root.ref(), subdir, O_RDONLY | O_DIRECTORY), "{} in {}", git.subdir, git.remote);
  return GitTree{.dir = subdir.is_root() ? dir : dir + "/" + subdir.str(), .commit = commit};
}

}  // namespace acetate::build
