// What a registry does for each kind of request. One object for all connections; thread-safe.
#pragma once

#include <httplib.h>

#include <memory>
#include <string>

#include "layers/registry/serve/catalog.h"
#include "layers/registry/serve/request_body.h"
#include "layers/registry/serve/route.h"
#include "layers/registry/serve/uploads.h"

namespace acetate::registry {

class Handlers {
 public:
  struct Rights {
    bool read_only = false;
    bool allow_delete = false;
  };
  Handlers(image::StorePlace place, Rights rights) : store_dir_(place.dir), catalog_(std::move(place)), rights_(rights) {}

  // `body` is null for methods without a body.
  void handle(const httplib::Request& request, httplib::Response& response, RequestBody* body);
  void tidy();

 private:
  using Request = httplib::Request;
  using Response = httplib::Response;

  void get(const Route& route, const Request& request, Response& response);
  void get_blob(const Route& route, const Request& request, Response& response);
  void get_manifest(const Route& route, Response& response);
  void get_referrers(const Route& route, const Request& request, Response& response);
  void get_list(const Route& route, const Request& request, Response& response);
  void get_upload(const Route& route, Response& response);

  void put_manifest(const Route& route, const Request& request, Response& response, RequestBody& body);
  void begin_upload(const Route& route, const Request& request, Response& response, RequestBody& body);
  void write_upload(const Route& route, const Request& request, Response& response, RequestBody& body);
  void remove(const Route& route, Response& response);

  // Feeds a request's body to a session. False when the answer is a refusal already; the session is no more where it could not be written.
  bool receive(const std::string& id, UploadSession& session, Response& response, RequestBody& body) REQUIRES(session.mutex);
  void give_up(const std::string& id, UploadSession& session) REQUIRES(session.mutex);
  void finish_upload(const Route& route, const std::string& id, UploadSession& session,
                     const std::string& digest, Response& response) REQUIRES(session.mutex);
  void say_progress(const Route& route, const std::string& id, UploadSession& session, Response& response)
      REQUIRES(session.mutex);

  // Where a blob can be written; garbage collection may come meanwhile, and leaves it alone.
  Result<std::unique_ptr<image::BlobWriter>> new_writer() const;
  // How long blobs wait for the manifest that names them: a client that put one in and does not come back; one that asked for it, and perhaps
  // wanted to know no more.
  static constexpr std::chrono::minutes kPutIn{10}, kAskedFor{1};
  // A blob that is here, and stays for so long. ENOENT bare.
  Result<Fd> open_and_keep(const Digest& digest, std::chrono::minutes patience);

  const std::string store_dir_;
  Catalog catalog_;
  const Rights rights_;
  Uploads uploads_;
};

}  // namespace acetate::registry
