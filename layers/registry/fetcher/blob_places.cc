#include "layers/registry/fetcher/blob_places.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "layers/image/reference.h"

namespace acetate::registry {

namespace {

constexpr std::uint64_t kWorthNewTries = 1 << 20;

// Somebody waits for these bytes: a place that does not answer is left for the next one, or told of, soon.
RetryPolicy impatient() {
  return {.attempts = 4,
          .first_pause = std::chrono::milliseconds(100),
          .longest_pause = std::chrono::milliseconds(2000)};
}

// Of whoever mounted the image: our own is that of somebody who happened to be the first.
Environment environment_of(const TicketSource& source) {
  if (!source.environment) return process_environment;
  return [places = *source.environment](const char* name) -> std::optional<std::string> {
    const auto found = places.find(name);
    return found == places.end() ? std::nullopt : std::optional(found->second);
  };
}

// A login may have been renewed, or made, since we read it, and so may what a registry is trusted by.
bool may_be_outdated(const Error& error) { return error.is(EACCES) || error.is(EKEYREJECTED); }

}  // namespace

Result<std::shared_ptr<Remotes>> RemotePool::get(const TicketSource& source) {
  const Lock lock(mutex_);
  auto& kept = known_[{source.authfile, source.cert_dir, source.verify_tls, source.environment}];
  if (kept == nullptr)
    kept = TRY(Remotes::make(environment_of(source), ::getuid(), {.authfile = source.authfile,
                                                                  .cert_dir = source.cert_dir,
                                                                  .verify_tls = source.verify_tls,
                                                                  .retry = impatient(),
                                                                  .http = http_}));
  return kept;
}

void RemotePool::forget(const std::shared_ptr<Remotes>& remotes) {
  const Lock lock(mutex_);
  std::erase_if(known_, [&](const auto& entry) { return entry.second == remotes; });
}

Result<std::vector<BlobPlaces::Reached>> BlobPlaces::places() {
  std::vector<TicketSource> sources;
  {
    const Lock lock(mutex_);
    sources = sources_;
  }
  std::vector<Reached> all;
  for (const auto& source : sources) {
    const auto name = TRY(image::parse_reference(source.name));
    const auto remotes = TRY(pool_.get(source));
    for (auto& place :
         TRY(places_to_pull(remotes->conf(), name.registry, name.repository, "@" + blob_.digest.str()))) {
      Reached reached{remotes, std::move(place)};
      if (std::ranges::find(all, reached) == all.end()) all.push_back(std::move(reached));
    }
  }
  if (all.empty()) return fail(ENOENT, "nobody knows where {} comes from", blob_.digest.str());
  return all;
}

Result<RangeEnd> BlobPlaces::read(std::uint64_t from, std::uint64_t to, const RangeSink& sink) {
  auto all = TRY(places());
  std::size_t first = 0;
  {
    const Lock lock(mutex_);
    first = best_;
  }
  const std::uint64_t begin = from;
  std::optional<std::size_t> ignores_ranges;
  std::optional<Error> failure;
  bool is_anew = false, is_outdated = false;
  for (std::size_t i = 0;; ++i) {
    const std::size_t number = (first + i) % all.size();
    bool sink_failed = false;
    auto ended = read_at(*all[number].by, all[number].place, from, to, sink, sink_failed);
    if (sink_failed) return ended;
    if (ended && *ended == RangeEnd::whole) {
      const Lock lock(mutex_);
      best_ = number;
      return ended;
    }
    if (ended)
      ignores_ranges = number;
    else
      failure = std::move(ended).error();
    is_outdated = is_outdated || (failure && may_be_outdated(*failure));
    if (i + 1 < all.size()) {
      log::info("{}; trying the next place", failure ? failure->message() : "a registry sends blobs from their beginning only");
      continue;
    }
    if (ignores_ranges && from == begin) {
      const Lock lock(mutex_);
      best_ = *ignores_ranges;
      return RangeEnd::no_ranges;
    }
    if (!failure) return fail(ECONNRESET, "the blob {} broke off and nobody sends the rest alone", blob_.digest.str());
    if (!is_outdated || is_anew) return std::move(*failure);
    begin_anew(all);
    all = TRY(places());
    is_anew = true;
    i = static_cast<std::size_t>(-1);
  }
}

void BlobPlaces::begin_anew(const std::vector<Reached>& all) {
  for (const auto& reached : all) pool_.forget(reached.by);
  if (!reread_) return;
  auto now = reread_();
  if (!now) return log::info("{}", now.error().message());  // whole by now, or damaged: what we know may still do
  const Lock lock(mutex_);
  sources_ = std::move(now->sources);
}

Result<RangeEnd> BlobPlaces::read_at(Remotes& remotes, const Place& place, std::uint64_t& from, std::uint64_t to,
                                     const RangeSink& sink, bool& sink_failed) {
  auto repository = TRY(remotes.at(place));
  const RetryPolicy policy = impatient();
  Retries retries(policy);
  std::uint64_t counted_from = from;
  std::optional<Error> broke;
  const RangeSink counting = [&](std::uint64_t offset, std::span<const std::byte> bytes) -> Result<bool> {
    auto more = sink(offset, bytes);
    sink_failed = !more;
    from = offset + bytes.size();
    return more;
  };
  for (;;) {
    auto ended = download_range(repository, blob_, from, to, counting);
    // What goes on only from the beginning has not been handed over from there.
    if (ended && *ended == RangeEnd::no_ranges && broke) return std::move(*broke);
    if (ended || sink_failed || !is_transient(ended.error())) return ended;
    if (from >= counted_from + kWorthNewTries) {
      retries.reset();
      counted_from = from;
    }
    if (!retries.again()) return ended;
    broke = std::move(ended).error();
  }
}

void BlobPlaces::distrust() {
  const Lock lock(mutex_);
  ++best_;
}

}  // namespace acetate::registry
