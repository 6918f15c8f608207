// What every command that talks to a registry can be told about it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layers/image/reference.h"
#include "layers/registry/remotes.h"

namespace CLI {
class App;
}

namespace acetate::cli {

struct RemoteFlags {
  std::string creds;  // NAME[:PASSWORD]
  std::string authfile;
  std::string cert_dir;
  std::string tls_verify;  // "true", "false"; "" when not said
  std::optional<int> retry = {};  // not said: five times, but not where nobody listens at all
  double retry_delay = 0;  // seconds; 0: ours
  bool in_a_hurry = false;  // somebody waits who does not know for what: hosts have less time
};

// --creds, --authfile, --cert-dir, --tls-verify; with `retries` also --retry and --retry-delay.
void add_remote_options(CLI::App& app, RemoteFlags& flags, bool retries = true);
// The latter two alone.
void add_retry_options(CLI::App& app, std::optional<int>& retry, double& delay);
// For a command with two ends, as skopeo has them: --src-creds and so on, of FROM, and --dest-creds of TO; the retries are one.
void add_remote_options_of_both(CLI::App& app, RemoteFlags& from, RemoteFlags& to);

Result<std::unique_ptr<registry::Remotes>> open_remotes(const RemoteFlags& flags);

// The names a person may have meant, best first: docker:// is taken off, a short name completed as
// registries.conf has it. EINVAL with words for other transports and for what is no name.
Result<std::vector<image::Reference>> remote_names(const registry::RegistriesConf& conf, std::string text);

}  // namespace acetate::cli
