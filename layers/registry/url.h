// URLs taken apart and put together, by libcurl's own rules, so that what we decide about one is what is fetched.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::registry {

struct Url {
  std::string scheme, host, port;  // "port" is never empty: 80 or 443 where the text has none
  std::string path, query;

  // "host" or "host:port", as people write it: without the port that goes without saying.
  std::string authority() const;
  // Who is talked to. Nothing secret goes from one origin to another.
  std::string origin() const { return scheme + "://" + host + ":" + port; }
  bool is_secure() const { return scheme == "https"; }
};

// EINVAL with words for what is no http or https URL, or has a name and password in it.
Result<Url> parse_url(const std::string& text);

// What a Location or Link header means, found at `base`, whatever scheme it has and whoever is named in it. EINVAL with words for no URL.
Result<std::string> join_url(const std::string& base, const std::string& location);

// What a Location or Link header means, found in an answer to `base`, as parse_url() takes it.
Result<std::string> resolve_url(const std::string& base, const std::string& location);

// localhost, 127.0.0.0/8 and [::1], with or without a port.
bool is_loopback(const std::string& host);

// The URL with one more query parameter, which is escaped.
std::string with_query(std::string url, std::string_view name, std::string_view value);
std::string escaped(std::string_view text);

}  // namespace acetate::registry
