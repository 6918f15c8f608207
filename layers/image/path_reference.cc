#include "layers/image/path_reference.h"

#include <string_view>
#include <utility>

#include "base/digest.h"

namespace acetate::image {

namespace {

Result<Transport> take_transport(std::string_view& text) {
  constexpr std::pair<std::string_view, Transport> known[] = {{"oci:", Transport::oci},
                                                              {"oci-archive:", Transport::oci_archive},
                                                              {"docker-archive:", Transport::docker_archive}};
  for (const auto& [prefix, transport] : known) {
    if (!text.starts_with(prefix)) continue;
    text.remove_prefix(prefix.size());
    return transport;
  }
  // containers-transports(5): what skopeo and podman know and we do not read.
  constexpr std::string_view foreign[] = {"docker://",
                                          "docker-daemon:", "containers-storage:", "ostree:", "sif:"};
  for (const auto prefix : foreign)
    if (text.starts_with(prefix))
      return fail(ENOTSUP,
                  "{}… is not read here; copy it to a file first: skopeo copy {} oci-archive:image.tar",
                  prefix, text);
  return Transport::any;
}

}  // namespace

Result<std::vector<PathReference>> path_references(const std::string& text) {
  std::string_view rest = text;
  const auto transport = TRY(take_transport(rest));
  if (rest.empty()) return fail(EINVAL, "\"{}\" names no image", text);
  std::vector<PathReference> out{{.transport = transport, .path = std::string(rest)}};
  // "PATH@sha256:…" and "PATH:TAG@sha256:…", as docker build names what lies in a layout: the digest says it all.
  const auto at = rest.rfind('@');
  const std::string digest(at == rest.npos ? "" : rest.substr(at + 1));
  if (at != rest.npos && at > 0 && Digest::parse(digest)) {
    rest = rest.substr(0, at);
    out.push_back({.transport = transport, .path = std::string(rest), .image = digest});
    for (auto colon = rest.rfind(':'); colon != rest.npos && colon > 0; colon = rest.rfind(':', colon - 1))
      out.push_back({.transport = transport, .path = std::string(rest.substr(0, colon)), .image = digest});
    return out;
  }
  for (auto colon = rest.find(':'); colon != rest.npos; colon = rest.find(':', colon + 1)) {
    if (colon == 0 || colon + 1 == rest.size()) continue;
    out.push_back({.transport = transport,
                   .path = std::string(rest.substr(0, colon)),
                   .image = std::string(rest.substr(colon + 1))});
  }
  return out;
}

}  // namespace acetate::image
