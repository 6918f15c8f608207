#include "cli/remote_options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace acetate::cli {

namespace {

// `prefix`: "src-"; `whose`: " of FROM".
void add_access(CLI::App& app, RemoteFlags& flags, const std::string& prefix, const std::string& whose) {
  app.add_option("--" + prefix + "creds", flags.creds, "NAME:PASSWORD to log in with" + whose)->type_name("");
  app.add_option("--" + prefix + "authfile", flags.authfile, "the file with logins" + whose + ", if not the usual ones")->type_name("");
  app.add_option("--" + prefix + "cert-dir", flags.cert_dir,
                 "*.crt, *.cert and *.key for the registry" + whose + ", if not those of certs.d")
      ->type_name("");
  app.add_flag("--" + prefix + "tls-verify", flags.tls_verify, "=false: take any certificate" + whose + ", and plain HTTP");
}

constexpr int kRetries = 5;

}  // namespace

void add_retry_options(CLI::App& app, std::optional<int>& retry, double& delay) {
  app.add_option("--retry", retry, "how often to try again when the network fails (5; where nobody listens at all, only if it is said)")
      ->type_name("")
      ->check(CLI::Range(0, 1000));
  app.add_option("--retry-delay", delay, "seconds before the first new try; then twice as many, and so on (0.5)")
      ->type_name("")
      ->check(CLI::Range(0.0, 3600.0));
}

void add_remote_options(CLI::App& app, RemoteFlags& flags, bool retries) {
  add_access(app, flags, "", "");
  if (retries) add_retry_options(app, flags.retry, flags.retry_delay);
}

void add_remote_options_of_both(CLI::App& app, RemoteFlags& from, RemoteFlags& to) {
  add_access(app, from, "src-", " of FROM");
  add_access(app, to, "dest-", " of TO");
  add_retry_options(app, from.retry, from.retry_delay);
}

Result<std::unique_ptr<registry::Remotes>> open_remotes(const RemoteFlags& flags) {
  registry::RemoteOptions options{.authfile = flags.authfile, .cert_dir = flags.cert_dir};
  if (!flags.creds.empty()) {
    const auto colon = flags.creds.find(':');
    if (colon == 0 || colon == std::string::npos) return fail(EINVAL, "--creds wants NAME:PASSWORD");
    options.login =
        registry::Login{.username = flags.creds.substr(0, colon), .secret = flags.creds.substr(colon + 1)};
  }
  if (!flags.tls_verify.empty()) {
    if (flags.tls_verify != "true" && flags.tls_verify != "false")
      return fail(EINVAL, "--tls-verify is true or false, not \"{}\"", flags.tls_verify);
    options.verify_tls = flags.tls_verify == "true";
  }
  options.retry.attempts = flags.retry.value_or(kRetries) + 1;
  options.insists = flags.retry.has_value();
  if (flags.in_a_hurry) options.http = {.connect_seconds = 5, .stall_seconds = 15};
  if (flags.retry_delay > 0)
    options.retry.first_pause = std::chrono::milliseconds(static_cast<long>(flags.retry_delay * 1000));
  return registry::Remotes::of_this_process(std::move(options));
}

Result<std::vector<image::Reference>> remote_names(const registry::RegistriesConf& conf, std::string text) {
  constexpr std::string_view kTransport = "docker://";
  if (text.starts_with(kTransport)) text.erase(0, kTransport.size());
  for (const char* other :
       {"oci:", "oci-archive:", "docker-archive:", "dir:", "docker-daemon:", "containers-storage:"})
    if (text.starts_with(other)) return fail(EINVAL, "{} is no name in a registry", text);
  std::vector<std::string> texts{text};
  if (image::is_short_name(text)) texts = TRY(registry::full_names(conf, text));
  std::vector<image::Reference> names;
  for (const auto& each : texts) names.push_back(TRY(image::parse_reference(each)));
  return names;
}

}  // namespace acetate::cli
