#include "builder/context_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/sys/file.h"
#include "builder/each_below.h"
#include "builder/export_tree.h"
#include "builder/fetch_git.h"
#include "builder/fetch_http.h"
#include "builder/public_url.h"
#include "builder/tarball.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostDockerfile = 16 << 20;

Result<void> save(FdRef in, const std::string& file) {
  const Fd out = TRY(sys::open(file, O_WRONLY | O_CREAT | O_EXCL, 0600));
  std::vector<std::byte> buffer(256 << 10);
  for (;;) {
    const std::size_t got = TRY(sys::read(in, buffer));
    if (got == 0) return {};
    TRY(sys::write_full(out.ref(), std::span(buffer).first(got)));
  }
}

// Of what is in a tarball.
Result<std::int64_t> newest_time(const Layer& tree) {
  std::int64_t newest = 0;
  TRY(each_below(tree, tree.root(), [&](const std::string&, const Entry& entry) -> Result<Descent> {
    newest = std::max(newest, std::int64_t{entry.attr.mtime.tv_sec});
    return Descent::on;
  }));
  return newest;
}

// A tarball is unpacked; anything else is taken for a Dockerfile, where one may stand.
Result<ContextDir> from_file(const std::string& file, const std::string& what, std::optional<sandbox::Scratch> scratch,
                             const std::string& build_dir, LayerOpener& layers, bool may_be_dockerfile) {
  auto opened = TRY_WITHIN(sys::open(file, O_RDONLY | O_NOFOLLOW), "the build context {}", what);
  const auto tree = TRY_WITHIN(open_tarball(std::move(opened), layers), "the build context {}", what);
  if (!tree && !may_be_dockerfile) return fail(ENOTDIR, "the build context {} is neither a directory nor a tarball", what);
  if (!scratch) scratch = TRY(sandbox::Scratch::make(build_dir + "/fetched"));
  ContextDir context{.dir = *scratch / "context"};
  TRY(sys::make_dirs(context.dir, 0755));
  if (tree) {
    TRY_WITHIN(write_tree_dir(*tree, {}, context.dir, TreeOwners::roots), "unpacking the build context {}", what);
    context.time = TRY(newest_time(**tree));
  } else {
    context.dockerfile = TRY_WITHIN(sys::read_file(file, kMostDockerfile), "reading {}", what);
  }
  context.scratch = std::move(scratch);
  return context;
}

// "github.com/OWNER/NAME", from before there were URLs with ".git" at their ends, unless a file is called so.
std::string completed(const std::string& what) {
  if (!what.starts_with("github.com/") || sys::stat_following(what)) return what;
  const std::size_t end = std::min(what.find_first_of("?#"), what.size());
  const std::string path = what.substr(0, end);
  return fmt::format("https://{}{}{}", path, path.ends_with(".git") ? "" : ".git", what.substr(end));
}

}  // namespace

Result<ContextDir> open_context_dir(const std::string& given, FdRef in, const std::string& build_dir, LayerOpener& layers) {
  const std::string what = completed(given);
  const auto git = TRY(parse_git_ref(what));
  const bool http = what.starts_with("http://") || what.starts_with("https://");
  if (git || http || what == "-") {
    auto scratch = TRY(sandbox::Scratch::make(build_dir + "/fetched"));
    if (git) {
      GitTree tree = TRY(fetch_git(*git, scratch / "tree", git->keep_git_dir.value_or(false)));
      return ContextDir{.dir = std::move(tree.dir), .time = tree.time, .scratch = std::move(scratch)};
    }
    const std::string file = scratch / "file";
    std::int64_t modified = 0;
    if (http) modified = TRY(fetch_http(what, file)).last_modified;
    else TRY_WITHIN(save(in, file), "reading the build context from standard input");
    ContextDir context = TRY(from_file(file, what == "-" ? "on standard input" : without_users(what), std::move(scratch), build_dir, layers, /*may_be_dockerfile=*/true));
    if (modified != 0) context.time = modified;
    return context;
  }
  const auto stat = TRY_WITHIN(sys::stat_following(what), "the build context {}", what);
  if (!S_ISDIR(stat.st_mode)) return from_file(what, what, {}, build_dir, layers, /*may_be_dockerfile=*/false);
  // As the kernel names it, because layers found below it are opened by processes with other working directories.
  const Fd dir = TRY_WITHIN(sys::open(what, O_PATH | O_DIRECTORY), "the build context {}", what);
  return ContextDir{.dir = TRY(sys::readlink(FileAt{kWorkingDir, sys::ProcFdPath(dir.ref()).c_str()}))};
}

}  // namespace acetate::build
