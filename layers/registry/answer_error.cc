#include "layers/registry/answer_error.h"

#include <algorithm>

#include "layers/image/json.h"
#include "layers/registry/retry.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMaxBody = 64 << 10;
constexpr std::size_t kMaxWords = 500;

int code_for(int status) {
  if (is_transient_status(status)) return EREMOTEIO;
  switch (status) {
    case 401:
    case 403: return EACCES;
    case 404: return ENOENT;
    case 405: return EOPNOTSUPP;
    case 413: return EFBIG;
    case 416: return ERANGE;
    default: return EPROTO;
  }
}

std::string text_of(const image::Json& error, const char* key) {
  const auto at = error.find(key);
  return at != error.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

std::string refusal_words(std::string_view body) {
  const auto json = image::parse_json(body, "the registry's answer");
  if (!json || !json->is_object()) return {};
  const auto errors = json->find("errors");
  if (errors == json->end() || !errors->is_array()) return {};
  std::string words;
  for (const auto& error : *errors) {
    if (!error.is_object()) continue;
    const auto message = text_of(error, "message");
    words += (words.empty() ? "" : "; ") + (message.empty() ? text_of(error, "code") : message);
  }
  std::ranges::replace_if(words, [](unsigned char c) { return c < 32 || c == 127; }, ' ');
  return words.substr(0, kMaxWords);
}

Error answer_error(Exchange& answer, const std::string& what) {
  const auto body = answer.read_all(kMaxBody);  // without its words, when even those do not come
  const auto words = body ? refusal_words(*body) : std::string();
  const auto url = parse_url(answer.url());
  const auto host = url ? url->authority() : answer.url();
  return fail(code_for(answer.status()), "{}: {} answers {}{}{}", what, host, answer.status(), words.empty() ? "" : ": ",
              words);
}

}  // namespace acetate::registry
