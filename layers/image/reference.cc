#include "layers/image/reference.h"

#include <algorithm>
#include <utility>

namespace acetate::image {

namespace {

constexpr std::string_view kDefaultRegistry = "docker.io";
constexpr std::string_view kDefaultNamespace = "library/";
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter_or_digit(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }

template <class Is>
bool all(std::string_view text, Is&& is) {
  return !text.empty() && std::ranges::all_of(text, is);
}

// Calls `part` for what stands between separators; false as soon as it says so.
template <class Part>
bool each_part(std::string_view text, char separator, Part&& part) {
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(separator, at), text.size());
    if (!part(text.substr(at, end - at))) return false;
    at = end + 1;
  }
  return true;
}

bool is_host_label(std::string_view text) {
  return all(text, [](char c) { return is_letter_or_digit(c) || c == '-'; }) && text.front() != '-' &&
         text.back() != '-';
}

// host[:port], where the host is a name or an IPv6 address in brackets.
bool is_registry(std::string_view text) {
  std::string_view host = text, port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == text.npos) return false;
    host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    has_port = !rest.empty();
    if (has_port && !rest.starts_with(':')) return false;
    if (has_port) port = rest.substr(1);
    const auto fits = [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
    };
    if (!all(host, fits)) return false;
  } else {
    const auto colon = text.find(':');
    has_port = colon != text.npos;
    if (has_port) port = text.substr(colon + 1);
    host = text.substr(0, colon);
    if (!each_part(host, '.', is_host_label)) return false;
  }
  return !has_port || all(port, is_digit);
}

// Letters and digits, with ".", "_", "__" or any number of "-" between them.
bool is_path_component(std::string_view text) {
  const auto is_word = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !is_word(text.front()) || !is_word(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_word(text[i])) {
      ++i;
      continue;
    }
    const auto end = text.find_first_not_of(text[i], i);
    const auto length = end - i;  // the last one is a word's, so there is an end
    const bool fits = text[i] == '-' || (text[i] == '.' && length == 1) || (text[i] == '_' && length <= 2);
    if (!fits || !is_word(text[end])) return false;
    i = end;
  }
  return true;
}

bool is_tag(std::string_view text) {
  const auto is_word = [](char c) { return is_letter_or_digit(c) || c == '_'; };
  return text.size() <= kMaxTag && all(text, [&](char c) { return is_word(c) || c == '.' || c == '-'; }) &&
         is_word(text.front());
}

bool is_image_id(std::string_view text) {
  return text.size() == 64 &&
         all(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

// The registry's part of a name, "" when it has none.
std::string_view registry_of(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == text.npos) return {};
  const auto first = text.substr(0, slash);
  const bool is_host = first.find_first_of(".:[") != first.npos || first == "localhost" ||
                       std::ranges::any_of(first, is_upper);
  return is_host ? first : std::string_view();
}

Result<void> check(std::string_view text, const Reference& reference) {
  if (std::ranges::any_of(reference.repository, is_upper))
    return fail(EINVAL, "\"{}\" is not the name of an image: it must be in lower case", text);
  if (!is_registry(reference.registry) || !each_part(reference.repository, '/', is_path_component))
    return fail(EINVAL, "\"{}\" is not the name of an image; say [REGISTRY/]NAME[:TAG][@DIGEST]", text);
  if (reference.repository.size() > kMaxName)
    return fail(EINVAL, "\"{}\" is not the name of an image: it is longer than {} letters", text, kMaxName);
  return {};
}

}  // namespace

std::string Reference::str() const {
  std::string out = name();
  if (!tag.empty()) out += ":" + tag;
  if (digest) out += "@" + digest->str();
  return out;
}

std::string Reference::familiar_name() const {
  if (registry != kDefaultRegistry) return name();
  const bool is_library =
      repository.starts_with(kDefaultNamespace) && repository.find('/', kDefaultNamespace.size()) == repository.npos;
  return is_library ? repository.substr(kDefaultNamespace.size()) : repository;
}

std::string Reference::familiar() const {
  std::string out = familiar_name();
  if (!tag.empty()) out += ":" + tag;
  if (digest) out += "@" + digest->str();
  return out;
}

bool is_short_name(std::string_view text) { return registry_of(text).empty(); }

Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return fail(EINVAL, "an empty text names no image");
  if (is_image_id(text)) return fail(EINVAL, "\"{}\" is an image's id and not a name", text);
  Reference reference;
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != rest.npos) {
    reference.digest = TRY_WITHIN(Digest::parse(rest.substr(at + 1)), "\"{}\" is not the name of an image", text);
    rest = rest.substr(0, at);
  }
  const auto registry = registry_of(rest);
  reference.registry = registry;
  if (!registry.empty()) rest.remove_prefix(registry.size() + 1);
  if (registry.empty() || registry == "index.docker.io") reference.registry = kDefaultRegistry;

  if (const auto colon = rest.rfind(':'); colon != rest.npos) {
    reference.tag = rest.substr(colon + 1);
    if (!is_tag(reference.tag))
      return fail(EINVAL,
                  "\"{}\" is not the name of an image: its tag may have up to {} letters, digits, '_', '.', '-'",
                  text, kMaxTag);
    rest = rest.substr(0, colon);
  } else if (!reference.digest) {
    reference.tag = "latest";
  }
  const bool is_single = rest.find('/') == rest.npos;
  if (reference.registry == kDefaultRegistry && is_single && !rest.empty())
    reference.repository = kDefaultNamespace;
  reference.repository += rest;
  TRY(check(text, reference));
  return reference;
}

}  // namespace acetate::image
