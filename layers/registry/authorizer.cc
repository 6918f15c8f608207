#include "layers/registry/authorizer.h"

#include <algorithm>

#include "base/base64.h"
#include "layers/image/json.h"
#include "layers/registry/retry.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMaxTokenAnswer = 1 << 20;
// token.md: clients assume at least a minute, and so do the servers.
constexpr std::chrono::seconds kLeastLife{60};
// A token that ends while the request is under way is worth nothing.
constexpr std::chrono::seconds kMargin{5};

Scope scope_of(std::vector<std::string> list) {
  std::ranges::sort(list);
  return list;
}

std::string basic(const Login& login) { return "Basic " + base64_encode(login.username + ":" + login.secret); }

const Challenge* find_scheme(const std::vector<Challenge>& challenges, std::string_view scheme) {
  const auto at = std::ranges::find(challenges, scheme, &Challenge::scheme);
  return at == challenges.end() ? nullptr : &*at;
}

std::string parameter(const Challenge& challenge, const char* name) {
  const auto at = challenge.parameters.find(name);
  return at == challenge.parameters.end() ? std::string() : at->second;
}

Scope split_scope(const std::string& text) {
  Scope parts;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return scope_of(std::move(parts));
}

}  // namespace

Scope pull_scope(const std::string& repository) { return {"repository:" + repository + ":pull"}; }
Scope push_scope(const std::string& repository) { return {"repository:" + repository + ":pull,push"}; }
Scope mount_scope(const std::string& repository, const std::vector<std::string>& from) {
  Scope scope = push_scope(repository);
  for (const auto& other : from)
    if (other != repository) scope.push_back("repository:" + other + ":pull");
  return scope_of(std::move(scope));
}

Error Authorizer::refused() const {
  if (options_.login)
    return fail(EACCES, "{} refuses the login of \"{}\". Log in again: acetate login {}", options_.host,
                options_.login->username, options_.host);
  return fail(EACCES, "{} wants a login for that: acetate login {}", options_.host, options_.host);
}

Result<std::string> Authorizer::authorization(const Scope& scope) {
  const Lock lock(mutex_);
  if (kind_ == Kind::basic && options_.login) return basic(*options_.login);
  if (kind_ != Kind::bearer) return std::string();
  return "Bearer " + TRY(token_locked(scope));
}

void Authorizer::note(const std::vector<Challenge>& challenges) {
  const Lock lock(mutex_);
  note_locked(challenges);
}

const Challenge* Authorizer::note_locked(const std::vector<Challenge>& challenges) {
  if (const auto* bearer = find_scheme(challenges, "bearer")) {
    kind_ = Kind::bearer;
    realm_ = parameter(*bearer, "realm");
    service_ = parameter(*bearer, "service");
    return bearer;
  }
  const auto* found = find_scheme(challenges, "basic");
  if (found != nullptr) kind_ = Kind::basic;
  return found;
}

Result<bool> Authorizer::learn(const std::vector<Challenge>& challenges, const Scope& scope, const std::string& used) {
  const Lock lock(mutex_);
  const auto* challenge = note_locked(challenges);
  if (challenge == nullptr) return refused();
  if (kind_ == Kind::basic) {
    if (!options_.login || used == basic(*options_.login)) return refused();
    if (options_.login->identity_token)
      return fail(EACCES, "{} takes passwords, and all we have is an identity token", options_.host);
    return true;
  }
  if (realm_.empty()) return fail(EPROTO, "{} wants a token and does not say whose", options_.host);
  // Another thread may have replaced the token that was refused: then that one is tried.
  if (const auto kept = tokens_.find(scope); kept != tokens_.end() && used == "Bearer " + kept->second.value) {
    tokens_.erase(kept);
    const auto wanted = split_scope(parameter(*challenge, "scope"));
    if (parameter(*challenge, "error") == "insufficient_scope" && !wanted.empty()) widened_[scope] = wanted;
  }
  return true;
}

Result<std::string> Authorizer::token_locked(const Scope& scope) {
  if (const auto kept = tokens_.find(scope); kept != tokens_.end() && Clock::now() + kMargin < kept->second.until)
    return kept->second.value;
  const auto widened = widened_.find(scope);
  auto token = TRY_WITHIN(fetch_token(widened == widened_.end() ? scope : widened->second),
                          "getting a token for {}", options_.host);
  return (tokens_[scope] = std::move(token)).value;
}

Result<Request> Authorizer::token_request(const Scope& scope) {
  const auto realm = TRY(parse_url(realm_));
  const bool secret = options_.login.has_value();
  if (secret && !realm.is_secure() && !options_.insecure && !is_loopback(realm.authority()))
    return fail(EACCES, "{} asks to send the password in the clear to {}, which is not done unless --tls-verify=false says so", options_.host,
                realm.authority());
  Request request{.url = realm_, .headers = {{"Accept", "application/json"}}};
  if (options_.certificates) request.tls = TRY(options_.certificates(realm.authority()));
  if (secret && options_.login->identity_token) {
    std::string form = "grant_type=refresh_token&client_id=acetate&service=" + escaped(service_);
    std::string all;
    for (const auto& part : scope) all += (all.empty() ? "" : " ") + part;
    form += "&scope=" + escaped(all) + "&refresh_token=" + escaped(options_.login->secret);
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = Body::text(std::move(form));
    return request;
  }
  if (!service_.empty()) request.url = with_query(request.url, "service", service_);
  for (const auto& part : scope) request.url = with_query(request.url, "scope", part);
  if (secret) {
    request.url = with_query(request.url, "account", options_.login->username);
    request.headers.add("Authorization", basic(*options_.login));
  }
  return request;
}

Result<Authorizer::Token> Authorizer::fetch_token(const Scope& scope) {
  auto answer = TRY(http_.start(TRY(token_request(scope))));
  if (answer.status() == 401 || answer.status() == 403) return refused();
  if (!answer.ok())
    return fail(is_transient_status(answer.status()) ? EREMOTEIO : EPROTO, "{} answers with status {}",
                TRY(parse_url(realm_)).authority(), answer.status());
  const std::string what = "the token of " + realm_;
  const auto json = TRY(image::parse_json(TRY(answer.read_all(kMaxTokenAnswer)), what));
  const auto reader = TRY(image::ObjectReader::make(json, what));
  Token token{.value = TRY(reader.string("token")), .until = Clock::now() + kLeastLife};
  if (token.value.empty()) token.value = TRY(reader.string("access_token"));
  if (token.value.empty()) return fail(EPROTO, "{} has no token in it", what);
  if (token.value.find_first_of("\r\n") != std::string::npos) return fail(EPROTO, "{} has several lines", what);
  if (reader.has("expires_in")) {
    const std::chrono::seconds life(static_cast<long>(std::min<std::uint64_t>(TRY(reader.size("expires_in")), 86400)));
    token.until = Clock::now() + std::max(life, kLeastLife);
  }
  return token;
}

}  // namespace acetate::registry
