#include "layers/registry/range_download.h"

#include <algorithm>

#include "layers/registry/answer_error.h"
#include "layers/registry/blob_download.h"

namespace acetate::registry {

namespace {

Result<void> check_range(const Exchange& answer, const image::Descriptor& blob, std::uint64_t from, std::uint64_t to,
                         const std::string& what) {
  const std::string* text = answer.headers().find("Content-Range");
  const auto range = text == nullptr ? std::nullopt : parse_content_range(*text);
  if (range && range->first == from && range->last < to && (!range->total || *range->total == blob.size)) return {};
  return fail(EBADMSG, "{}: asked for bytes {}-{}, the registry sends \"{}\"", what, from, to - 1,
              text == nullptr ? "no Content-Range" : *text);
}

}  // namespace

Result<RangeEnd> download_range(Repository& repository, const image::Descriptor& blob, std::uint64_t from,
                                std::uint64_t to, const RangeSink& sink) {
  if (from >= to) return RangeEnd::whole;
  const std::string what = fmt::format("the blob {} of {}", blob.digest.str(), repository.where());
  auto ask = repository.ask("GET", "blobs/" + blob.digest.str());
  ask.headers.add("Accept-Encoding", "identity");
  ask.remembers_redirect = true;
  const bool in_part = from != 0 || to != blob.size;
  if (in_part) ask.headers.add("Range", fmt::format("bytes={}-{}", from, to - 1));
  auto answer = TRY_WITHIN(repository.registry().send(ask), "{}", what);
  if (answer.status() == 206) {
    TRY(check_range(answer, blob, from, to, what));
  } else if (answer.status() != 200) {
    return answer_error(answer, what);
  } else if (from != 0) {
    return RangeEnd::no_ranges;
  }
  while (from < to) {
    auto part = TRY_WITHIN(answer.read(), "{}", what);
    if (part.empty()) return fail(ECONNRESET, "{} ends at byte {} before {}", what, from, to);
    part = part.first(static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), to - from)));
    if (!TRY(sink(from, part))) return RangeEnd::whole;
    from += part.size();
  }
  // The end of the body too, so that the connection can be used again.
  if (answer.status() == 206 && !TRY_WITHIN(answer.read(), "{}", what).empty())
    return fail(EBADMSG, "{}: the registry sends more than it was asked for", what);
  return RangeEnd::whole;
}

}  // namespace acetate::registry
