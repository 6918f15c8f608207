// What is put in and taken out.
#include <charconv>

#include "base/log.h"
#include "layers/image/expected_blobs.h"
#include "layers/image/json.h"
#include "layers/image/store_lock.h"
#include "layers/registry/blob_download.h"
#include "layers/registry/serve/answers.h"
#include "layers/registry/serve/handlers.h"

namespace acetate::registry {

namespace {

// "0-1023" of a chunk's Content-Range, which has no unit here (distribution-spec, "Pushing a blob in
// chunks").
std::optional<std::uint64_t> chunk_begin(const std::string& header) {
  std::uint64_t first = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), first);
  if (error != std::errc() || end == header.data() + header.size() || *end != '-') return std::nullopt;
  return first;
}

// By which a client that begins an upload says the blob will be named: at once, or when it ends ("Pushing a blob in chunks").
Result<Digest::Algorithm> algorithm_of(const httplib::Request& request) {
  if (request.has_param("digest")) return TRY(Digest::parse(request.get_param_value("digest"))).algorithm();
  if (request.has_param("digest-algorithm")) return parse_algorithm(request.get_param_value("digest-algorithm"));
  return Digest::Algorithm::sha256;
}

constexpr const char* kCutShort = "the connection ended before the body did";

std::string blob_location(const Route& route, const std::string& digest) {
  return fmt::format("/v2/{}/blobs/{}", route.repository, digest);
}

std::string upload_location(const Route& route, const std::string& id) {
  return fmt::format("/v2/{}/blobs/uploads/{}", route.repository, id);
}

}  // namespace

void Handlers::put_manifest(const Route& route, const Request& request, Response& response,
                            RequestBody& body) {
  std::string bytes;
  bool too_much = false;
  const bool whole = body.read([&](const char* data, std::size_t size) {
    too_much = too_much || size > image::kMaxDocument - bytes.size();
    if (!too_much) bytes.append(data, size);
    return true;  // to its end, so that the client hears why
  });
  if (too_much) {
    refuse(response, "SIZE_INVALID", fmt::format("a manifest may have {} bytes", image::kMaxDocument));
    response.status = 413;
    return;
  }
  if (!whole) return refuse(response, "MANIFEST_INVALID", kCutShort);
  auto type = request.get_header_value("Content-Type");
  type = type.substr(0, type.find_first_of("; "));
  // "Pushing Manifests": tags that go along with a digest, of which a registry says which it took.
  std::vector<std::string> tags;
  for (auto [each, end] = request.params.equal_range("tag"); each != end; ++each) tags.push_back(each->second);
  // While the manifest is put in, what it names stays.
  const auto store = catalog_.store();
  if (!store) return refuse(response, store.error(), "NAME_UNKNOWN");
  const auto put = catalog_.put_manifest(route.repository, route.reference, type, bytes, tags);
  if (!put) return refuse(response, put.error(), "MANIFEST_BLOB_UNKNOWN");
  const auto& shown = put->shown;
  if (!put->is_safe)
    if (const auto kept = image::expect_blob(store_dir_, shown.descriptor.digest, kPutIn); !kept) return refuse(response, kept.error(), "NAME_UNKNOWN");
  // Should it fail, they stay for longer than they must.
  if (const auto named = image::expect_no_longer(store_dir_, put->names); !named) log::warn("{}", named.error().message());
  const auto digest = shown.descriptor.digest.str();
  response.set_header("Location", fmt::format("/v2/{}/manifests/{}", route.repository, digest));
  response.set_header("Docker-Content-Digest", digest);
  if (shown.subject) response.set_header("OCI-Subject", shown.subject->str());
  if (route.reference == digest)
    for (const auto& tag : tags) response.set_header("OCI-Tag", tag);
  response.status = 201;
}

Result<std::unique_ptr<image::BlobWriter>> Handlers::new_writer() const { return TRY(catalog_.store())->new_blob(); }

void Handlers::begin_upload(const Route& route, const Request& request, Response& response,
                            RequestBody& body) {
  const auto mount = request.get_param_value("mount");
  if (const auto digest = Digest::parse(mount); digest && open_and_keep(*digest, kPutIn)) {
    // One store for all: what is here is here for every repository.
    response.set_header("Location", blob_location(route, mount));
    response.set_header("Docker-Content-Digest", mount);
    response.status = 201;
    return;
  }
  const auto algorithm = algorithm_of(request);
  if (!algorithm) return refuse(response, "DIGEST_INVALID", algorithm.error().message());
  auto writer = new_writer();
  if (!writer) return refuse(response, writer.error(), "NAME_UNKNOWN");
  if (const auto hashed = (*writer)->hash_by(*algorithm); !hashed) return refuse(response, hashed.error(), "NAME_UNKNOWN");
  const auto id = uploads_.begin(route.repository, *std::move(writer));
  if (!id) return refuse(response, id.error(), "NAME_UNKNOWN");
  const auto session = uploads_.find(route.repository, *id);
  const Lock lock(session->mutex);
  if (request.has_param("digest")) {  // all of it in this one request
    if (receive(*id, *session, response, body))
      finish_upload(route, *id, *session, request.get_param_value("digest"), response);
    else
      give_up(*id, *session);  // whose Location nobody has been told
    return;
  }
  say_progress(route, *id, *session, response);
  response.status = 202;
}

void Handlers::write_upload(const Route& route, const Request& request, Response& response,
                            RequestBody& body) {
  const auto session = uploads_.find(route.repository, route.reference);
  if (session == nullptr) return refuse(response, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
  const Lock lock(session->mutex);
  if (session->writer == nullptr) return refuse(response, "BLOB_UPLOAD_UNKNOWN", "this upload has ended");
  const bool last = request.method == "PUT";
  if (last && !request.has_param("digest"))
    return refuse(response, "DIGEST_INVALID", "the last request of an upload names its digest");
  if (request.has_header("Content-Range")) {
    const auto begin = chunk_begin(request.get_header_value("Content-Range"));
    if (!begin || *begin != session->writer->size()) {
      say_progress(route, route.reference, *session, response);
      refuse(response, "BLOB_UPLOAD_INVALID",
             fmt::format("{} bytes are here, and what comes next begins there", session->writer->size()));
      response.status = 416;
      return;
    }
  }
  if (!receive(route.reference, *session, response, body)) return;
  if (last)
    return finish_upload(route, route.reference, *session, request.get_param_value("digest"), response);
  say_progress(route, route.reference, *session, response);
  response.status = 202;
}

bool Handlers::receive(const std::string& id, UploadSession& session, Response& response, RequestBody& body) {
  std::optional<Error> failure;
  auto& writer = *session.writer;
  const bool whole = body.read([&](const char* data, std::size_t size) {
    if (auto written = writer.write(std::as_bytes(std::span(data, size))); !written)
      failure = std::move(written).error();
    return !failure;
  });
  session.touched = std::chrono::steady_clock::now();
  if (whole) return true;
  if (!failure) {
    // What came stays: the client asks where we are and goes on.
    refuse(response, "BLOB_UPLOAD_INVALID", kCutShort);
    return false;
  }
  // What could not be written is not gone on with, and a full disk is not kept full: the client begins again.
  give_up(id, session);
  refuse(response, failure->clone().within("writing an upload"), "BLOB_UPLOAD_UNKNOWN");
  return false;
}

void Handlers::give_up(const std::string& id, UploadSession& session) {
  session.writer.reset();
  uploads_.end(id);
}

void Handlers::finish_upload(const Route& route, const std::string& id, UploadSession& session,
                             const std::string& digest, Response& response) {
  const auto asked = Digest::parse(digest);
  if (!asked) return refuse(response, "DIGEST_INVALID", asked.error().message());
  const auto writer = std::move(session.writer);
  uploads_.end(id);
  if (const auto hashed = writer->hash_by(asked->algorithm()); !hashed) return refuse(response, hashed.error(), "BLOB_UPLOAD_UNKNOWN");
  // The body may have been long: who wants to be alone with the store comes before us now.
  image::await_turn(store_dir_);
  const auto store = catalog_.store();
  if (!store) return refuse(response, store.error(), "BLOB_UPLOAD_UNKNOWN");
  const auto put = writer->commit("application/octet-stream");
  if (!put) return refuse(response, put.error(), "BLOB_UPLOAD_UNKNOWN");
  // What was sent is in the store under the digest it has, points at nothing and goes with the garbage.
  if (put->digest != *asked)
    return refuse(response, "DIGEST_INVALID",
                  fmt::format("what was sent has the digest {}", put->digest.str()));
  if (const auto kept = image::expect_blob(store_dir_, put->digest, kPutIn); !kept) return refuse(response, kept.error(), "BLOB_UPLOAD_UNKNOWN");
  response.set_header("Location", blob_location(route, digest));
  response.set_header("Docker-Content-Digest", digest);
  response.status = 201;
}

void Handlers::say_progress(const Route& route, const std::string& id, UploadSession& session,
                            Response& response) {
  const auto size = session.writer->size();
  response.set_header("Location", upload_location(route, id));
  response.set_header("Docker-Upload-UUID", id);
  response.set_header("Range", fmt::format("0-{}", size == 0 ? 0 : size - 1));
}

void Handlers::remove(const Route& route, Response& response) {
  if (route.kind == Route::Kind::upload) {
    if (uploads_.find(route.repository, route.reference) == nullptr)
      return refuse(response, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
    uploads_.end(route.reference);
    response.status = 204;
    return;
  }
  // Blobs belong to the store, and other images may need them: they go when nothing points at them any more.
  if (route.kind != Route::Kind::manifest)
    return refuse(response, "UNSUPPORTED", "only manifests and uploads are deleted");
  if (!rights_.allow_delete)
    return refuse(response, "UNSUPPORTED", "this registry deletes nothing (serve --allow-delete)");
  const auto removed = catalog_.remove_manifest(route.repository, route.reference);
  if (!removed) return refuse(response, removed.error(), "MANIFEST_UNKNOWN");
  response.status = 202;
}

}  // namespace acetate::registry
