#include "layers/registry/fetcher/fetcher.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#include "base/bytes.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"
#include "layers/registry/fetcher/publish.h"
#include "layers/registry/fetcher/work.h"
#include "layers/stream/fetch_protocol.h"

namespace acetate::registry {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kMostPatience{std::chrono::hours(24)};
constexpr std::chrono::seconds kMostWaiting{10};  // for one who is starting, or ending

// The lock, or null when somebody else has it and answers. One who is just starting, or just ending, is waited for.
Result<Fd> take_place(FdRef dir) {
  Fd lock = TRY(sys::open({dir, fetch::kLockName}, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  for (const auto until = Clock::now() + kMostWaiting;;) {
    const auto locked = sys::flock(lock.ref(), LOCK_EX | LOCK_NB);
    if (locked) return lock;
    if (!locked.error().is(EWOULDBLOCK)) return locked.error().clone();
    if (sys::connect_unix(dir, fetch::kSocketName, sys::SocketKind::messages)) return Fd();
    if (Clock::now() >= until) return fail(EBUSY, "another fetcher has it and does not answer");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

fetch::Reply reply_of(const Result<std::string>& result) {
  if (result) return {.code = 0, .words = *result};
  return {.code = result.error().code(), .words = result.error().message()};
}

}  // namespace

struct Fetcher::Impl {
  std::string path;
  FetcherOptions options = {};
  Fd dir, lock, listening = {};
  std::unique_ptr<Work> work = {};
  std::atomic<int> clients = 0;
  mutable Mutex mutex = {};
  mutable std::string last_told GUARDED_BY(mutex) = {};

  // Whoever reads gets a bare EIO, and looks here for why. Every read that fails would say the same.
  void note(const fetch::Request& request, const Result<std::string>& answer) const {
    if (answer || answer.error().is(ECANCELED) || (request.verb == fetch::Verb::fetch && answer.error().is(fetch::kNoRoom))) return;
    auto told = fmt::format("a reader of {} is told: {}", request.blob.str(), answer.error().message());
    const Lock hold(mutex);
    if (told == last_told) return;
    log::warn("{}", told);
    last_told = std::move(told);
  }

  // The words of the answer.
  Result<std::string> obey(const fetch::Request& request) const {
    const auto fetch = TRY(work->find(request.blob));
    // Our answer should come before whoever asked gives us up.
    const auto patience = std::min(kMostPatience, std::chrono::milliseconds(request.patience)) * 9 / 10;
    switch (request.verb) {
      case fetch::Verb::fetch: TRY(work->fetch(*fetch, request.first, request.end, patience)); break;
      case fetch::Verb::complete: work->want(fetch, false); break;
      case fetch::Verb::complete_soon: work->want(fetch, true); break;
      case fetch::Verb::seal:
        work->want(fetch, true);
        TRY(work->wait(fetch));
        break;
      case fetch::Verb::lend: return std::string(as_text(TRY(work->lend(*fetch, request.first, patience))));
    }
    return std::string();
  }

  void serve_client(FdRef client) const {
    const auto uid = sys::peer_uid(client);
    if (!uid || (*uid != ::geteuid() && *uid != 0)) return;
    std::array<std::byte, fetch::kMostRequestBytes + 1> buffer;
    for (;;) {
      const auto got = sys::receive_message(client, buffer);
      if (!got || *got == 0) return;
      const auto request = fetch::unpack_request(std::span(buffer).first(*got));
      const auto done = request ? obey(*request) : Result<std::string>(Error(EPROTO));
      if (request) note(*request, done);
      const auto reply = request ? reply_of(done) : fetch::Reply{.code = EPROTO, .words = "that is no request"};
      if (!sys::send_message(client, pack(reply))) return;
    }
  }
};

Fetcher::Fetcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Fetcher::~Fetcher() = default;

Result<std::unique_ptr<Fetcher>> Fetcher::listen(const std::string& path, FetcherOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->options = std::move(options);
  impl->dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  const auto st = TRY(sys::stat(impl->dir.ref()));
  if (st.st_uid != ::geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(EPERM, "{} must be yours, and nobody else may write it", path);
  impl->lock = TRY_WITHIN(take_place(impl->dir.ref()), "locking {}", path);
  if (!impl->lock) return std::unique_ptr<Fetcher>();
  impl->listening = TRY_WITHIN(sys::listen_unix(impl->dir.ref(), fetch::kSocketName, sys::SocketKind::messages), "listening in {}", path);
  return std::unique_ptr<Fetcher>(new Fetcher(std::move(impl)));
}

Result<void> Fetcher::serve() {
  Impl& impl = *impl_;
  impl.work = std::make_unique<Work>(impl.path, std::chrono::milliseconds(impl.options.quiet_milliseconds),
                                     [&impl](const BlobFetch& fetch) {
                                       return publish_blob(impl.path, fetch.blob(), impl.options.index_dir);
                                     },
                                     [&impl](const BlobFetch& fetch) {
                                       return read_order(impl.path, fetch.blob(), IndexStore(impl.options.index_dir));
                                     });
  TRY(impl.work->start());
  const auto linger = std::chrono::milliseconds(impl.options.linger_milliseconds);
  auto last_used = Clock::now();
  for (;;) {
    if (TRY(sys::wait_readable(impl.listening.ref(), 250))) {
      auto client = sys::accept(impl.listening.ref());
      if (!client) {
        log::warn("accepting a connection: {}", client.error().message());
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        continue;
      }
      ++impl.clients;
      try {
        std::thread([&impl, fd = *std::move(client)] {
          impl.serve_client(fd.ref());
          --impl.clients;
        }).detach();
      } catch (const std::system_error& error) {  // as many processes as there may be: the closed connection says so
        --impl.clients;
        log::warn("a thread for a connection: {}", error.what());
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    if (impl.clients != 0 || !impl.work->is_idle()) last_used = Clock::now();
    if (Clock::now() - last_used >= linger) break;
  }
  // Whoever connected just now is told by a closed connection, and starts another one.
  (void)sys::unlink({impl.dir.ref(), fetch::kSocketName});
  return {};
}

}  // namespace acetate::registry
