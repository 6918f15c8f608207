#include "layers/layer.h"

namespace acetate {

Result<std::string> Layer::xattr(Node node, std::string_view name) const {
  std::vector<Xattr> all = TRY(xattrs(node));
  for (Xattr& one : all)
    if (one.name == name) return std::move(one.value);
  return Error(ENODATA);
}

}  // namespace acetate
