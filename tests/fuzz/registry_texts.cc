// What a registry says in headers and documents: challenges, links, ranges, addresses, manifests, and the messages of the
// fetcher's socket. The first byte chooses which.
#include "base/bytes.h"
#include "layers/image/manifest.h"
#include "layers/image/reference.h"
#include "layers/registry/blob_download.h"
#include "layers/registry/challenge.h"
#include "layers/registry/link_header.h"
#include "layers/registry/registries_conf.h"
#include "layers/registry/url.h"
#include "layers/stream/fetch_protocol.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {

namespace {

// What was understood is written back and understood alike.
void reference(std::string_view text) {
  const auto read = image::parse_reference(text);
  if (!read) return;
  const auto again = image::parse_reference(read->str());
  demand(again.has_value());
  demand(*again == *read);
}

void address(const std::string& text) {
  const auto url = registry::parse_url(text);
  if (url) demand(!url->host.empty() && !url->port.empty());
  const auto resolved = registry::resolve_url("https://reg.example:5000/v2/a/blobs/uploads/", text);
  if (resolved) demand(registry::parse_url(*resolved).has_value());
}

void range(std::string_view text) {
  const auto found = registry::parse_content_range(text);
  if (found) demand(found->first <= found->last);
}

void message(std::span<const std::byte> bytes) {
  if (const auto request = fetch::unpack_request(bytes)) {
    const auto again = fetch::unpack_request(fetch::pack(*request));
    demand(again && again->blob == request->blob && again->first == request->first && again->end == request->end);
  }
  (void)fetch::unpack_reply(bytes);
}

}  // namespace

int registry_texts(std::span<const std::byte> bytes) {
  if (bytes.empty()) return 0;
  const auto rest = bytes.subspan(1);
  const std::string text(as_text(rest));
  switch (std::to_integer<char>(bytes[0])) {
    case 'c': (void)registry::parse_challenges({text}); break;
    case 'l': (void)registry::next_page({text}); break;
    case 'r': range(text); break;
    case 'u': address(text); break;
    case 'n': reference(text); break;
    case 't': (void)registry::parse_registries_conf(text, "a file"); break;
    case 'm':
      (void)image::parse_document(text, "", "a document");
      (void)image::parse_index(text, "a document");
      break;
    case 's': message(rest); break;
    default: break;
  }
  return 0;
}

}  // namespace acetate::fuzz
