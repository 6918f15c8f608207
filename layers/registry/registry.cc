#include "layers/registry/registry.h"

#include <ctime>

#include "base/log.h"
#include "layers/registry/answer_error.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

constexpr int kMaxRedirects = 10;
constexpr std::size_t kMostAddresses = 256;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Only 307 and 308 mean that a body is to be sent again (RFC 9110 §15.4).
bool may_follow(const Ask& ask, int status) {
  return ask.method == "GET" || ask.method == "HEAD" || status == 307 || status == 308;
}

// What an address signed for a while answers when the while is over.
bool is_expired_address(int status) { return status == 400 || status == 401 || status == 403; }

// What a host is trusted by, and shown.
Result<Tls> certificates_for(const RegistryOptions& options, const std::string& authority) {
  Tls tls;
  if (options.certificates) tls = TRY(options.certificates(authority));
  // On this machine itself nobody else can answer, certificate or not.
  if (options.insecure || (is_loopback(authority) && tls.authorities.empty())) tls.verify = false;
  return tls;
}

AuthorizerOptions authorizer_options(const RegistryOptions& options, const Tls& own) {
  // What is lenient about the registry, or secret, is so for it alone. But who vouches for it vouches for its token server too: those of one
  // house have certificates of one house, and docker and podman look at no other directory either.
  const auto certificates = [options, own](const std::string& authority) -> Result<Tls> {
    if (authority == options.host) return own;
    auto tls = TRY(certificates_for(options, authority));
    tls.authorities += own.authorities;
    return tls;
  };
  return {.host = options.host, .login = options.login, .insecure = options.insecure, .certificates = certificates};
}

// What /v2/ wants to see, if it wants something.
Result<std::vector<Challenge>> ping(Http& http, const std::string& base, const Tls& tls) {
  const auto answer = TRY(http.start({.url = base + "/v2/", .tls = tls}));
  // Some let only those in who are logged in, and say so by 403; who is overloaded now is asked again later.
  const bool speaks = answer.ok() || answer.status() == 401 || answer.status() == 403;
  if (!speaks && !is_transient_status(answer.status()))
    return fail(EPROTO, "{} is no registry: {}/v2/ answers {}", TRY(parse_url(base)).authority(), base, answer.status());
  return parse_challenges(answer.headers().all("WWW-Authenticate"));
}

// How a host is reached, and what it wants to see.
struct Reached {
  std::string base;
  std::vector<Challenge> challenges;
};

Result<Reached> reach(Http& http, const RegistryOptions& options, const Tls& tls) {
  const auto address = address_of(options.host);
  std::string base = "https://" + address;
  auto reached = ping(http, base, tls);
  const bool lenient = options.insecure || is_loopback(options.host);
  if (!reached && lenient && !reached.error().is(EHOSTUNREACH) && !reached.error().is(EKEYREJECTED)) {
    // Whoever speaks no TLS is asked without; when that fails too, its words are the ones that matter.
    base = "http://" + address;
    reached = ping(http, base, tls);
  }
  auto challenges = TRY(std::move(reached));
  return Reached{.base = std::move(base), .challenges = std::move(challenges)};
}

// A name that nobody knows is mistyped more often than not, and so is a port where nobody listens.
bool may_come_yet(const Error& error, bool insists) {
  if (!is_transient(error) || error.is(EHOSTUNREACH)) return false;
  return insists || (!error.is(ECONNREFUSED) && !error.is(ETIMEDOUT));
}

}  // namespace

std::string address_of(const std::string& host) { return host == "docker.io" ? "registry-1.docker.io" : host; }

Registry::Registry(Http& http, RegistryOptions options, std::string base, const Tls& tls)
    : http_(http),
      options_(std::move(options)),
      base_(std::move(base)),
      tls_(tls),
      authorizer_(http, authorizer_options(options_, tls)) {}

Result<std::unique_ptr<Registry>> Registry::connect(Http& http, RegistryOptions options) {
  const auto tls = TRY(certificates_for(options, options.host));
  Retries retries(options.retry);
  auto reached = reach(http, options, tls);
  while (!reached && options.waits_for_it && may_come_yet(reached.error(), options.insists) && retries.again()) {
    log::warn("{}; it is asked again", reached.error().message());
    reached = reach(http, options, tls);
  }
  auto found = TRY(std::move(reached));
  auto registry = std::unique_ptr<Registry>(new Registry(http, std::move(options), std::move(found.base), tls));
  registry->authorizer_.note(found.challenges);
  registry->origin_ = TRY(parse_url(registry->base_)).origin();
  return registry;
}

Result<Request> Registry::request_of(const Ask& ask, const std::string& url, bool at_home) {
  Request request{.method = ask.method, .url = url, .headers = ask.headers, .body = ask.body, .tls = tls_};
  if (!at_home) request.tls = TRY(certificates_for(options_, TRY(parse_url(url)).authority()));
  return request;
}

std::optional<std::string> Registry::remembered(const Ask& ask) {
  if (!ask.remembers_redirect) return std::nullopt;
  const Lock lock(mutex_);
  const auto known = addresses_.find(ask.url);
  return known == addresses_.end() ? std::nullopt : std::optional(known->second);
}

void Registry::remember(const Ask& ask, const std::string& address) {
  if (!ask.remembers_redirect) return;
  const Lock lock(mutex_);
  if (addresses_.size() >= kMostAddresses) addresses_.clear();
  addresses_[ask.url] = address;
}

void Registry::forget(const Ask& ask) {
  const Lock lock(mutex_);
  addresses_.erase(ask.url);
}

Result<Registry::Outcome> Registry::send_once(const Ask& ask, const std::optional<std::string>& address) {
  std::string url = ask.url.find("://") == std::string::npos ? base_ + "/v2/" + ask.url : ask.url;
  if (address) url = *address;
  std::string shown;
  for (int redirects = 0;; ++redirects) {
    const auto parsed = TRY(parse_url(url));
    const bool at_home = parsed.origin() == origin_;
    auto request = TRY(request_of(ask, url, at_home));
    if (at_home) shown = TRY(authorizer_.authorization(ask.scope));
    if (at_home && !shown.empty()) request.headers.add("Authorization", shown);
    auto answer = TRY(http_.start(std::move(request)));
    const std::string* location = answer.headers().find("Location");
    if (!is_redirect(answer.status()) || location == nullptr || !may_follow(ask, answer.status())) {
      if (!at_home && answer.ok()) remember(ask, url);
      return Outcome{.answer = std::move(answer), .at_home = at_home, .authorization = shown};
    }
    if (redirects == kMaxRedirects)
      return fail(ELOOP, "{} leads from one address to the next without end", options_.host);
    url = TRY(leads_to(url, *location));
  }
}

Result<Exchange> Registry::send(const Ask& ask) {
  Retries retries(options_.retry);
  int challenges = 0;
  for (;;) {
    const auto address = remembered(ask);
    auto outcome = send_once(ask, address);
    if (address && !(outcome && outcome->answer.ok())) {
      // Signed for a while that is over, or a server that is gone: the registry knows where it is now.
      forget(ask);
      continue;
    }
    if (!outcome) {
      if (is_transient(outcome.error()) && ask.repeatable && retries.again()) continue;
      return std::move(outcome).error();
    }
    Exchange& answer = outcome->answer;
    if (outcome->at_home && answer.status() == 401) {
      const auto wanted = parse_challenges(answer.headers().all("WWW-Authenticate"));
      // More than once: a token may have ended, and the next one may be wanted with a wider scope.
      if (++challenges > 3)
        return fail(EACCES, "{} does not accept the token it was given for {}", options_.host, ask.url);
      if (TRY(authorizer_.learn(wanted, ask.scope, outcome->authorization))) continue;
    } else if (!outcome->at_home && is_expired_address(answer.status()) && ask.repeatable) {
      if (retries.again(std::chrono::milliseconds(0))) continue;
    } else if (is_transient_status(answer.status()) && ask.repeatable) {
      if (retries.again(retry_after(answer.headers(), std::time(nullptr)))) continue;
    }
    show_warnings(answer);
    return std::move(answer);
  }
}

Result<std::string> Registry::leads_to(const std::string& from, const std::string& location) const {
  auto next = TRY_WITHIN(resolve_url(from, location), "where {} sends us", options_.host);
  if (TRY(parse_url(from)).is_secure() && !TRY(parse_url(next)).is_secure() && !options_.insecure)
    return fail(EPROTO, "{} sends us from https to {}, where anybody could answer", options_.host, next);
  return next;
}

Result<void> Registry::check_login() {
  auto answer = TRY(send({.url = ""}));
  if (answer.ok()) return {};
  return answer_error(answer, "logging in");
}

// distribution-spec, "Warnings": 299 - "text", shown to the person once.
void Registry::show_warnings(const Exchange& answer) {
  for (const auto& header : answer.headers().all("Warning")) {
    if (!header.starts_with("299 - \"") || !header.ends_with('"')) continue;
    const Lock lock(mutex_);
    if (!warnings_.insert(header).second) continue;
    std::string words = header.substr(7, header.size() - 8);
    for (char& c : words)
      if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
    log::warn("{} says: {}", options_.host, words);
  }
}

}  // namespace acetate::registry
