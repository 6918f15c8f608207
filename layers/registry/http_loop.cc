// The thread that drives libcurl, and what it does when libcurl calls back.
#include "layers/registry/http_loop.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/bytes.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kPauseAbove = 1 << 20;
// A registry that has all of a layer may copy it from one store to another before it answers, minutes for several gigabytes: it has this many
// times what a stalled transfer has.
constexpr long kAnswerPatience = 15;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line = trimmed({data, size});
  const std::lock_guard lock(transfer.mutex);
  if (transfer.headers_complete) return size;  // trailers of a chunked body: its owner reads the headers by now
  if (line.starts_with("HTTP/")) {             // also the one after 100 Continue
    transfer.headers = {};
    long status = 0;
    curl().easy_getinfo(transfer.handle.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.status = static_cast<int>(status);
  } else if (line.empty()) {
    transfer.headers_complete = transfer.status >= 200;
    if (transfer.headers_complete) curl().easy_setopt(transfer.handle.get(), CURLOPT_LOW_SPEED_TIME, transfer.stall_seconds);
    transfer.changed.notify_all();
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.headers.add(std::string(trimmed(line.substr(0, colon))), std::string(trimmed(line.substr(colon + 1))));
  }
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::lock_guard lock(transfer.mutex);
  if (transfer.incoming.size() >= kPauseAbove) {
    transfer.paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  transfer.incoming.append(data, size);
  transfer.changed.notify_all();
  return size;
}

std::size_t on_send(char* into, std::size_t, std::size_t room, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  auto got = transfer.request.body.read(std::as_writable_bytes(std::span(into, room)), transfer.sent);
  if (!got) {
    const std::lock_guard lock(transfer.mutex);
    transfer.failure = std::move(got).error();
    return CURL_READFUNC_ABORT;
  }
  transfer.sent += *got;
  if (transfer.sent >= transfer.request.body.size)
    curl().easy_setopt(transfer.handle.get(), CURLOPT_LOW_SPEED_TIME, kAnswerPatience * transfer.stall_seconds);
  return *got;
}

int on_seek(void* user, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.sent = static_cast<std::uint64_t>(offset);
  curl().easy_setopt(transfer.handle.get(), CURLOPT_LOW_SPEED_TIME, transfer.stall_seconds);
  return CURL_SEEKFUNC_OK;
}

// curl reads HTTP_PROXY in small letters only, since a CGI program's environment is not its own; we are none, and
// people of this trade set the big ones.
const char* big_letter_proxy(std::string_view url) {
  if (!url.starts_with("http:") || std::getenv("http_proxy") != nullptr) return nullptr;
  return std::getenv("HTTP_PROXY");
}

Result<void> append(std::unique_ptr<curl_slist, ListDeleter>& list, const std::string& line) {
  curl_slist* longer = curl().slist_append(list.get(), line.c_str());
  if (longer == nullptr) return Error(ENOMEM);
  (void)list.release();  // `longer` owns it now
  list.reset(longer);
  return {};
}

}  // namespace

Error error_of(CURLcode code, const Transfer& transfer) {
  const std::string detail = transfer.curl_words[0] != 0 ? transfer.curl_words : curl().easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return fail(EHOSTUNREACH, "{}: {}", transfer.host, detail);
    case CURLE_COULDNT_CONNECT: return fail(ECONNREFUSED, "cannot connect to {}: {}", transfer.host, detail);
    case CURLE_OPERATION_TIMEDOUT: return fail(ETIMEDOUT, "{} does not answer: {}", transfer.host, detail);
    case CURLE_PEER_FAILED_VERIFICATION:
      return fail(EKEYREJECTED,
                  "{} shows a certificate that is not trusted: {}. Put its authority into "
                  "~/.config/containers/certs.d/{}/ca.crt, or allow it unseen by --tls-verify=false",
                  transfer.host, detail, transfer.host);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: return fail(ECONNRESET, "the connection to {} broke: {}", transfer.host, detail);
    case CURLE_OUT_OF_MEMORY: return Error(ENOMEM);
    default: return fail(EPROTO, "{}: {}", transfer.host, detail);
  }
}

Result<std::unique_ptr<HttpLoop>> HttpLoop::make(const HttpOptions& options) {
  TRY(load_curl());
  CURLM* multi = curl().multi_init();
  if (multi == nullptr) return Error(ENOMEM);
  auto loop = std::unique_ptr<HttpLoop>(new HttpLoop(multi, options));
  try {
    loop->thread_ = std::thread([loop = loop.get()] { loop->run(); });
  } catch (const std::system_error& error) {
    return Error(error.code().value()).within("starting a thread for the network");
  }
  return loop;
}

HttpLoop::HttpLoop(CURLM* multi, const HttpOptions& options) : multi_(multi), options_(options) {}

HttpLoop::~HttpLoop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  curl().multi_wakeup(multi_);
  if (thread_.joinable()) thread_.join();
  curl().multi_cleanup(multi_);
}

Result<void> HttpLoop::prepare(Transfer& transfer) const {
  transfer.handle.reset(curl().easy_init());
  CURL* handle = transfer.handle.get();
  if (handle == nullptr) return Error(ENOMEM);
  const Request& request = transfer.request;

  // A registry that wants other credentials says so before we send a body: nothing to wait a second for.
  TRY(append(transfer.header_list, "Expect:"));
  for (const auto& [name, value] : request.headers)
    TRY(append(transfer.header_list, fmt::format("{}: {}", name, value)));
  curl().easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl().easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl().easy_setopt(handle, CURLOPT_HTTPHEADER, transfer.header_list.get());
  curl().easy_setopt(handle, CURLOPT_USERAGENT, "acetate/" ACETATE_VERSION);
  curl().easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl().easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl().easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl().easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, options_.connect_seconds);
  curl().easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  // A PUT without a body ends an upload in chunks.
  const bool ends_upload = request.method == "PUT" && !request.body;
  transfer.stall_seconds = options_.stall_seconds;
  curl().easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (ends_upload ? kAnswerPatience : 1L) * options_.stall_seconds);
  curl().easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L << 10);
  curl().easy_setopt(handle, CURLOPT_PIPEWAIT, request.url.starts_with("https:") ? 1L : 0L);
  curl().easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl().easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer.curl_words);
  curl().easy_setopt(handle, CURLOPT_PRIVATE, &transfer);
  curl().easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl().easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl().easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl().easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  if (const char* proxy = big_letter_proxy(request.url)) curl().easy_setopt(handle, CURLOPT_PROXY, proxy);

  if (request.method == "HEAD") {
    curl().easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (request.body) {
    curl().easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl().easy_setopt(handle, CURLOPT_READFUNCTION, on_send);
    curl().easy_setopt(handle, CURLOPT_READDATA, &transfer);
    curl().easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
    curl().easy_setopt(handle, CURLOPT_SEEKDATA, &transfer);
    curl().easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size));
    curl().easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
  } else if (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
    curl().easy_setopt(handle, CURLOPT_POSTFIELDSIZE, 0L);  // says Content-Length: 0, which some servers insist on
    curl().easy_setopt(handle, CURLOPT_POSTFIELDS, "");
  }
  if (request.method != "GET" && request.method != "HEAD")
    curl().easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());

  const Tls& tls = request.tls;
  curl().easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  curl().easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  if (!tls.authorities.empty()) {
    // This takes the place of the system's bundle; its directory of authorities stays in use.
    curl_blob blob{const_cast<char*>(tls.authorities.data()), tls.authorities.size(), CURL_BLOB_COPY};
    curl().easy_setopt(handle, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!tls.certificate_file.empty()) {
    curl().easy_setopt(handle, CURLOPT_SSLCERT, tls.certificate_file.c_str());
    curl().easy_setopt(handle, CURLOPT_SSLKEY, tls.key_file.c_str());
  }
  return {};
}

void HttpLoop::post(Order order, Shared transfer) {
  {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back(order, std::move(transfer));
  }
  curl().multi_wakeup(multi_);
}

void HttpLoop::add(Shared transfer) { post(Order::add, std::move(transfer)); }
void HttpLoop::resume(Shared transfer) { post(Order::resume, std::move(transfer)); }
void HttpLoop::remove(Shared transfer) {
  post(Order::remove, transfer);
  std::unique_lock lock(transfer->mutex);
  transfer->changed.wait(lock, [&] { return transfer->removed; });
}

void HttpLoop::run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_ && orders_.empty()) return;
    }
    obey();
    int running = 0;
    curl().multi_perform(multi_, &running);
    collect_finished();
    curl().multi_poll(multi_, nullptr, 0, 1000, nullptr);
  }
}

void HttpLoop::obey() {
  std::deque<std::pair<Order, Shared>> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (auto& [order, transfer] : orders) {
    CURL* handle = transfer->handle.get();
    switch (order) {
      case Order::add:
        if (const auto code = curl().multi_add_handle(multi_, handle); code != CURLM_OK)
          finish(*transfer, fail(EPROTO, "{}: {}", transfer->host, curl().multi_strerror(code)));
        active_.push_back(std::move(transfer));
        break;
      case Order::resume:
        // A transfer that ended meanwhile is no longer in the multi handle, and there is nothing to resume.
        curl().easy_pause(handle, CURLPAUSE_CONT);
        break;
      case Order::remove: {
        curl().multi_remove_handle(multi_, handle);
        std::erase(active_, transfer);
        const std::lock_guard lock(transfer->mutex);
        transfer->removed = true;
        transfer->changed.notify_all();
        break;
      }
    }
  }
}

void HttpLoop::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl().multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    char* user = nullptr;
    curl().easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
    auto& transfer = *reinterpret_cast<Transfer*>(user);
    std::optional<Error> failure;
    if (code != CURLE_OK) failure = error_of(code, transfer);
    finish(transfer, std::move(failure));
  }
}

void HttpLoop::finish(Transfer& transfer, std::optional<Error> failure) {
  const std::lock_guard lock(transfer.mutex);
  transfer.finished = true;
  if (!transfer.failure) transfer.failure = std::move(failure);
  transfer.changed.notify_all();
}

}  // namespace acetate::registry
