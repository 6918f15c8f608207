#include "layers/registry/certs_d.h"

#include <fcntl.h>

#include <algorithm>

#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMaxCertificate = 1 << 20;

Result<Tls> load_from(FdRef dir, const std::string& path) {
  std::vector<std::string> names;
  TRY(sys::read_dir(dir, [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  std::ranges::sort(names);
  const auto there = [&](const std::string& name) { return std::ranges::binary_search(names, name); };
  Tls tls;
  for (const auto& name : names) {
    const auto stem = name.substr(0, name.rfind('.'));
    if (name.ends_with(".crt")) {
      tls.authorities += TRY_WITHIN(sys::read_file(path + "/" + name, kMaxCertificate), "reading {}/{}", path, name);
      tls.authorities += '\n';
    } else if (name.ends_with(".cert")) {
      if (!there(stem + ".key")) return fail(ENOENT, "{}/{} has no {}.key beside it", path, name, stem);
      tls.certificate_file = path + "/" + name;
      tls.key_file = path + "/" + stem + ".key";
    } else if (name.ends_with(".key") && !there(stem + ".cert")) {
      return fail(ENOENT, "{}/{} has no {}.cert beside it", path, name, stem);
    }
  }
  return tls;
}

}  // namespace

std::vector<std::string> certificate_dirs(const Environment& environment, const std::string& host,
                                          const std::string& cert_dir) {
  if (!cert_dir.empty()) return {cert_dir};
  std::vector<std::string> dirs;
  if (const auto config = environment("XDG_CONFIG_HOME"))
    dirs.push_back(*config + "/containers/certs.d/" + host);
  else if (const auto home = environment("HOME"))
    dirs.push_back(*home + "/.config/containers/certs.d/" + host);
  dirs.push_back("/etc/containers/certs.d/" + host);
  dirs.push_back("/etc/docker/certs.d/" + host);
  return dirs;
}

Result<Tls> load_certificates(const std::vector<std::string>& dirs) {
  for (const auto& path : dirs) {
    const auto dir = sys::open(path, O_RDONLY | O_DIRECTORY);
    if (!dir && (dir.error().is(ENOENT) || dir.error().is(ENOTDIR) || dir.error().is(EACCES))) continue;
    if (!dir) return dir.error().clone().within("opening " + path);
    return TRY_WITHIN(load_from(dir->ref(), path), "reading certificates");
  }
  return Tls{};
}

}  // namespace acetate::registry
