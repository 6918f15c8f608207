#include "layers/registry/blob_download.h"


#include "base/number.h"
#include "layers/registry/answer_error.h"

namespace acetate::registry {

namespace {

constexpr std::uint64_t kWorthNewTries = 1 << 20;

// One download under way.
class Download {
 public:
  Download(Repository& repository, const image::Descriptor& blob, image::BlobWriter& into,
           const Progress& progress)
      : repository_(repository),
        blob_(blob),
        into_(into),
        progress_(progress),
        what_(fmt::format("the blob {} of {}", blob.digest.str(), repository.where())) {}

  Result<void> run() {
    if (into_.size() != 0 && into_.size() == blob_.size) return {};
    Retries retries(repository_.registry().retry_policy());
    std::uint64_t counted_from = into_.size();
    for (;;) {
      auto tried = read_once();
      if (tried && into_.size() == blob_.size) return {};
      if (tried) tried = fail(ECONNRESET, "{} ends after {} of {} bytes", what_, into_.size(), blob_.size);
      if (!is_transient(tried.error())) return tried;
      if (into_.size() >= counted_from + kWorthNewTries) {
        retries.reset();
        counted_from = into_.size();
      }
      if (!retries.again()) return tried;
    }
  }

 private:
  // Reads until the answer ends or breaks; what came stays in `into_`.
  Result<void> read_once() {
    const std::uint64_t from = into_.size();
    auto ask = repository_.ask("GET", "blobs/" + blob_.digest.str());
    // Digests are of the bytes as they are: nobody may pack them for the way.
    ask.headers.add("Accept-Encoding", "identity");
    if (from != 0) ask.headers.add("Range", fmt::format("bytes={}-", from));
    auto answer = TRY_WITHIN(repository_.registry().send(ask), "{}", what_);
    if (answer.status() != 200 && answer.status() != 206) return answer_error(answer, what_);
    if (answer.status() == 206) TRY(check_range(answer, from));
    return copy(answer, answer.status() == 200 ? from : 0);
  }

  Result<void> check_range(const Exchange& answer, std::uint64_t from) const {
    const std::string* text = answer.headers().find("Content-Range");
    const auto range = text == nullptr ? std::nullopt : parse_content_range(*text);
    if (range && range->first == from && range->last < blob_.size &&
        (!range->total || *range->total == blob_.size))
      return {};
    return fail(EBADMSG, "{}: asked for bytes {}-{}, the registry sends \"{}\"", what_, from, blob_.size - 1,
                text == nullptr ? "no Content-Range" : *text);
  }

  // `known`: how many of the first bytes we have already.
  Result<void> copy(Exchange& answer, std::uint64_t known) {
    for (;;) {
      auto part = TRY_WITHIN(answer.read(), "{}", what_);
      if (part.empty()) return {};
      const auto skip = static_cast<std::size_t>(std::min<std::uint64_t>(known, part.size()));
      known -= skip;
      part = part.subspan(skip);
      if (part.size() > blob_.size - into_.size())
        return fail(EBADMSG, "{}: the registry sends more than the {} bytes the manifest says", what_,
                    blob_.size);
      // The writer's own words are about the blob already.
      if (auto written = into_.write(part); !written)
        return written.error().is(EBADMSG) ? std::move(written).error() : std::move(written).error().within("writing " + what_);
      if (progress_ && !progress_(into_.size())) return Error(ECANCELED);
    }
  }

  Repository& repository_;
  const image::Descriptor& blob_;
  image::BlobWriter& into_;
  const Progress& progress_;
  const std::string what_;
};

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (dash == text.npos || slash == text.npos || slash < dash) return std::nullopt;
  const auto first = number_of<std::uint64_t>(text.substr(0, dash));
  const auto last = number_of<std::uint64_t>(text.substr(dash + 1, slash - dash - 1));
  const auto total = number_of<std::uint64_t>(text.substr(slash + 1));
  if (!first || !last || *last < *first || (!total && text.substr(slash + 1) != "*")) return std::nullopt;
  return ContentRange{.first = *first, .last = *last, .total = total};
}

Result<void> download_blob(Repository& repository, const image::Descriptor& blob, image::BlobWriter& into,
                           const Progress& progress) {
  return Download(repository, blob, into, progress).run();
}

Result<bool> has_blob(Repository& repository, const image::Descriptor& blob) {
  const std::string what = fmt::format("the blob {} of {}", blob.digest.str(), repository.where());
  auto answer = TRY_WITHIN(repository.registry().send(repository.ask("HEAD", "blobs/" + blob.digest.str())),
                           "{}", what);
  if (answer.status() == 404) return false;
  if (!answer.ok()) return answer_error(answer, what);
  if (const auto size = answer.length(); size && *size != blob.size && *size != 0)
    return fail(EBADMSG, "{}: the registry has it with {} bytes, and it has {}", what, *size, blob.size);
  return true;
}

}  // namespace acetate::registry
