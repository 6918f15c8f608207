#include "cli/same_user.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/rel_path.h"
#include "base/sys/file.h"
#include "base/sys/open.h"

namespace acetate::cli {

namespace {

Result<std::uint32_t> parse_id(std::string_view text, const std::string& whole) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return fail(EINVAL, "--userns {}: \"{}\" is not an id", whole, text);
  return id;
}

// The first field of a line, which is taken off it.
std::string_view cut(std::string_view& fields) {
  const std::size_t end = std::min(fields.find(':'), fields.size());
  const std::string_view field = fields.substr(0, end);
  fields.remove_prefix(std::min(end + 1, fields.size()));
  return field;
}

bool is_below(const std::string& path, const std::string& dir) {
  return path == dir || (path.starts_with(dir) && path[dir.size()] == '/');
}

Result<std::string> read_in(FdRef root, const char* path) {
  auto file = sys::open_beneath(root, TRY(RelPath::parse(path)), O_RDONLY | O_NONBLOCK, 0, sys::Symlinks::in_root);
  if (!file) return file.error().is(ENOENT) || file.error().is(ENOTDIR) ? Result<std::string>(std::string()) : std::move(file).error();
  if (!S_ISREG(TRY(sys::stat(file->ref())).st_mode)) return std::string();
  return sys::read_all(file->ref(), 8 << 20);
}

}  // namespace

Result<std::optional<sandbox::Spec::KeptId>> parse_userns(const std::string& text, uid_t uid, gid_t gid) {
  using Kept = std::optional<sandbox::Spec::KeptId>;
  if (text.empty() || text == "host") return Kept();
  if (text != "keep-id" && !text.starts_with("keep-id:")) return fail(EINVAL, "--userns wants host or keep-id[:uid=…,gid=…], not \"{}\"", text);
  sandbox::Spec::KeptId kept{uid, gid};
  std::string_view rest = std::string_view(text).substr(std::min(text.size(), std::string_view("keep-id:").size()));
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (part.starts_with("uid=")) kept.uid = TRY(parse_id(part.substr(4), text));
    else if (part.starts_with("gid=")) kept.gid = TRY(parse_id(part.substr(4), text));
    else return fail(EINVAL, "--userns {}: there is no \"{}\" (uid=, gid=)", text, part);
  }
  return Kept(kept);
}

std::string with_line(const std::string& file, std::uint32_t id, const std::string& line) {
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t end = std::min(file.find('\n', at), file.size());
    std::string_view fields = std::string_view(file).substr(at, end - at);
    at = end + 1;
    // The third field of both files is the id.
    cut(fields);
    cut(fields);
    if (cut(fields) == std::to_string(id)) return file;
  }
  return file + (file.empty() || file.ends_with('\n') ? "" : "\n") + line + "\n";
}

Person who_we_are() {
  Person person{.name = fmt::format("user{}", ::getuid()), .home = "/", .uid = ::getuid(), .gid = ::getgid()};
  if (const struct passwd* entry = ::getpwuid(person.uid)) {
    person.name = entry->pw_name;
    person.home = entry->pw_dir;
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') person.home = home;
  return person;
}

Result<void> introduce(const Person& person, const std::string& rootfs, const std::string& dir, sandbox::Spec& spec) {
  const Fd root = TRY_WITHIN(sys::open(rootfs, O_PATH | O_DIRECTORY), "opening {}", rootfs);
  const struct {
    const char* path;
    std::uint32_t id;
    std::string line;
  } files[] = {{"etc/passwd", person.uid, fmt::format("{}:x:{}:{}::{}:/bin/sh", person.name, person.uid, person.gid, person.home)},
               {"etc/group", person.gid, fmt::format("{}:x:{}:", person.name, person.gid)}};
  for (const auto& file : files) {
    const std::string target = fmt::format("/{}", file.path);
    // One that the person gives stands.
    if (std::ranges::any_of(spec.mounts, [&](const sandbox::MountPoint& mount) { return mount.target == target; })) continue;
    const std::string text = TRY_WITHIN(read_in(root.ref(), file.path), "reading /{} of the container", file.path);
    const std::string path = fmt::format("{}/{}", dir, std::string_view(file.path).substr(4));
    const Fd made = TRY_WITHIN(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), "writing {}", path);
    TRY_WITHIN(sys::write_full(made.ref(), with_line(text, file.id, file.line)), "writing {}", path);
    TRY(sys::chmod(made.ref(), 0644));
    spec.mounts.push_back({.source = path, .target = target});
  }
  return {};
}

std::vector<sandbox::MountPoint> home_and_work(const Person& person, const std::string& working_dir) {
  std::vector<sandbox::MountPoint> mounts;
  auto add = [&](const std::string& dir) {
    const auto st = sys::stat_following(dir);
    if (dir.size() > 1 && st && S_ISDIR(st->st_mode)) mounts.push_back({.source = dir, .target = dir});
  };
  add(person.home);
  if (mounts.empty() || !is_below(working_dir, person.home)) add(working_dir);
  return mounts;
}

}  // namespace acetate::cli
