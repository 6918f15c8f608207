// Where the bytes of one blob come from: the places its names stand for, the one that last worked first.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/mutex.h"
#include "layers/registry/fetcher/ticket.h"
#include "layers/registry/range_download.h"

namespace acetate::registry {

// Connections to registries, shared by all sources that are reached in the same way. Thread-safe.
class RemotePool {
 public:
  explicit RemotePool(HttpOptions http = {.connect_seconds = 10, .stall_seconds = 15}) : http_(http) {}

  Result<std::shared_ptr<Remotes>> get(const TicketSource& source);
  // What was configured may have changed since: files are read anew when it is next asked for.
  void forget(const std::shared_ptr<Remotes>& remotes);

 private:
  using Key = std::tuple<std::string, std::string, std::optional<bool>, std::optional<std::map<std::string, std::string>>>;
  const HttpOptions http_;
  Mutex mutex_;
  std::map<Key, std::shared_ptr<Remotes>> known_ GUARDED_BY(mutex_);
};

// Thread-safe.
class BlobPlaces {
 public:
  // `reread`: the ticket as it is by now, asked for when nobody gives us the blob by what we know.
  using Reread = std::function<Result<Ticket>()>;
  BlobPlaces(RemotePool& pool, Ticket ticket, Reread reread = {})
      : pool_(pool), blob_(ticket.blob), reread_(std::move(reread)), sources_(std::move(ticket.sources)) {}

  // Hands over bytes `from` to `to`, or enough of them, trying one place after the other and each several times. As
  // download_range(), whose errors it has; the sink's own error ends it at once.
  Result<RangeEnd> read(std::uint64_t from, std::uint64_t to, const RangeSink& sink);
  // The place that last worked has sent what is wrong: others go first from now on.
  void distrust();

  const image::Descriptor& blob() const { return blob_; }

 private:
  // A place, and how it is reached.
  struct Reached {
    std::shared_ptr<Remotes> by;
    Place place;
    bool operator==(const Reached&) const = default;
  };
  Result<std::vector<Reached>> places();
  // What was read of files is forgotten, and where to look for them.
  void begin_anew(const std::vector<Reached>& all);
  Result<RangeEnd> read_at(Remotes& remotes, const Place& place, std::uint64_t& from, std::uint64_t to,
                           const RangeSink& sink, bool& sink_failed);

  RemotePool& pool_;
  const image::Descriptor blob_;
  const Reread reread_;
  Mutex mutex_;
  std::vector<TicketSource> sources_ GUARDED_BY(mutex_);
  std::size_t best_ GUARDED_BY(mutex_) = 0;
};

}  // namespace acetate::registry
