#include "layers/stream/fetcher_client.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "base/number.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "layers/stream/fetcher_program.h"

namespace acetate {

namespace {

// A fetcher that dies again and again is not started for ever.
constexpr int kMostStarts = 5;
constexpr std::chrono::milliseconds kLook{250};

FetcherOptions options_from_environment() {
  FetcherOptions options;
  if (const char* text = std::getenv("ACETATE_FETCH_SECONDS"); text != nullptr && *text != '\0') {
    if (const auto seconds = number_of<unsigned>(text); seconds && *seconds > 0 && *seconds <= 86400) options.patience = std::chrono::seconds(*seconds);
  }
  const char* rest = std::getenv("ACETATE_FETCH_REST");
  options.rest = rest == nullptr || std::string_view(rest) != "0";
  return options;
}

// The registry, or the fetcher: whoever asks next would wait as long for the same.
bool nobody_answers(const Error& error) {
  constexpr int kCodes[] = {ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNREFUSED, ECONNRESET, EREMOTEIO};
  return std::ranges::find(kCodes, error.code()) != std::end(kCodes);
}

bool nobody_listens(const Error& error) { return error.is(ENOENT) || error.is(ECONNREFUSED); }

// The other end went: it ended, or was killed.
bool is_gone(const Error& error) { return error.is(EPIPE) || error.is(ECONNRESET) || error.is(ENOTCONN); }

}  // namespace

std::shared_ptr<FetcherClient> FetcherClient::of(const std::string& dir) {
  static Mutex mutex;
  static std::map<std::string, std::weak_ptr<FetcherClient>> known;
  const Lock lock(mutex);
  auto& kept = known[dir];
  if (auto client = kept.lock()) return client;
  auto client = std::make_shared<FetcherClient>(dir, options_from_environment());
  kept = client;
  return client;
}

Result<void> FetcherClient::fetch(const PartialBlob& blob, std::uint64_t first, std::uint64_t end) {
  TRY(ask_for_bytes(blob, {.verb = fetch::Verb::fetch, .first = first, .end = end}));
  return {};
}

Result<std::vector<std::byte>> FetcherClient::lend(const PartialBlob& blob, std::uint64_t block) {
  const auto lent = TRY(ask_for_bytes(blob, {.verb = fetch::Verb::lend, .first = block, .end = block + 1}));
  if (lent.size() != blob.bytes_of(block)) return fail(EPROTO, "the fetcher of {} lends {} bytes of a block", dir_, lent.size());
  const auto bytes = std::as_bytes(std::span(lent));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<std::string> FetcherClient::ask_for_bytes(const PartialBlob& blob, fetch::Request request) {
  {
    const Lock lock(mutex_);
    const auto failed = failed_at_.find(blob.digest());
    if (failed != failed_at_.end() && Clock::now() - failed->second < options_.pause_after_failure)
      return fail(ETIMEDOUT, "it could not be fetched a moment ago");
  }
  // Slow is not dead: as long as any blocks of it come, we wait.
  std::uint64_t seen = TRY(blob.present_bytes());
  const auto still_coming = [&]() -> Result<void> {
    const auto now = TRY(blob.present_bytes());
    if (now != seen) return seen = now, Result<void>();
    return fail(ETIMEDOUT, "nothing came for {} seconds", options_.patience.count() / 1000);
  };
  request.blob = blob.digest();
  request.patience = static_cast<std::uint32_t>(options_.patience.count());
  auto reply = ask(request, options_.patience, still_coming);
  auto fetched = !reply ? Result<std::string>(std::move(reply).error())
                        : reply->code == 0 ? Result<std::string>(std::move(reply->words)) : Error(reply->code, reply->words);
  const Lock lock(mutex_);
  if (!fetched && nobody_answers(fetched.error()))
    failed_at_[blob.digest()] = Clock::now();
  else
    failed_at_.erase(blob.digest());
  return fetched;
}

Result<void> FetcherClient::complete(const PartialBlob& blob, bool soon) {
  if (!soon && !options_.rest) return {};
  const auto verb = soon ? fetch::Verb::complete_soon : fetch::Verb::complete;
  const auto reply = TRY(ask({.verb = verb, .blob = blob.digest()}, options_.patience, [] {
    return Result<void>(fail(ETIMEDOUT, "the fetcher does not answer"));
  }));
  return reply.code == 0 ? Result<void>() : Error(reply.code, reply.words);
}

Result<void> FetcherClient::seal(const PartialBlob& blob, const std::function<bool()>& waiting) {
  const auto reply = TRY(ask({.verb = fetch::Verb::seal, .blob = blob.digest()}, kLook,
                             [&] { return waiting() ? Result<void>() : Error(ECANCELED); }));
  return reply.code == 0 ? Result<void>() : Error(reply.code, reply.words);
}

Result<fetch::Reply> FetcherClient::ask(const fetch::Request& request, std::chrono::milliseconds every,
                                        const Waiting& waiting) {
  for (int starts = 0;;) {
    Fd socket;
    bool is_fresh = false;
    {
      const Lock lock(mutex_);
      if (!idle_.empty()) {
        socket = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!socket) {
      socket = TRY(connect());
      is_fresh = true;
    }
    auto reply = ask_over(socket.ref(), request, every, waiting);
    if (reply) {
      const Lock lock(mutex_);
      idle_.push_back(std::move(socket));
      return reply;
    }
    if (!is_gone(reply.error())) return reply;
    // An old connection may have ended with a fetcher that ended long ago.
    if (is_fresh && ++starts == kMostStarts) return fail(EIO, "the fetcher ends again and again; its log is {}/log", dir_);
  }
}

Result<Fd> FetcherClient::connect() {
  const Fd dir = TRY_WITHIN(sys::open(dir_, O_RDONLY | O_DIRECTORY), "opening {}", dir_);
  auto socket = sys::connect_unix(dir.ref(), fetch::kSocketName, sys::SocketKind::messages);
  // One that answered the new one that it is there may just be ending.
  for (int starts = 0; !socket && nobody_listens(socket.error()) && starts < kMostStarts; ++starts) {
    TRY(start_fetcher(dir_));
    socket = sys::connect_unix(dir.ref(), fetch::kSocketName, sys::SocketKind::messages);
  }
  if (!socket) return std::move(socket).error().within("asking the fetcher of " + dir_);
  return socket;
}

Result<fetch::Reply> FetcherClient::ask_over(FdRef socket, const fetch::Request& request, std::chrono::milliseconds every,
                                             const Waiting& waiting) {
  TRY(sys::send_message(socket, pack(request)));
  while (!TRY(sys::wait_readable(socket, static_cast<int>(every.count())))) TRY(waiting());
  std::vector<std::byte> buffer(fetch::kMostReplyBytes);
  const auto got = TRY(sys::receive_message(socket, buffer));
  if (got == 0) return Error(ECONNRESET);
  const auto reply = fetch::unpack_reply(std::span(buffer).first(got));
  if (!reply) return fail(EPROTO, "the fetcher of {} says what nobody understands", dir_);
  return *reply;
}

}  // namespace acetate
