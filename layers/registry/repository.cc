#include "layers/registry/repository.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/registry/answer_error.h"
#include "layers/registry/link_header.h"
#include "layers/registry/referrer.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMaxList = 16 << 20;
constexpr std::size_t kMaxPages = 10000;

std::string accepted_types() {
  return fmt::format("{}, {}, {}, {}", image::kOciIndex, image::kOciManifest, image::kDockerIndex,
                     image::kDockerManifest);
}

// "" where a badly set up server has nothing to say but "application/json".
std::string media_type_of(const Exchange& answer) {
  const std::string* header = answer.headers().find("Content-Type");
  if (header == nullptr) return {};
  const auto type = header->substr(0, header->find_first_of("; "));
  return type == "application/json" || type == "application/octet-stream" || type.starts_with("text/") ? ""
                                                                                                       : type;
}

// "sha384:…" and the like are no claim that we can check.
std::optional<Digest> stated_digest(const Exchange& answer) {
  const std::string* text = answer.headers().find("Docker-Content-Digest");
  if (text == nullptr) return std::nullopt;
  auto digest = Digest::parse(*text);
  return digest ? std::optional(*digest) : std::nullopt;
}

// Calls `take` with every page of a list.
Result<void> for_each_page(Repository& repository, Ask ask, const std::string& what,
                           const std::function<Result<void>(std::string_view)>& take) {
  std::set<std::string> seen;
  for (std::size_t pages = 0; pages < kMaxPages; ++pages) {
    auto answer = TRY_WITHIN(repository.registry().send(ask), "{}", what);
    if (!answer.ok()) return answer_error(answer, what);
    const auto next = next_page(answer.headers().all("Link"));
    TRY(take(TRY_WITHIN(answer.read_all(kMaxList), "{}", what)));
    if (!next) return {};
    ask.url = TRY_WITHIN(resolve_url(answer.url(), *next), "{}", what);
    if (!seen.insert(ask.url).second) break;
  }
  return fail(EPROTO, "{}: the list has no end", what);
}

}  // namespace

// At most 64 digits, which leaves out half of a SHA-512.
std::string referrers_tag(const Digest& digest) { return fmt::format("{}-{}", name_of(digest.algorithm()), digest.hex().substr(0, 64)); }

Ask Repository::ask(std::string method, const std::string& below) const {
  const bool reads = method == "GET" || method == "HEAD";
  return {.method = std::move(method),
          .url = name_ + "/" + below,
          .scope = reads ? pull_scope(name_) : push_scope(name_)};
}

Result<FetchedManifest> Repository::manifest(const std::string& reference) {
  const std::string what = fmt::format("the manifest {} of {}", reference, where());
  auto asked = ask("GET", "manifests/" + reference);
  asked.headers.add("Accept", accepted_types());
  auto answer = TRY_WITHIN(registry_.send(asked), "{}", what);
  if (!answer.ok()) return answer_error(answer, what);
  FetchedManifest fetched;
  fetched.bytes = TRY_WITHIN(answer.read_all(image::kMaxDocument), "{}", what);
  const auto asked_for = Digest::parse(reference);
  const auto stated = stated_digest(answer);
  // What a tag points at has the name that the registry knows it by.
  const auto algorithm = asked_for ? asked_for->algorithm() : stated ? stated->algorithm() : Digest::Algorithm::sha256;
  fetched.descriptor = {
      .media_type = media_type_of(answer), .digest = Digest::of(fetched.bytes, algorithm), .size = fetched.bytes.size()};
  if (asked_for && *asked_for != fetched.descriptor.digest)
    return fail(EBADMSG, "{}: what came has the digest {}", what, fetched.descriptor.digest.str());
  if (const auto found = stated ? Digest::of(fetched.bytes, stated->algorithm()) : Digest(); stated && *stated != found)
    return fail(EBADMSG, "{}: what came has the digest {}, and the registry says {}", what, found.str(), stated->str());
  const auto document = TRY(image::parse_any_document(fetched.bytes, fetched.descriptor.media_type, what));
  if (!document.media_type.empty()) fetched.descriptor.media_type = document.media_type;
  if (fetched.descriptor.media_type.empty())
    fetched.descriptor.media_type = document.index ? image::kOciIndex : image::kOciManifest;
  return fetched;
}

Result<std::optional<Digest>> Repository::manifest_digest(const std::string& reference) {
  const std::string what = fmt::format("the manifest {} of {}", reference, where());
  auto asked = ask("HEAD", "manifests/" + reference);
  asked.headers.add("Accept", accepted_types());
  auto answer = TRY_WITHIN(registry_.send(asked), "{}", what);
  if (!answer.ok()) return answer_error(answer, what);
  return stated_digest(answer);
}

Result<void> Repository::put_manifest(const std::string& reference, const image::Descriptor& manifest,
                                      const std::string& bytes) {
  TRY(put(reference, manifest, bytes));
  return {};
}

Result<void> Repository::put_tagged(const std::string& tag, const image::Descriptor& manifest, const std::string& bytes) {
  if (manifest.digest.algorithm() == Digest::Algorithm::sha256) return put_manifest(tag, manifest, bytes);
  const auto tagged = put(manifest.digest.str() + "?tag=" + tag, manifest, bytes);
  if (tagged && *tagged) return {};
  if (!tagged) log::info("{}", tagged.error().message());
  return put_manifest(tag, manifest, bytes);
}

Result<bool> Repository::put(const std::string& reference, const image::Descriptor& manifest, const std::string& bytes) {
  const std::string what = fmt::format("putting the manifest {} into {}", reference, where());
  auto asked = ask("PUT", "manifests/" + reference);
  asked.headers.add("Content-Type", manifest.media_type);
  asked.body = Body::text(bytes);
  auto answer = TRY_WITHIN(registry_.send(asked), "{}", what);
  if (!answer.ok()) return answer_error(answer, what);
  if (const auto stated = stated_digest(answer); stated && *stated != Digest::of(bytes, stated->algorithm()))
    return fail(EBADMSG, "{}: the registry took it for {}", what, stated->str());
  const bool tagged = answer.headers().find("OCI-Tag") != nullptr;
  if (answer.headers().find("OCI-Subject") != nullptr) return tagged;
  if (const auto subject = subject_of(TRY(image::parse_json(bytes, what)))) TRY(add_to_referrers_tag(*subject, manifest, bytes));
  return tagged;
}

Result<void> Repository::add_to_referrers_tag(const Digest& subject, const image::Descriptor& manifest,
                                              const std::string& bytes) {
  const std::string tag = referrers_tag(subject);
  const std::string what = fmt::format("the referrers' tag {} of {}", tag, where());
  image::Index index;
  if (const auto there = this->manifest(tag))
    index = TRY(image::parse_index(there->bytes, what));
  else if (!there.error().is(ENOENT))
    return there.error().clone();
  std::erase_if(index.entries, [&](const auto& entry) { return entry.descriptor.digest == manifest.digest; });
  index.entries.push_back(referrer_entry(manifest, TRY(image::parse_json(bytes, what))));
  const auto text = image::to_json(index);
  return put_manifest(
      tag, {.media_type = std::string(image::kOciIndex), .digest = Digest::of(text), .size = text.size()},
      text);
}

Result<void> Repository::delete_manifest(const std::string& reference) {
  const std::string what = fmt::format("deleting {} of {}", reference, where());
  auto asked = ask("DELETE", "manifests/" + reference);
  asked.scope = {"repository:" + name_ + ":pull,push,delete"};
  auto answer = TRY_WITHIN(registry_.send(asked), "{}", what);
  if (!answer.ok()) return answer_error(answer, what);
  return {};
}

Result<std::vector<std::string>> Repository::tags() {
  const std::string what = "the tags of " + where();
  std::vector<std::string> all;
  TRY(for_each_page(*this, ask("GET", "tags/list?n=1000"), what, [&](std::string_view page) -> Result<void> {
    const auto json = TRY(image::parse_json(page, what));
    auto tags = TRY(TRY(image::ObjectReader::make(json, what)).strings("tags"));
    all.insert(all.end(), std::make_move_iterator(tags.begin()), std::make_move_iterator(tags.end()));
    return {};
  }));
  return all;
}

Result<std::vector<image::IndexEntry>> Repository::referrers(const Digest& digest,
                                                             const std::string& artifact_type) {
  const std::string what = fmt::format("the referrers of {} in {}", digest.str(), where());
  std::vector<image::IndexEntry> all;
  auto asked = ask("GET", "referrers/" + digest.str());
  if (!artifact_type.empty()) asked.url = with_query(asked.url, "artifactType", artifact_type);
  const auto take = [&](std::string_view page) -> Result<void> {
    auto index = TRY(image::parse_index(page, what));
    all.insert(all.end(), std::make_move_iterator(index.entries.begin()),
               std::make_move_iterator(index.entries.end()));
    return {};
  };
  auto listed = for_each_page(*this, asked, what, take);
  if (!listed && !listed.error().is(ENOENT)) return std::move(listed).error();
  if (!listed) {
    auto index = manifest(referrers_tag(digest));
    if (!index && !index.error().is(ENOENT)) return std::move(index).error();
    if (index) TRY(take(index->bytes));
  }
  // The registry may have left the choice to us.
  if (!artifact_type.empty())
    std::erase_if(all, [&](const image::IndexEntry& entry) { return entry.artifact_type != artifact_type; });
  return all;
}

}  // namespace acetate::registry
