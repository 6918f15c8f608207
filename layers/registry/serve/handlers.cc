// Which handler a request goes to, and what is read.
#include "layers/registry/serve/handlers.h"

#include <algorithm>

#include "base/number.h"
#include "base/sys/file.h"
#include "layers/image/expected_blobs.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/image/store_lock.h"
#include "layers/registry/serve/answers.h"

namespace acetate::registry {

namespace {

using Kind = Route::Kind;

constexpr std::size_t kPiece = 256 << 10;

struct Span {
  std::uint64_t first = 0, size = 0;
};
enum class Wanted { all, part, nothing_there };

// One range of bytes (RFC 9110 §14.2). Several, or anything that is no range, mean the whole.
Wanted wanted_range(const std::string& header, std::uint64_t size, Span& span) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return Wanted::all;
  const auto text = std::string_view(header).substr(kUnit.size());
  const auto dash = text.find('-');
  if (dash == text.npos || text.find(',') != text.npos) return Wanted::all;
  const auto first = number_of<std::uint64_t>(text.substr(0, dash)), last = number_of<std::uint64_t>(text.substr(dash + 1));
  if ((!first && dash != 0) || (!last && dash + 1 != text.size()) || (!first && !last)) return Wanted::all;
  if (!first) {  // the last so many
    span.size = std::min(*last, size);
    span.first = size - span.size;
    return span.size == 0 ? Wanted::nothing_there : Wanted::part;
  }
  if (last && *last < *first) return Wanted::all;
  if (*first >= size) return Wanted::nothing_there;
  span = {.first = *first, .size = std::min(last.value_or(size - 1), size - 1) - *first + 1};
  return Wanted::part;
}

// At once: the parts of a blob are read, and written, without it.
bool opens_store(const Route& route, const std::string& method) {
  switch (route.kind) {
    case Kind::none:
    case Kind::version:
    case Kind::upload: return false;
    case Kind::blob: return method != "GET";
    case Kind::manifest:
    case Kind::referrers:
    case Kind::tags:
    case Kind::catalog:
    case Kind::uploads: return true;
  }
  return true;
}

}  // namespace

void Handlers::handle(const Request& request, Response& response, RequestBody* body) {
  const auto route = parse_route(request.path);
  // Nobody keeps the store open from one request to the next, and requests that never end to come let garbage collection go first.
  if (opens_store(route, request.method)) image::await_turn(store_dir_);
  if (route.kind == Kind::none) return refuse(response, "NAME_UNKNOWN", "there is nothing at this path");
  if (request.method == "GET" || request.method == "HEAD") return get(route, request, response);
  if (rights_.read_only) return refuse(response, "UNSUPPORTED", "this registry only gives");
  if (request.method == "DELETE") return remove(route, response);
  if (body == nullptr) return refuse(response, "UNSUPPORTED", "not by this method");
  if (request.method == "PUT" && route.kind == Kind::manifest)
    return put_manifest(route, request, response, *body);
  if (request.method == "POST" && route.kind == Kind::uploads)
    return begin_upload(route, request, response, *body);
  if ((request.method == "PATCH" || request.method == "PUT") && route.kind == Kind::upload)
    return write_upload(route, request, response, *body);
  refuse(response, "UNSUPPORTED", "not by this method");
}

void Handlers::tidy() { uploads_.drop_idle(); }

Result<Fd> Handlers::open_and_keep(const Digest& digest, std::chrono::minutes patience) {
  // The store first: what is found in it while it is open stays.
  const auto store = TRY(catalog_.store());
  auto blob = TRY(catalog_.open_blob(digest));
  TRY(image::expect_blob(store_dir_, digest, patience));
  return blob;
}

void Handlers::get(const Route& route, const Request& request, Response& response) {
  switch (route.kind) {
    case Kind::version:
      return answer_json(response, "{}");
    case Kind::blob:
      return get_blob(route, request, response);
    case Kind::manifest:
      return get_manifest(route, response);
    case Kind::referrers:
      return get_referrers(route, request, response);
    case Kind::tags:
    case Kind::catalog:
      return get_list(route, request, response);
    case Kind::upload:
      return get_upload(route, response);
    case Kind::uploads:
    case Kind::none:
      break;
  }
  refuse(response, "UNSUPPORTED", "not by this method");
}

void Handlers::get_blob(const Route& route, const Request& request, Response& response) {
  const auto digest = Digest::parse(route.reference);
  if (!digest) return refuse(response, "DIGEST_INVALID", digest.error().message());
  // Who asks only whether it is here wants to leave it out of a push.
  const bool may_push = request.method == "HEAD" && !rights_.read_only;
  auto opened = may_push ? open_and_keep(*digest, kAskedFor) : catalog_.open_blob(*digest);
  if (!opened) return refuse(response, opened.error(), "BLOB_UNKNOWN");
  const auto st = sys::stat(opened->ref());
  if (!st) return refuse(response, st.error(), "BLOB_UNKNOWN");
  const auto size = static_cast<std::uint64_t>(st->st_size);

  Span span{.first = 0, .size = size};
  const auto wanted = wanted_range(request.get_header_value("Range"), size, span);
  response.set_header("Docker-Content-Digest", digest->str());
  response.set_header("Accept-Ranges", "bytes");
  if (wanted == Wanted::nothing_there) {
    response.set_header("Content-Range", fmt::format("bytes */{}", size));
    refuse(response, "SIZE_INVALID", "the blob ends before that range");
    response.status = 416;
    return;
  }
  response.status = wanted == Wanted::part ? 206 : 200;
  if (wanted == Wanted::part)
    response.set_header("Content-Range",
                        fmt::format("bytes {}-{}/{}", span.first, span.first + span.size - 1, size));
  if (span.size == 0) return response.set_content("", "application/octet-stream");
  auto file = std::make_shared<Fd>(*std::move(opened));
  response.set_content_provider(
      span.size, "application/octet-stream",
      [file, span](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
        std::vector<std::byte> piece(std::min(length, kPiece));
        const auto got = sys::pread(file->ref(), piece, span.first + offset);
        // A connection that ends too soon is how a client learns that something is wrong by now.
        return got && *got != 0 && sink.write(reinterpret_cast<const char*>(piece.data()), *got);
      });
}

void Handlers::get_manifest(const Route& route, Response& response) {
  const auto shown = catalog_.manifest(route.repository, route.reference);
  if (!shown) return refuse(response, shown.error(), "MANIFEST_UNKNOWN");
  response.set_header("Docker-Content-Digest", shown->descriptor.digest.str());
  answer_json(response, shown->bytes, shown->descriptor.media_type);
}

void Handlers::get_referrers(const Route& route, const Request& request, Response& response) {
  const auto digest = Digest::parse(route.reference);
  if (!digest) return refuse(response, "DIGEST_INVALID", digest.error().message());
  const auto type = request.get_param_value("artifactType");
  auto found = catalog_.referrers(route.repository, *digest, type);
  if (!found) return refuse(response, found.error(), "NAME_UNKNOWN");
  if (!type.empty()) response.set_header("OCI-Filters-Applied", "artifactType");
  answer_json(response, image::to_json(image::Index{.entries = *std::move(found)}),
              std::string(image::kOciIndex));
}

void Handlers::get_list(const Route& route, const Request& request, Response& response) {
  const bool tags = route.kind == Kind::tags;
  const auto all = tags ? catalog_.tags(route.repository) : catalog_.repositories();
  if (!all) return refuse(response, all.error(), "NAME_UNKNOWN");
  const auto page = page_of(*all, request, response);
  image::Json list = image::Json::object();
  if (tags) list["name"] = route.repository;
  list[tags ? "tags" : "repositories"] = page;
  answer_json(response, image::write_json(list));
}

void Handlers::get_upload(const Route& route, Response& response) {
  const auto session = uploads_.find(route.repository, route.reference);
  if (session == nullptr) return refuse(response, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
  const Lock lock(session->mutex);
  if (session->writer == nullptr) return refuse(response, "BLOB_UPLOAD_UNKNOWN", "this upload has ended");
  say_progress(route, route.reference, *session, response);
  response.status = 204;
}

}  // namespace acetate::registry
