// A file behind an http or https URL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"

namespace acetate::build {

struct FetchedFile {
  Digest digest;
  std::int64_t last_modified = 0;  // as the server says; 0 when it does not
};

// Writes it to `file`, which must not be there yet. Follows redirects. EREMOTEIO with words for an answer that is none,
// EBADMSG with words when `expected` is another digest. Names and passwords in the URL are never told.
Result<FetchedFile> fetch_http(const std::string& url, const std::string& file, const std::optional<Digest>& expected = {});

// Where a redirect found at `url` leads. EPROTO with words for no http or https URL, and from https to what anybody could answer.
Result<std::string> redirected(const std::string& url, const std::string& location);

// The name that ADD gives such a file: the last part of the URL's path, decoded; "" when there is none.
std::string name_in_url(std::string_view url);

}  // namespace acetate::build
