#include "layers/tar/visible_xattrs.h"

#include <algorithm>
#include <string_view>

#include "layers/whiteout.h"

namespace acetate {

namespace {

bool says_opaque(const Xattr& xattr) noexcept {
  return xattr.value == "y" && (xattr.name == "trusted.overlay.opaque" || xattr.name == "user.overlay.opaque" ||
                                xattr.name == "user.fuseoverlayfs.opaque");
}

}  // namespace

VisibleXattrs visible_xattrs(const std::vector<Xattr>& all) {
  VisibleXattrs visible;
  for (const Xattr& xattr : all) {
    if (says_opaque(xattr)) visible.opaque = true;
    if (auto name = visible_xattr(xattr.name)) visible.xattrs.push_back({*std::move(name), xattr.value});
  }
  std::ranges::sort(visible.xattrs, {}, &Xattr::name);
  return visible;
}

}  // namespace acetate
