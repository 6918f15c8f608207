#include "layers/registry/remotes.h"

#include <unistd.h>

#include "base/log.h"
#include "layers/registry/certs_d.h"

namespace acetate::registry {

Remotes::Remotes(Environment environment, RemoteOptions options, RegistriesConf conf, SignaturePolicy policy, CredentialFiles files,
                 std::unique_ptr<Http> http)
    : environment_(std::move(environment)),
      options_(std::move(options)),
      conf_(std::move(conf)),
      policy_(std::move(policy)),
      credentials_(std::move(files)),
      http_(std::move(http)) {}

Result<std::unique_ptr<Remotes>> Remotes::make(const Environment& environment, uid_t uid,
                                               RemoteOptions options) {
  auto conf = TRY(load_registries_conf(environment));
  auto policy = TRY(SignaturePolicy::load(environment));
  auto files = credential_files(environment, uid, options.authfile);
  auto http = TRY(Http::make(options.http));
  return std::unique_ptr<Remotes>(
      new Remotes(environment, std::move(options), std::move(conf), std::move(policy), std::move(files), std::move(http)));
}

Result<std::unique_ptr<Remotes>> Remotes::of_this_process(RemoteOptions options) {
  return make(process_environment, ::getuid(), std::move(options));
}

bool Remotes::is_insecure(const std::string& host) const {
  const auto place = place_to_push(conf_, host, "");
  return place && place->insecure;  // a blocked host is told when something is asked of it
}

Result<Registry*> Remotes::host(const std::string& host, bool insecure, const std::optional<Login>& login, bool waits_for_it) {
  if (options_.verify_tls) insecure = !*options_.verify_tls;
  const auto key =
      fmt::format("{} {} {}", host, insecure, login ? login->username + "\n" + login->secret : "");
  Connection* connection = nullptr;
  {
    const Lock lock(mutex_);
    connection = &connections_[key];
  }
  const Lock lock(connection->mutex);
  auto& kept = connection->registry;
  if (kept == nullptr) {
    const auto certificates = [this, own = host](const std::string& authority) {
      // --cert-dir is about the registry, not about where it sends us.
      return load_certificates(
          certificate_dirs(environment_, authority, authority == own ? options_.cert_dir : ""));
    };
    kept = TRY(Registry::connect(*http_, {.host = host,
                                          .insecure = insecure,
                                          .login = login,
                                          .certificates = certificates,
                                          .retry = options_.retry,
                                          .waits_for_it = waits_for_it,
                                          .insists = options_.insists}));
  }
  return kept.get();
}

Result<Repository> Remotes::at(const Place& place) {
  const auto login = TRY(credentials_.find(place.host + "/" + place.repository));
  return Repository(*TRY(host(place.host, place.insecure, login)), place.repository);
}

Result<Repository> Remotes::at(const Place& place, const image::Reference& name, bool waits_for_it) {
  auto login = options_.login;
  // A mirror, and wherever else registries.conf leads, is somebody else's: as skopeo and podman have it.
  if (!login || place.host != name.registry) login = TRY(credentials_.find(place.host + "/" + place.repository));
  return Repository(*TRY(host(place.host, place.insecure, login, waits_for_it)), place.repository);
}

Result<void> Remotes::pull_from_first(const image::Reference& name,
                                      const std::function<Result<void>(Repository&)>& work) {
  TRY(policy_.check("docker", policy_scopes(name)));
  const auto suffix = name.digest ? "@" + name.digest->str() : ":" + name.tag;
  const auto places = TRY(places_to_pull(conf_, name.registry, name.repository, suffix));
  for (std::size_t i = 0;; ++i) {
    auto tried = [&]() -> Result<void> {
      auto repository = TRY(at(places[i], name, i + 1 == places.size()));
      return work(repository);
    }();
    if (tried || i + 1 == places.size() || is_local(tried.error())) return tried;
    log::warn("{}; trying the next place", tried.error().message());
  }
}

Result<Repository> Remotes::to_push(const image::Reference& name) {
  return at(TRY(place_to_push(conf_, name.registry, name.repository)), name, true);
}

}  // namespace acetate::registry
