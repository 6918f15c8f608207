// certs.d (containers-certs.d(5)): the certificates that people put next to a registry's name.
#pragma once

#include <string>
#include <vector>

#include "layers/registry/credentials.h"
#include "layers/registry/http.h"

namespace acetate::registry {

// Where to look, in order: `cert_dir` alone if it is given, else certs.d/HOST[:PORT] below ~/.config/containers,
// /etc/containers and /etc/docker.
std::vector<std::string> certificate_dirs(const Environment& environment, const std::string& host,
                                          const std::string& cert_dir);

// From the first of the directories that exists: *.crt are authorities, NAME.cert with NAME.key is ours. Errors with
// words: an unreadable file, a certificate without its key.
Result<Tls> load_certificates(const std::vector<std::string>& dirs);

}  // namespace acetate::registry
