#include "builder/remote_source.h"

#include "base/sys/file.h"
#include "builder/context_layer.h"
#include "builder/fetch_git.h"
#include "builder/fetch_http.h"

namespace acetate::build {

namespace {

// A whole tree, or one file of it, by the rules of any other source.
Result<std::vector<Source>> collect(const CopyStep& step, const std::string& dir, const std::string& what) {
  CopyStep copy{.sources = {what}, .excludes = step.excludes};
  return collect_sources(copy, TRY(open_context(dir, {})), [](const RelPath&) -> Result<std::optional<LayerPtr>> {
    return std::optional<LayerPtr>();
  });
}

}  // namespace

Result<std::vector<Source>> remote_sources(const CopyStep& step, const CopyStep::Remote& remote, const std::string& dir) {
  if (remote.git) {
    const GitTree tree = TRY(fetch_git(*remote.git, dir + "/tree", remote.keep_git_dir));
    auto sources = TRY(collect(step, tree.dir, "/"));
    // What git notes in its own directory of a checkout is another each time: the commit is what counts.
    for (Source& source : sources)
      source.identity = fmt::format("commit {} below \"{}\"{}{}", tree.commit, remote.git->subdir, remote.keep_git_dir ? " with .git" : "",
                                    remote.git->submodules ? "" : " without submodules");
    return sources;
  }
  std::optional<Digest> expected;
  if (!remote.checksum.empty()) expected = TRY_WITHIN(Digest::parse(remote.checksum), "--checksum={}", remote.checksum);
  std::string name = name_in_url(remote.url);
  if (name.empty()) name = "__unnamed__";  // as BuildKit calls it
  const FetchedFile fetched = TRY(fetch_http(remote.url, dir + "/" + name, expected));
  const timespec time{.tv_sec = fetched.last_modified};
  const timespec times[2] = {time, time};
  TRY(sys::set_times({kWorkingDir, (dir + "/" + name).c_str()}, times));
  std::string pattern;
  for (const char c : name) pattern += std::string_view("*?[\\").find(c) == std::string_view::npos ? std::string(1, c) : std::string{'\\', c};
  auto sources = TRY(collect(step, dir, pattern));
  // When the server changed it is part of what the file is.
  for (Source& source : sources) source.dated = true;
  return sources;
}

}  // namespace acetate::build
