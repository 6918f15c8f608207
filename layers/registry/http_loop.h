// The inside of http.h: one transfer, and the thread that drives all of them.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "layers/registry/curl.h"
#include "layers/registry/http.h"

namespace acetate::registry {

struct EasyDeleter {
  void operator()(CURL* handle) const { curl().easy_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};

// One transfer. The loop's thread writes, the owner's reads, both under `mutex`; what libcurl points at (url,
// headers, body) is not touched while the transfer is in the loop.
struct Transfer {
  HttpLoop* loop = nullptr;
  Request request;
  std::string host;  // for people
  std::unique_ptr<CURL, EasyDeleter> handle;
  std::unique_ptr<curl_slist, ListDeleter> header_list;
  std::uint64_t sent = 0;
  long stall_seconds = 0;  // without a byte, before there is nothing more to send
  char curl_words[CURL_ERROR_SIZE] = {};

  std::mutex mutex;
  std::condition_variable changed;
  int status = 0;
  Headers headers;
  bool headers_complete = false;
  std::string incoming;          // received and not yet taken
  bool paused = false;           // since `incoming` is full
  std::optional<Error> failure;  // of the transfer, or of reading the body we send
  bool finished = false;         // nothing comes any more
  bool removed = false;          // libcurl has let go of it

  std::string taken;  // what the last read() returned
};

class HttpLoop {
 public:
  using Shared = std::shared_ptr<Transfer>;

  static Result<std::unique_ptr<HttpLoop>> make(const HttpOptions& options);
  ~HttpLoop();

  Result<void> prepare(Transfer& transfer) const;
  void add(Shared transfer);
  void resume(Shared transfer);
  void remove(Shared transfer);  // returns when libcurl has let go of it

 private:
  enum class Order { add, resume, remove };
  HttpLoop(CURLM* multi, const HttpOptions& options);
  void post(Order order, Shared transfer);
  void run();
  void obey();
  void collect_finished();
  void finish(Transfer& transfer, std::optional<Error> failure);

  CURLM* multi_;
  HttpOptions options_;
  std::mutex mutex_;
  std::deque<std::pair<Order, Shared>> orders_;
  bool ending_ = false;
  std::vector<Shared> active_;  // the thread's own
  std::thread thread_;
};

// What a CURLcode means to us, in words that name the host.
Error error_of(CURLcode code, const Transfer& transfer);

}  // namespace acetate::registry
