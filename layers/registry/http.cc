#include "layers/registry/http.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/number.h"
#include "layers/registry/http_loop.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

const std::string* Headers::find(std::string_view name) const {
  const auto at = std::ranges::find_if(list_, [&](const auto& header) { return same_name(header.first, name); });
  return at == list_.end() ? nullptr : &at->second;
}

std::vector<std::string> Headers::all(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [key, value] : list_)
    if (same_name(key, name)) found.push_back(value);
  return found;
}

void Headers::remove(std::string_view name) {
  std::erase_if(list_, [&](const auto& header) { return same_name(header.first, name); });
}

Body Body::text(std::string content) {
  const auto size = content.size();
  auto read = [content = std::move(content)](std::span<std::byte> into, std::uint64_t offset) -> Result<std::size_t> {
    const auto part = std::string_view(content).substr(static_cast<std::size_t>(offset), into.size());
    std::memcpy(into.data(), part.data(), part.size());
    return part.size();
  };
  return {.size = size, .read = std::move(read)};
}

Exchange::Exchange(std::shared_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&& other) noexcept {
  std::swap(transfer_, other.transfer_);
  return *this;
}
Exchange::~Exchange() {
  if (transfer_) transfer_->loop->remove(transfer_);
}

// Read without the lock: neither changes once start() has returned.
int Exchange::status() const { return transfer_->status; }
const Headers& Exchange::headers() const { return transfer_->headers; }
const std::string& Exchange::url() const { return transfer_->request.url; }

std::optional<std::uint64_t> Exchange::length() const {
  const std::string* text = headers().find("Content-Length");
  return text != nullptr ? number_of<std::uint64_t>(*text) : std::nullopt;
}

Result<std::span<const std::byte>> Exchange::read() {
  bool resume = false;
  {
    std::unique_lock lock(transfer_->mutex);
    transfer_->changed.wait(lock, [&] { return !transfer_->incoming.empty() || transfer_->finished; });
    if (transfer_->incoming.empty() && transfer_->failure) return transfer_->failure->clone();
    transfer_->taken.clear();
    std::swap(transfer_->taken, transfer_->incoming);
    resume = std::exchange(transfer_->paused, false);
  }
  if (resume) transfer_->loop->resume(transfer_);
  return as_bytes(transfer_->taken);
}

Result<std::string> Exchange::read_all(std::size_t limit) {
  std::string all;
  for (;;) {
    const auto part = TRY(read());
    if (part.empty()) return all;
    if (part.size() > limit - all.size())
      return fail(EFBIG, "{} sends more than {} bytes for {}", transfer_->host, limit, url());
    all.append(as_text(part));
  }
}

Http::Http(std::unique_ptr<HttpLoop> loop) : loop_(std::move(loop)) {}
Http::~Http() = default;

Result<std::unique_ptr<Http>> Http::make(const HttpOptions& options) {
  auto loop = TRY(HttpLoop::make(options));
  return std::unique_ptr<Http>(new Http(std::move(loop)));
}

Result<Exchange> Http::start(Request request) {
  auto transfer = std::make_shared<Transfer>();
  transfer->loop = loop_.get();
  transfer->host = TRY(parse_url(request.url)).authority();
  transfer->request = std::move(request);
  TRY(loop_->prepare(*transfer));
  loop_->add(transfer);
  Exchange exchange(transfer);
  std::unique_lock lock(transfer->mutex);
  transfer->changed.wait(lock, [&] { return transfer->headers_complete || transfer->finished; });
  if (!transfer->headers_complete && transfer->failure) return transfer->failure->clone();
  if (!transfer->headers_complete) return fail(ECONNRESET, "{} sends no answer", transfer->host);
  return exchange;
}

bool is_transient(const Error& error) {
  constexpr int kTransient[] = {EHOSTUNREACH, ECONNREFUSED, ETIMEDOUT, ECONNRESET, EREMOTEIO};
  return std::ranges::find(kTransient, error.code()) != std::end(kTransient);
}

}  // namespace acetate::registry
