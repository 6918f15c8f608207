// The value of RUN --mount: "type=cache,target=/var/cache/apt,sharing=locked".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::dockerfile {

struct Mount {
  enum class Type { bind, cache, tmpfs, secret, ssh } type = Type::bind;
  enum class Sharing { shared, private_, locked } sharing = Sharing::shared;
  std::string from = {};      // a stage, an image, a context; "" is the build context, or for a cache nothing
  std::string source = {};    // below `from`
  std::string target = {};    // as written, "" where it may be left out
  std::string id = {};        // of a cache, a secret, an agent
  std::optional<std::string> env = {};  // of a secret: the variable that holds it
  bool read_only = true;
  bool required = false;
  std::uint64_t size = 0;     // of a tmpfs, bytes; 0: no limit
  std::optional<unsigned> mode = {}, uid = {}, gid = {};
};

// Expands a value; what it fails with is passed on.
using ExpandValue = std::function<Result<std::string>(std::string_view)>;

// EINVAL with words: an unknown key (with the nearest one), a value of the wrong kind, keys that do not go together, a
// missing target. Variables are expanded in every value but `from`'s, which may hold none.
Result<Mount> parse_mount(std::string_view text, const ExpandValue& expand);

// What `from` says, without looking at the rest; "" when it is not there or the text is no list of options.
std::string mount_from(std::string_view text);

// "64m", "1.5GiB", "1024": bytes. Nothing for what is none.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace acetate::dockerfile
