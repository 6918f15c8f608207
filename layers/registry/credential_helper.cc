#include "layers/registry/credential_helper.h"

#include <algorithm>
#include <cctype>

#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "base/sys/process.h"
#include "layers/image/json.h"

namespace acetate::registry {

namespace {

// What the helpers of the docker project print when they have nothing, all of them the same.
constexpr std::string_view kNotFound = "credentials not found";
constexpr std::size_t kMaxAnswer = 1 << 20;

}  // namespace

struct CredentialHelper::Answer {
  bool ok = false;
  std::string out;
  std::string how;  // it ended
};

Result<CredentialHelper> CredentialHelper::named(const std::string& name) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  if (name.empty() || !std::ranges::all_of(name, fits))
    return fail(EINVAL, "\"{}\" cannot be the name of a credential helper", name);
  return CredentialHelper("docker-credential-" + name);
}

Result<CredentialHelper::Answer> CredentialHelper::ask(const char* verb, const std::string& input) const {
  // Files in memory rather than pipes: neither side ever waits for the other.
  const Fd in = TRY(sys::memory_file("credential-request"));
  TRY(sys::pwrite_full(in.ref(), std::as_bytes(std::span(input)), 0));
  const Fd out = TRY(sys::memory_file("credential-answer"));
  auto child = TRY(sys::spawn({.argv = {program_, verb}, .fds = {{in.ref(), 0}, {out.ref(), 1}}}));
  const auto ended = TRY(child.wait());
  TRY(sys::lseek(out.ref(), 0, SEEK_SET));
  auto said = TRY(sys::read_all(out.ref(), kMaxAnswer));
  return Answer{.ok = ended.ok(), .out = std::move(said), .how = ended.describe()};
}

Result<std::optional<Login>> CredentialHelper::get(const std::string& server) const {
  const auto answer = TRY_WITHIN(ask("get", server), "asking {} about {}", program_, server);
  if (!answer.ok && answer.out.find(kNotFound) != std::string::npos) return std::optional<Login>();
  if (!answer.ok) return fail(EACCES, "{} get {}: {}", program_, server, answer.how);
  const std::string what = "the answer of " + program_;
  const auto json = TRY(image::parse_json(answer.out, what));
  const auto reader = TRY(image::ObjectReader::make(json, what));
  Login login;
  login.username = TRY(reader.string("Username"));
  login.secret = TRY(reader.string("Secret"));
  if (login.secret.empty()) return std::optional<Login>();
  login.identity_token = login.username == "<token>";
  return std::optional<Login>(std::move(login));
}

Result<void> CredentialHelper::store(const std::string& server, const Login& login) const {
  const image::Json request{{"ServerURL", server},
                            {"Username", login.identity_token ? "<token>" : login.username},
                            {"Secret", login.secret}};
  const auto answer = TRY_WITHIN(ask("store", image::write_json(request)), "telling {} of {}", program_, server);
  if (!answer.ok) return fail(EACCES, "{} store {}: {}", program_, server, answer.how);
  return {};
}

Result<void> CredentialHelper::erase(const std::string& server) const {
  const auto answer = TRY_WITHIN(ask("erase", server), "telling {} of {}", program_, server);
  if (!answer.ok && answer.out.find(kNotFound) == std::string::npos)
    return fail(EACCES, "{} erase {}: {}", program_, server, answer.how);
  return {};
}

}  // namespace acetate::registry
