// The spellings of "this name is gone" and "this directory starts afresh", read and written in one place.
//
//   device   char device 0:0                           kernel overlayfs, fuse-overlayfs; preferred
//   file     ".wh.NAME", ".wh..wh..opq"                 OCI layers (image-spec layer.md), AUFS, containers/storage
//   xattr    zero-size file with overlay.whiteout in    composefs and nested overlays (kernel >= 6.7 reads it)
//            a directory whose overlay.opaque is "x"
//   opaque   {trusted,user}.overlay.opaque = "y",        kernel (trusted as root, user with userxattr),
//            user.fuseoverlayfs.opaque = "y", or file    fuse-overlayfs
//
// Sources: kernel fs/overlayfs/{overlayfs.h,util.c,readdir.c}; fuse-overlayfs main.c create_whiteout,
// is_directory_opaque; image-spec layer.md "Whiteouts".
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace acetate {

inline constexpr std::string_view kWhiteoutPrefix = ".wh.";
inline constexpr std::string_view kOpaqueFile = ".wh..wh..opq";

// What a name in the "file" dialect says. ".wh..wh.*" other than the opaque file is AUFS bookkeeping.
struct DecodedName {
  enum class Kind { ordinary, whiteout, opaque, bookkeeping } kind;
  std::string_view hides;  // for a whiteout: the name it hides
};
DecodedName decode_name(std::string_view on_disk_name) noexcept;

// Names of extended attributes that belong to overlays and never reach a user: "trusted.overlay.*",
// "user.overlay.*", "user.fuseoverlayfs.*", "user.containers.override_*", "*.override_stat". Nested ones ("*.overlay.overlay.*") do, with
// one level of escape taken off, as ovl_is_escaped_xattr() has it.
bool is_private_xattr(std::string_view name) noexcept;
// What a user sees an attribute on disk as: itself, one escape less, or nothing for a private one.
std::optional<std::string> visible_xattr(std::string_view on_disk_name);
// The other way, for an overlay that lets a nested one keep its marks in it: "user.overlay.opaque" is stored as
// "user.overlay.overlay.opaque". Nothing for names that can only be ours ("user.fuseoverlayfs.*",
// "*.override_stat"), which are refused.
std::optional<std::string> stored_xattr(std::string_view visible_name);

// How an upper directory is written: found out once by trying, in its work directory.
struct WriteDialect {
  bool device_whiteout = true;       // else ".wh." files
  std::string xattr_prefix = "user.overlay.";  // "trusted.overlay." when permitted; "" : no xattrs, use files
};
// Tries mknod(0:0) and both xattr namespaces on temporaries in `work` and leaves nothing behind.
Result<WriteDialect> probe_write_dialect(FdRef work);

// Makes `at` a whiteout; something there already is EEXIST. In the file dialect the name becomes ".wh.NAME".
Result<void> put_whiteout(FileAt at, const WriteDialect& dialect);
// Marks an open directory opaque.
Result<void> put_opaque(FdRef dir, const WriteDialect& dialect);

// An upper goes on in the dialect that it was begun in: the first copy into it has marked its root, to which only somebody who may write there can
// set a "user." attribute. So root goes on with what was made without root, and nobody inside a tree of root's is believed.
bool is_begun_without_privilege(const std::vector<std::string>& xattrs_of_root);

// The same questions asked of what is on disk, for whoever reads an upper.
bool is_device_whiteout(mode_t mode, dev_t rdev) noexcept;
enum class Opacity { none, opaque, has_xattr_whiteouts };  // the last: overlay.opaque is "x"
// By xattr only (the file dialect shows in the listing). A file system without xattrs says none.
Result<Opacity> read_opacity(FdRef dir);
// The same for whoever has listed its attributes already.
Result<Opacity> read_opacity(FdRef dir, const std::vector<std::string>& xattr_names);

}  // namespace acetate
