#include "layers/registry/serve/route.h"

#include <array>

namespace acetate::registry {

namespace {

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*, and ':' as in a host's port, so that a store's own names can be asked
// for.
bool is_component(std::string_view text) {
  if (text.empty() || !is_plain(text.front()) || !is_plain(text.back())) return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (is_plain(text[i])) continue;
    const auto end = std::min(text.find_first_of("abcdefghijklmnopqrstuvwxyz0123456789", i), text.size());
    const auto separator = text.substr(i, end - i);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__" && separator != ":")
      return false;
    i = end;
  }
  return true;
}

}  // namespace

bool is_repository_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  for (std::size_t at = 0; at <= name.size();) {
    const auto end = std::min(name.find('/', at), name.size());
    const auto component = name.substr(at, end - at);
    if (!is_component(component) || (at != 0 && component.find(':') != std::string_view::npos)) return false;
    at = end + 1;
  }
  return true;
}

Route parse_route(std::string_view path) {
  using Kind = Route::Kind;
  if (path == "/v2/" || path == "/v2") return {.kind = Kind::version};
  if (path == "/v2/_catalog") return {.kind = Kind::catalog};
  if (!path.starts_with("/v2/")) return {};
  path.remove_prefix(4);
  // Without the slash, as some clients write it; it would be a blob of that name.
  if (constexpr std::string_view kUploads = "/blobs/uploads"; path.ends_with(kUploads)) {
    const auto name = path.substr(0, path.size() - kUploads.size());
    if (is_repository_name(name)) return {.kind = Kind::uploads, .repository = std::string(name)};
  }
  // The last of these words is the verb: a repository may have any of them as a component of its name.
  struct Verb {
    std::string_view word;
    Kind kind;
  };
  static constexpr std::array kVerbs{Verb{"/blobs/uploads/", Kind::upload}, Verb{"/blobs/", Kind::blob},
                                     Verb{"/manifests/", Kind::manifest},
                                     Verb{"/referrers/", Kind::referrers}, Verb{"/tags/", Kind::tags}};
  for (const auto& [word, kind] : kVerbs) {
    const auto at = path.rfind(word);
    if (at == std::string_view::npos) continue;
    Route route{.kind = kind,
                .repository = std::string(path.substr(0, at)),
                .reference = std::string(path.substr(at + word.size()))};
    if (!is_repository_name(route.repository) || route.reference.find('/') != std::string::npos) continue;
    if (kind == Kind::upload && route.reference.empty()) route.kind = Kind::uploads;
    if (kind == Kind::tags && route.reference != "list") continue;
    if (route.kind != Kind::uploads && route.reference.empty()) continue;
    return route;
  }
  return {};
}

}  // namespace acetate::registry
