#include "builder/fetch_http.h"

#include <fcntl.h>

#include <charconv>
#include <ctime>

#include "base/sys/file.h"
#include "builder/public_url.h"
#include "layers/registry/http.h"
#include "layers/registry/url.h"

namespace acetate::build {

namespace {

constexpr int kMostRedirects = 10;

// The three forms of RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", and "Sunday, 06-Nov-94 08:49:37 GMT" and
// "Sun Nov  6 08:49:37 1994", which are old. 0 for none.
std::int64_t parse_http_time(const std::string& text) {
  for (const char* form : {"%a, %d %b %Y %H:%M:%S", "%A, %d-%b-%y %H:%M:%S", "%a %b %e %H:%M:%S %Y"}) {
    std::tm time{};
    if (::strptime(text.c_str(), form, &time) != nullptr) return std::int64_t{::timegm(&time)};
  }
  return 0;
}

// %41 is A; nothing for what is no URL.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(1)) {
    if (text[0] != '%') {
      out += text[0];
      continue;
    }
    unsigned value = 0;
    if (text.size() < 3 || std::from_chars(text.data() + 1, text.data() + 3, value, 16).ptr != text.data() + 3) return std::nullopt;
    out += static_cast<char>(value);
    text.remove_prefix(2);
  }
  return out;
}

Result<registry::Exchange> start(registry::Http& http, std::string& url) {
  for (int hops = 0;; ++hops) {
    auto exchange = TRY(http.start({.url = url}));
    const std::string* location = exchange.headers().find("Location");
    if (exchange.status() < 300 || exchange.status() >= 400 || location == nullptr) return exchange;
    if (hops == kMostRedirects) return fail(ELOOP, "more than {} redirects", kMostRedirects);
    url = TRY(redirected(url, *location));
  }
}

Result<FetchedFile> fetch(const std::string& from, const std::string& file, Digest::Algorithm algorithm) {
  const auto http = TRY(registry::Http::make());
  std::string url = from;
  auto exchange = TRY(start(*http, url));
  if (!exchange.ok()) return fail(EREMOTEIO, "the server answered {}", exchange.status());
  const Fd out = TRY_WITHIN(sys::open(file, O_WRONLY | O_CREAT | O_EXCL, 0600), "writing {}", file);
  Hasher hash(algorithm);
  for (;;) {
    const auto bytes = TRY(exchange.read());
    if (bytes.empty()) break;
    hash.update(bytes);
    TRY_WITHIN(sys::write_full(out.ref(), bytes), "writing {}", file);
  }
  FetchedFile fetched{.digest = hash.finish()};
  if (const std::string* time = exchange.headers().find("Last-Modified")) fetched.last_modified = parse_http_time(*time);
  return fetched;
}

}  // namespace

Result<FetchedFile> fetch_http(const std::string& url, const std::string& file, const std::optional<Digest>& expected) {
  const auto algorithm = expected ? expected->algorithm() : Digest::Algorithm::sha256;
  FetchedFile fetched = TRY_WITHIN(fetch(url, file, algorithm), "fetching {}", without_users(url));
  if (expected && fetched.digest != *expected)
    return fail(EBADMSG, "{} is {}, not {}", without_users(url), fetched.digest.str(), expected->str());
  return fetched;
}

Result<std::string> redirected(const std::string& url, const std::string& location) {
  const auto next = registry::join_url(url, location);
  if (!next) return fail(EPROTO, "it leads to {}", without_users(location));
  const bool is_secure = next->starts_with("https://");
  if (!is_secure && !next->starts_with("http://")) return fail(EPROTO, "it leads to {}", without_users(*next));
  if (!is_secure && url.starts_with("https://"))
    return fail(EPROTO, "it leads from https to {}, where anybody could answer", without_users(*next));
  return *next;
}

std::string name_in_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  auto path = decoded(url.substr(std::min(url.find('/', scheme + 3), url.size())));
  if (!path) return {};
  // As Go's path.Base(), by which BuildKit has it: slashes at the end are not looked at, and one that is written %2F is one.
  path->erase(path->find_last_not_of('/') + 1);
  std::string name = path->substr(path->rfind('/') + 1);
  return name == "." || name == ".." ? std::string() : name;
}

}  // namespace acetate::build
