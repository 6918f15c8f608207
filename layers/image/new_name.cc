#include "layers/image/new_name.h"

namespace acetate::image {

Result<Reference> parse_new_name(std::string_view text) {
  Reference name = TRY(parse_reference(text));
  if (name.digest) return fail(EINVAL, "\"{}\" has a digest, which follows from the image and is not given", text);
  return name;
}

}  // namespace acetate::image
