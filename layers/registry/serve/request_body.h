// The body of a request. httplib leaves what a handler did not read in the connection, where it would be
// taken for the next request: a refusal that comes before the body was read must not break the requests
// after it.
#pragma once

#include <httplib.h>

namespace acetate::registry {

// Of one request and one thread; borrows both arguments.
class RequestBody {
 public:
  RequestBody(const httplib::Request& request, const httplib::ContentReader& content)
      : content_(content), left_(is_there(request)) {}

  // Feeds all of it, once, to `receive`. False when the connection broke or `receive` had enough.
  bool read(const httplib::ContentReceiver& receive);

  // After the handler: drops a small rest, and asks the client to give the connection up over a large one.
  void settle(httplib::Response& response);

  // Without either header there is no body, whatever the method: reading one would wait for the client to
  // hang up.
  static bool is_there(const httplib::Request& request);

 private:
  const httplib::ContentReader& content_;
  bool left_;  // something of it may be in the connection still
  bool begun_ = false;
};

}  // namespace acetate::registry
