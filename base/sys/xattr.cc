#include "base/sys/xattr.h"

#include <sys/xattr.h>

#include <cerrno>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sys {

namespace {

// Asks with a small buffer first, then with the size the kernel names, until it fits: a value may grow in
// between.
template <class Ask>
Result<std::string> sized(Call call, Ask&& ask) {
  std::string value(256, '\0');
  for (;;) {
    auto length = checked(call, [&] { return ask(value.data(), value.size()); });
    if (length) {
      value.resize(static_cast<std::size_t>(*length));
      return value;
    }
    if (!length.error().is(ERANGE)) return std::move(length).error();
    const auto needed = TRY(checked(call, [&] { return ask(nullptr, 0); }));
    value.resize(static_cast<std::size_t>(needed) + 64);
  }
}

// There is no getxattrat(2) before Linux 6.13; the way through /proc is as old as /proc.
std::string proc_path(FileAt at) {
  return at.dir.fd == kWorkingDir.fd ? std::string(at.name) : std::string(ProcFdPath(at.dir).c_str()) + "/" + at.name;
}

Result<std::vector<std::string>> unpacked(Result<std::string> packed) {
  std::vector<std::string> names;
  if (!packed) {
    if (packed.error().is(ENOTSUP)) return names;
    return std::move(packed).error();
  }
  for (std::size_t at = 0; at < packed->size();) {
    const std::size_t end = std::min(packed->find('\0', at), packed->size());
    if (end > at) names.emplace_back(*packed, at, end - at);
    at = end + 1;
  }
  return names;
}

}  // namespace

Result<std::string> get_xattr(FdRef fd, const char* name) {
  const ProcFdPath path(fd);
  return sized(Call::getxattr,
               [&](char* into, std::size_t size) { return ::getxattr(path.c_str(), name, into, size); });
}

Result<void> set_xattr(FdRef fd, const char* name, std::string_view value, int flags) {
  const ProcFdPath path(fd);
  return done(Call::setxattr,
              [&] { return ::setxattr(path.c_str(), name, value.data(), value.size(), flags); });
}

Result<void> remove_xattr(FdRef fd, const char* name) {
  const ProcFdPath path(fd);
  return done(Call::removexattr, [&] { return ::removexattr(path.c_str(), name); });
}

Result<std::vector<std::string>> list_xattrs(FdRef fd) {
  const ProcFdPath path(fd);
  return unpacked(sized(Call::listxattr, [&](char* into, std::size_t size) {
    return ::listxattr(path.c_str(), into, size);
  }));
}

Result<std::string> get_xattr(FileAt at, const char* name) {
  const std::string path = proc_path(at);
  return sized(Call::getxattr,
               [&](char* into, std::size_t size) { return ::lgetxattr(path.c_str(), name, into, size); });
}

Result<std::vector<std::string>> list_xattrs(FileAt at) {
  const std::string path = proc_path(at);
  return unpacked(sized(Call::listxattr, [&](char* into, std::size_t size) {
    return ::llistxattr(path.c_str(), into, size);
  }));
}

}  // namespace acetate::sys
