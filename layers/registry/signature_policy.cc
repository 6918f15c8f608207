#include "layers/registry/signature_policy.h"

#include <algorithm>
#include <set>

#include "base/sys/file.h"
#include "layers/image/json.h"

namespace acetate::registry {

namespace {

using image::Json;

// The parser keeps the last of several, which may be the laxer one.
Result<void> check_for_duplicates(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> open;
  std::string twice;
  // Only to hear of its keys.
  [[maybe_unused]] const auto parsed = Json::parse(
      text,
      [&](int, Json::parse_event_t event, Json& value) {
        if (event == Json::parse_event_t::object_start) open.emplace_back();
        if (event == Json::parse_event_t::object_end) open.pop_back();
        if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second) twice = value.get<std::string>();
        return true;
      },
      /*allow_exceptions=*/false);
  if (twice.empty()) return {};
  return fail(EINVAL, "{}: \"{}\" is there twice", file, twice);
}

Result<void> check_keys(const Json& object, std::initializer_list<std::string_view> known, const std::string& what) {
  for (const auto& [key, value] : object.items())
    if (std::ranges::find(known, key) == known.end()) return fail(EINVAL, "{} knows no \"{}\"", what, key);
  return {};
}

Result<Requirement> requirement_of(const Json& value, const std::string& what) {
  const auto type = value.is_object() ? value.find("type") : value.end();
  if (!value.is_object() || type == value.end() || !type->is_string()) return fail(EINVAL, "{}: a requirement has a \"type\"", what);
  const auto name = type->get<std::string>();
  // Their keys say how to verify, which is not done here.
  for (const char* of_signatures : {"signedBy", "signedBaseLayer", "sigstoreSigned"})
    if (name == of_signatures) return Requirement::signature;
  TRY(check_keys(value, {"type"}, fmt::format("{}: \"{}\"", what, name)));
  if (name == "insecureAcceptAnything") return Requirement::accept_anything;
  if (name == "reject") return Requirement::reject;
  return fail(EINVAL, "{}: there is no requirement \"{}\"", what, name);
}

Result<std::vector<Requirement>> requirements_of(const Json& value, const std::string& what) {
  if (!value.is_array() || value.empty()) return fail(EINVAL, "{} is no list of requirements", what);
  std::vector<Requirement> all;
  for (const auto& each : value) all.push_back(TRY(requirement_of(each, what)));
  return all;
}

}  // namespace

Result<SignaturePolicy> SignaturePolicy::of(std::string_view json, std::string file) {
  const auto document = TRY(image::parse_json(json, file));
  TRY(check_for_duplicates(json, file));
  if (!document.is_object() || !document.contains("default")) return fail(EINVAL, "{} has no \"default\"", file);
  TRY(check_keys(document, {"default", "transports"}, file));
  SignaturePolicy policy;
  policy.default_ = TRY(requirements_of(document["default"], fmt::format("{}: \"default\"", file)));
  const Json none = Json::object();
  const auto transports = document.find("transports");
  const Json& of_transports = transports == document.end() ? none : *transports;
  if (!of_transports.is_object()) return fail(EINVAL, "{}: \"transports\" is no object", file);
  for (const auto& [transport, scopes] : of_transports.items()) {
    if (!scopes.is_object()) return fail(EINVAL, "{}: \"{}\" is no object", file, transport);
    for (const auto& [scope, value] : scopes.items())
      policy.transports_[transport][scope] = TRY(requirements_of(value, fmt::format("{}: \"{}\" of \"{}\"", file, scope, transport)));
  }
  policy.file_ = std::move(file);
  return policy;
}

Result<SignaturePolicy> SignaturePolicy::load(const Environment& environment) {
  std::vector<std::string> files{"/etc/containers/policy.json"};
  if (const auto home = environment("HOME")) files.insert(files.begin(), *home + "/.config/containers/policy.json");
  for (const auto& file : files) {
    const auto text = sys::read_file(file, image::kMaxDocument);
    if (text) return of(*text, file);
    if (!text.error().is(ENOENT) && !text.error().is(ENOTDIR)) return text.error().clone().within("reading " + file);
  }
  return SignaturePolicy();
}

Result<void> SignaturePolicy::check(std::string_view transport, const std::vector<std::string>& scopes) const {
  const Requirements* requirements = &default_;
  std::string rule = "default";
  if (const auto own = transports_.find(std::string(transport)); own != transports_.end()) {
    auto candidates = scopes;
    candidates.emplace_back();
    for (const auto& scope : candidates) {
      const auto found = own->second.find(scope);
      if (found == own->second.end()) continue;
      requirements = &found->second;
      rule = scope.empty() ? std::string(transport) : scope;
      break;
    }
  }
  const auto what = scopes.empty() ? std::string(transport) : scopes.front();
  for (const auto requirement : *requirements) {
    if (requirement == Requirement::accept_anything) continue;
    if (requirement == Requirement::reject) return fail(EPERM, "{} is rejected by {} (\"{}\")", what, file_, rule);
    return fail(EPERM,
                "{} must be signed, says {} (\"{}\"), and signatures are not verified here; fetch it with skopeo or podman, or allow it in "
                "~/.config/containers/policy.json",
                what, file_, rule);
  }
  return {};
}

std::vector<std::string> policy_scopes(const image::Reference& name) {
  std::vector<std::string> scopes{name.name() + (name.digest ? "@" + name.digest->str() : ":" + name.tag)};
  std::string path = name.name();
  for (;;) {
    scopes.push_back(path);
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) break;
    path.resize(slash);
  }
  std::string domain = name.registry.substr(0, name.registry.find(':'));
  for (auto dot = domain.find('.'); dot != std::string::npos; dot = domain.find('.')) {
    domain.erase(0, dot + 1);
    scopes.push_back("*." + domain);
  }
  return scopes;
}

std::vector<std::string> policy_scopes(std::string_view path) {
  std::vector<std::string> scopes;
  for (; path.size() > 1; path = path.substr(0, path.rfind('/'))) scopes.emplace_back(path);
  return scopes;
}

}  // namespace acetate::registry
