#include "layers/registry/url.h"

#include <memory>

#include "layers/registry/curl.h"

namespace acetate::registry {

namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl().url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, UrlDeleter>;

std::string part(const Handle& url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(url.get(), which, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl().free(text);
  return copy;
}

Error not_a_url(const std::string& text, CURLUcode code) {
  return fail(EINVAL, "\"{}\" is no URL: {}", text, curl().url_strerror(code));
}

}  // namespace

std::string Url::authority() const {
  const bool usual = port == (is_secure() ? "443" : "80");
  return usual ? host : host + ":" + port;
}

Result<Url> parse_url(const std::string& text) {
  TRY(load_curl());
  const Handle url(curl().url());
  if (url == nullptr) return Error(ENOMEM);
  if (const auto code = curl().url_set(url.get(), CURLUPART_URL, text.c_str(), 0); code != CURLUE_OK)
    return not_a_url(text, code);
  Url parsed{.scheme = part(url, CURLUPART_SCHEME),
             .host = part(url, CURLUPART_HOST),
             .port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT),
             .path = part(url, CURLUPART_PATH),
             .query = part(url, CURLUPART_QUERY)};
  if (parsed.scheme != "http" && parsed.scheme != "https")
    return fail(EINVAL, "\"{}\" is no URL of http or https", text);
  if (!part(url, CURLUPART_USER).empty() || !part(url, CURLUPART_PASSWORD).empty())
    return fail(EINVAL, "a URL of {} has a name and password in it, which is not taken", parsed.host);
  return parsed;
}

Result<std::string> join_url(const std::string& base, const std::string& location) {
  TRY(load_curl());
  const Handle url(curl().url());
  if (url == nullptr) return Error(ENOMEM);
  if (const auto code = curl().url_set(url.get(), CURLUPART_URL, base.c_str(), 0); code != CURLUE_OK)
    return not_a_url(base, code);
  if (const auto code = curl().url_set(url.get(), CURLUPART_URL, location.c_str(), 0); code != CURLUE_OK)
    return not_a_url(location, code);
  return part(url, CURLUPART_URL);
}

Result<std::string> resolve_url(const std::string& base, const std::string& location) {
  auto resolved = TRY(join_url(base, location));
  TRY(parse_url(resolved));
  return resolved;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

bool is_loopback(const std::string& host) {
  if (host.starts_with("[::1]")) return true;
  const auto name = host.substr(0, host.find(':'));
  return name == "localhost" || (name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string::npos);
}

std::string with_query(std::string url, std::string_view name, std::string_view value) {
  url += url.find('?') == std::string::npos ? '?' : '&';
  return url + escaped(name) + "=" + escaped(value);
}

}  // namespace acetate::registry
