// The image store as a registry over HTTP, by the OCI distribution specification 1.1: `acetate serve`.
//
// Pull: manifests, blobs (with ranges), tags, referrers, in pages. Push: whole, in chunks, by mount. Deletion
// where it is allowed. On cpp-httplib, which reads requests and writes answers; connections wait for that in a lobby of ours (lobby.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "layers/image/image_store.h"
#include "layers/registry/serve/serve_limits.h"

namespace acetate::registry {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 5000;                                   // 0: any that is free
  std::string certificate_file = {}, key_file = {};  // PEM; both for TLS
  std::string htpasswd_file = {};
  bool read_only = false;
  bool allow_delete = false;
  ServeLimits limits = {};
};

class Server {
 public:
  // Reads its files and binds its port. Errors with words.
  static Result<std::unique_ptr<Server>> open(image::StorePlace store, const ServerOptions& options);
  virtual ~Server() = default;

  virtual int port() const = 0;
  // Serves until stop(); ENOTSUP with words when the socket breaks.
  virtual Result<void> run() = 0;
  // From any thread, also before run(). Connections that are open are finished.
  virtual void stop() = 0;
  // To be called now and then: forgets uploads nobody finishes, and lets go of the store when nothing is
  // being put in, so that garbage can be collected.
  virtual void tidy() = 0;
};

}  // namespace acetate::registry
