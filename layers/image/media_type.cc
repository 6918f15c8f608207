#include "layers/image/media_type.h"

#include <algorithm>

namespace acetate::image {

Result<void> check_layer_type(std::string_view type) {
  constexpr std::string_view readable[] = {kOciLayer,    kOciLayerGzip,    kOciLayerZstd,
                                           kDockerLayer, kDockerLayerGzip, kDockerLayerZstd};
  if (std::ranges::find(readable, type) != std::end(readable)) return {};
  if (type.ends_with("+encrypted"))
    return fail(
        ENOTSUP,
        "a layer is encrypted ({}); decrypt the image first, for instance with skopeo copy --decryption-key",
        type);
  if (is_foreign_layer(type))
    return fail(ENOTSUP, "a layer is foreign ({}): its bytes may not be distributed with the image", type);
  return fail(ENOTSUP, "a layer has the media type \"{}\", which is not known", type);
}

}  // namespace acetate::image
