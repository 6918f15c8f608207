// What the layer store offers: the layers of an image, as the command tells them that knows images and registries.
//
// The process that holds the mount talks to no network and reads no manifest: it runs `acetate layer-store --describe NAME`
// and reads a line for each layer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer_spec.h"

namespace acetate::fs {

struct OfferedLayer {
  Digest digest;   // of the blob
  Digest diff_id;  // of what is in it, as the image's config has it
  std::uint64_t size = 0;
  int packing = 0;  // as containers/storage numbers it (pkg/archive): 0 a plain tar, 2 gzip, 4 zstd
  LayerSpec spec;
};

// The layers of the image of that name. `anew`: its registry is asked though we know an image of that name.
enum class Ask { if_unknown, anew };
using FindImage = std::function<Result<std::vector<OfferedLayer>>(const std::string& name, Ask ask)>;

// Lines of "DIGEST DIFF-ID SIZE PACKING SPEC". EBADMSG with words.
Result<std::vector<OfferedLayer>> parse_offered(std::string_view text);

// By that command, `argv` without the name. What it said on its standard error is the error's words.
FindImage ask_command(std::vector<std::string> argv);

}  // namespace acetate::fs
