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

std::string name_of(const CopyStep::Remote& remote) {
  const std::string name = name_in_url(remote.url);
  return name.empty() ? "__unnamed__" : name;  // as BuildKit calls it
}

// A checkout is what its commit says: what git notes in its own directory is another each time.
std::string checkout(const CopyStep::Remote& remote, std::string_view commit) {
  return fmt::format("commit {} below \"{}\"{}{}{}", commit, remote.git->subdir, remote.keep_git_dir ? " with .git" : "", remote.git->submodules ? "" : " without submodules",
                     remote.git->commit_times ? " as old as the commit" : "");
}

}  // namespace

std::optional<Source> pinned_source(const CopyStep::Remote& remote) {
  if (remote.git) {
    const GitRef& git = *remote.git;
    const std::string& wanted = git.by_commit && !git.checksum.empty() ? git.checksum : git.ref;
    if (!is_commit(wanted)) return std::nullopt;
    // What cannot be fetched is not found in the cache either.
    if (!git.checksum.empty() && !wanted.starts_with(git.checksum)) return std::nullopt;
    return Source{.written = "/", .identity = checkout(remote, wanted)};
  }
  if (remote.checksum.empty()) return std::nullopt;
  return Source{.written = name_of(remote), .identity = fmt::format("{}{}", remote.checksum, remote.unpack ? " unpacked where it is a tarball" : "")};
}

Result<std::vector<Source>> remote_sources(const CopyStep& step, const CopyStep::Remote& remote, const std::string& dir) {
  if (remote.git) {
    const GitTree tree = TRY(fetch_git(*remote.git, dir + "/tree", remote.keep_git_dir));
    auto sources = TRY(collect(step, tree.dir, "/"));
    const auto pinned = pinned_source(remote);
    for (Source& source : sources) {
      source.identity = pinned ? pinned->identity : checkout(remote, tree.commit);
      source.dated = remote.git->commit_times;
      if (!source.dated) continue;
      for (SourceEntry& entry : source.entries) entry.attr.mtime = {.tv_sec = tree.time};
    }
    return sources;
  }
  std::optional<Digest> expected;
  if (!remote.checksum.empty()) expected = TRY_WITHIN(Digest::parse(remote.checksum), "--checksum={}", remote.checksum);
  const std::string name = name_of(remote);
  const FetchedFile fetched = TRY(fetch_http(remote.url, dir + "/" + name, expected));
  const timespec time{.tv_sec = fetched.last_modified};
  const timespec times[2] = {time, time};
  TRY(sys::set_times({kWorkingDir, (dir + "/" + name).c_str()}, times));
  std::string pattern;
  for (const char c : name) pattern += std::string_view("*?[\\").find(c) == std::string_view::npos ? std::string(1, c) : std::string{'\\', c};
  auto sources = TRY(collect(step, dir, pattern));
  // When the server changed it is part of what the file is; but for who says what its bytes are.
  const auto pinned = pinned_source(remote);
  for (Source& source : sources) {
    source.dated = true;
    if (pinned) source.identity = pinned->identity;
  }
  return sources;
}

}  // namespace acetate::build
