#include "layers/registry/serve/answers.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/log.h"
#include "layers/image/json.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

int status_of(std::string_view code) {
  if (code == "UNAUTHORIZED") return 401;
  if (code == "DENIED") return 403;
  if (code == "UNSUPPORTED") return 405;
  if (code == "TOOMANYREQUESTS") return 429;
  if (code.ends_with("UNKNOWN")) return 404;
  return 400;  // DIGEST_INVALID, MANIFEST_INVALID, NAME_INVALID, SIZE_INVALID, BLOB_UPLOAD_INVALID
}

}  // namespace

void answer_json(httplib::Response& response, const std::string& text, const std::string& media_type) {
  response.set_content(text, media_type);
}

void refuse(httplib::Response& response, const char* code, const std::string& message) {
  response.status = status_of(code);
  const image::Json error{{"code", code}, {"message", message}};
  answer_json(response, image::write_json({{"errors", image::Json::array({error})}}));
}

void refuse(httplib::Response& response, const Error& error, const char* missing) {
  switch (error.code()) {
    case ENOENT:
      return refuse(response, missing, error.message());
    case EBADMSG:
      return refuse(response, "DIGEST_INVALID", error.message());
    case EINVAL:
    case ENOTSUP:
    case ELOOP:
      return refuse(response, "MANIFEST_INVALID", error.message());
    case EFBIG:
      return refuse(response, "SIZE_INVALID", error.message());
    case EPERM:
      return refuse(response, "DENIED", error.message());
    case EBUSY:
      return refuse(response, "TOOMANYREQUESTS", error.message());
    case ENOSPC:
    case EDQUOT:
      // Said to clients too, who may wait for room: with a status that they try again after.
      log::error("{}", error.message());
      response.status = 500;
      return answer_json(response, R"({"errors":[{"code":"UNKNOWN","message":"the registry has no space left"}]})");
    default:
      log::error("{}", error.message());
      response.status = 500;
      answer_json(response, R"({"errors":[{"code":"UNKNOWN","message":"the server's log says more"}]})");
  }
}

std::vector<std::string> page_of(const std::vector<std::string>& all, const httplib::Request& request,
                                 httplib::Response& response) {
  auto from = all.begin();
  if (request.has_param("last")) from = std::ranges::upper_bound(all, request.get_param_value("last"));
  auto to = all.end();
  std::size_t count = 0;
  const auto asked = request.get_param_value("n");
  if (std::from_chars(asked.data(), asked.data() + asked.size(), count).ec == std::errc() &&
      count < static_cast<std::size_t>(all.end() - from)) {
    to = from + static_cast<std::ptrdiff_t>(count);
    const auto last = to == from ? request.get_param_value("last") : *(to - 1);
    if (count != 0)
      response.set_header("Link",
                          fmt::format("<{}?n={}&last={}>; rel=\"next\"", request.path, count, escaped(last)));
  }
  return {from, to};
}

}  // namespace acetate::registry
