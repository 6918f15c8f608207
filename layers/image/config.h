// The image configuration (image-spec config.md), read and written; Docker's own is the same document.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "layers/image/image.h"

namespace acetate::image {

// `what` names the document in errors. Strict where we act on a value: a wrong type is EINVAL with words
// naming the key. Everything else stays in `raw` unread.
Result<Config> parse_config(std::string_view json, std::string_view what = "image config");

// An empty configuration, as FROM scratch begins with.
Config empty_config(const Platform& platform);

// The document: `config.raw` (or {} when that is empty) with every field of `config` put in its place, so
// what nobody here knows survives. A field that is empty leaves no key. Keys are sorted and the text is
// compact, so equal configurations have equal digests. Bytes that are no UTF-8 become U+FFFD, as Docker
// writes them. EINVAL with words when `raw` is no JSON object.
//
//   Config next = base; next.env = …; next.diff_ids.push_back(…); next.history.push_back(…); to_json(next)
Result<std::string> to_json(const Config& config);

}  // namespace acetate::image
