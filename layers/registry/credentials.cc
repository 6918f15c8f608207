#include "layers/registry/credentials.h"

#include <fcntl.h>

#include <cstdlib>

#include "base/base64.h"
#include "base/sys/file.h"
#include "layers/image/json.h"
#include "layers/registry/credential_helper.h"

namespace acetate::registry {

namespace {

using image::Json;

constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::string_view kDockerHub = "docker.io";
constexpr const char* kDockerHubKey = "https://index.docker.io/v1/";

std::string host_of(const std::string& name) { return name.substr(0, name.find('/')); }

// Behind a directory that we may not enter, as root's podman makes /run/containers: nobody keeps our logins there.
bool is_out_of_reach(const std::string& path, const Error& error) {
  if (!error.is(EACCES)) return false;
  const auto st = sys::stat_following(path);
  return !st && st.error().is(EACCES);
}

// "{}" for a file that is not there. `usual`: nobody has named it, it is one of those that are looked at.
Result<Json> read_credentials(const std::string& path, bool usual = false) {
  const auto text = sys::read_file(path, kMaxFile);
  if (!text && (text.error().is(ENOENT) || text.error().is(ENOTDIR))) return Json::object();
  if (!text && usual && is_out_of_reach(path, text.error())) return Json::object();
  if (!text) return text.error().clone().within("reading " + path);
  if (text->find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  auto json = TRY(image::parse_json(*text, path));
  if (!json.is_object()) return fail(EINVAL, "{} is no JSON object", path);
  return json;
}

Result<void> write_credentials(const std::string& path, const Json& json) {
  if (const auto slash = path.rfind('/'); slash != std::string::npos && slash != 0)
    TRY_WITHIN(sys::make_dirs(path.substr(0, slash), 0700), "making the directory of {}", path);
  return TRY_WITHIN(sys::write_file_atomically(FileAt{kWorkingDir, path.c_str()}, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n", 0600),
                    "writing {}", path);
}

// {"auth": base64 of NAME:SECRET, "identitytoken": …}
Result<std::optional<Login>> login_of(const Json& entry, const std::string& what) {
  const auto reader = TRY(image::ObjectReader::make(entry, what));
  Login login;
  if (const auto token = TRY(reader.string("identitytoken")); !token.empty()) {
    login.secret = token;
    login.identity_token = true;
  }
  const auto auth = TRY(reader.string("auth"));
  if (auth.empty()) return login.identity_token ? std::optional(std::move(login)) : std::nullopt;
  const auto pair = base64_decode(auth);
  const auto colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return fail(EINVAL, "{}: \"auth\" is no Base64 of NAME:PASSWORD", what);
  login.username = pair->substr(0, colon);
  if (!login.identity_token) login.secret = pair->substr(colon + 1);
  // docker pads the decoded text with zero bytes in some of its versions
  while (!login.secret.empty() && login.secret.back() == '\0') login.secret.pop_back();
  return std::optional<Login>(std::move(login));
}

// The helper a file names for a host; "" for none.
Result<std::string> helper_for(const Json& file, const std::string& host, const std::string& what) {
  const auto reader = TRY(image::ObjectReader::make(file, what));
  const auto by_host = TRY(reader.string_map("credHelpers"));
  if (const auto at = by_host.find(host); at != by_host.end()) return at->second;
  return reader.string("credsStore");
}

Result<std::optional<Login>> find_in_helper(const std::string& helper, const std::string& host) {
  const auto program = TRY(CredentialHelper::named(helper));
  if (host == kDockerHub)
    if (auto found = TRY(program.get(kDockerHubKey))) return found;
  return program.get(host);
}

Result<std::optional<Login>> find_in(const Json& file, const std::string& name, const std::string& what) {
  if (const auto helper = TRY(helper_for(file, host_of(name), what)); !helper.empty())
    if (auto found = TRY(find_in_helper(helper, host_of(name)))) return found;
  // ~/.dockercfg has the entries at its top.
  const Json* entries = file.contains("auths") ? &file["auths"] : &file;
  if (!entries->is_object()) return fail(EINVAL, "{}: \"auths\" is no object", what);
  for (const auto& key : credential_keys(name))
    if (const auto at = entries->find(key); at != entries->end() && at->is_object())
      if (auto found = TRY(login_of(*at, what + ", " + key))) return found;
  return std::optional<Login>();
}

}  // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == 0 ? std::nullopt : std::optional<std::string>(value);
}

CredentialFiles credential_files(const Environment& environment, uid_t uid, const std::string& authfile) {
  if (!authfile.empty()) return {.read = {authfile}, .write = authfile};
  if (const auto file = environment("REGISTRY_AUTH_FILE")) return {.read = {*file}, .write = *file};
  const auto home = environment("HOME");
  CredentialFiles files;
  files.write = environment("XDG_RUNTIME_DIR").value_or(fmt::format("/run/containers/{}", uid));
  files.write += environment("XDG_RUNTIME_DIR") ? "/containers/auth.json" : "/auth.json";
  files.read.push_back(files.write);
  if (const auto config = environment("XDG_CONFIG_HOME"))
    files.read.push_back(*config + "/containers/auth.json");
  else if (home)
    files.read.push_back(*home + "/.config/containers/auth.json");
  if (const auto docker = environment("DOCKER_CONFIG"))
    files.read.push_back(*docker + "/config.json");
  else if (home)
    files.read.push_back(*home + "/.docker/config.json");
  if (home) files.read.push_back(*home + "/.dockercfg");
  return files;
}

std::vector<std::string> credential_keys(const std::string& name) {
  std::vector<std::string> keys;
  std::string key = name;
  for (;;) {
    keys.push_back(key);
    const auto slash = key.rfind('/');
    if (slash == std::string::npos) break;
    key.resize(slash);
  }
  if (key == kDockerHub) {
    keys.emplace_back(kDockerHubKey);
    keys.emplace_back("index.docker.io");
  } else {
    // As old versions of docker login wrote them.
    keys.push_back("https://" + key);
    keys.push_back("https://" + key + "/v1/");
    keys.push_back("https://" + key + "/v2/");
  }
  return keys;
}

Result<std::optional<Login>> Credentials::find(const std::string& name) const {
  for (const auto& path : files_.read)
    if (auto found = TRY(find_in(TRY(read_credentials(path, files_.read.size() > 1)), name, path))) return found;
  return std::optional<Login>();
}

Result<void> Credentials::store(const std::string& name, const Login& login) const {
  auto file = TRY(read_credentials(files_.write));
  if (const auto helper = TRY(helper_for(file, host_of(name), files_.write)); !helper.empty())
    return TRY(CredentialHelper::named(helper)).store(name, login);
  Json entry = Json::object();
  entry["auth"] = base64_encode(login.username + ":" + (login.identity_token ? "" : login.secret));
  if (login.identity_token) entry["identitytoken"] = login.secret;
  file["auths"][name] = std::move(entry);
  return write_credentials(files_.write, file);
}

Result<bool> Credentials::erase(const std::string& name) const {
  auto file = TRY(read_credentials(files_.write));
  bool erased = false;
  if (const auto helper = TRY(helper_for(file, host_of(name), files_.write)); !helper.empty()) {
    const auto program = TRY(CredentialHelper::named(helper));
    if (TRY(program.get(name))) {
      TRY(program.erase(name));
      erased = true;
    }
  }
  if (!file.contains("auths") || !file["auths"].is_object()) return erased;
  // The name itself and its other spellings, not the host above a path.
  std::size_t removed = file["auths"].erase(name);
  if (name == host_of(name))
    for (const auto& key : credential_keys(name)) removed += file["auths"].erase(key);
  if (removed == 0) return erased;
  TRY(write_credentials(files_.write, file));
  return true;
}

Result<void> Credentials::erase_all() const {
  auto file = TRY(read_credentials(files_.write));
  if (file.erase("auths") == 0) return {};
  return write_credentials(files_.write, file);
}

}  // namespace acetate::registry
