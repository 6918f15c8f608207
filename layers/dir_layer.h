// A directory as a layer: extracted images, podman's stores, uppers of other overlays.
#pragma once

#include <string>

#include "layers/layer.h"

namespace acetate {

// Whose marks of the kernel's overlay are followed that lead to another path of the layers below: "overlay.redirect" of a directory, and
// "overlay.metacopy" of a file, whose bytes are those of a file below. By them a layer shows what lies elsewhere in those below it under a name and
// with a mode of its own choosing, so who unpacked it must be trusted with that. What is not followed is refused as the kernel does (EPERM, and EIO
// for the bytes of a metacopy): shown otherwise, files would be missing, or zeros (fs/overlayfs/params.c, ovl_fs_params_verify(); namei.c, ovl_lookup()).
enum class FollowMarks : std::uint8_t {
  privileged,  // "trusted." ones: only root of the first user namespace can have set them
  privileged_alone,  // and "user." ones are nothing: in an upper of root's, where anybody inside may have set them
  all,         // redirects in "user." too, which an image may bring along: for who asked for redirect_dir. The kernel knows no metacopies in "user."
  none,
};

// What a file called ".wh.NAME" is: a mark, or a file that somebody made below an overlay that leaves no such marks. To that the kernel's
// gives any name, and a layer has none for it: that NAME is deleted is all that it could say.
enum class WhiteoutFiles : std::uint8_t { marks, refused };

// Reads a directory tree in every dialect of whiteout and opacity (see layers/whiteout.h) and with
// override_stat honoured where the root shows it. `root` is any descriptor of the directory, O_PATH too. The
// tree must not change while the layer lives. EPERM with words where a redirect is not followed, EINVAL with words where a file is refused.
//
// Cost: a directory's names are read once, at its first lookup or listing; after that an absent name costs no
// system call and a present one a single statx. Of a directory that may be searched and not read (0711 and another's) each name is asked for, and a
// listing is EACCES. Descriptors are kept in a least-recently-used cache bounded
// by the process's limit.
Result<LayerPtr> open_dir_layer(Fd root, FollowMarks follow = FollowMarks::privileged, WhiteoutFiles whiteout_files = WhiteoutFiles::marks);

}  // namespace acetate
