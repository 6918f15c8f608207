// What depends on the kernel's version, because nothing else tells it.
#pragma once

#include <string>
#include <string_view>

namespace acetate::fs {

// Whether a server may leave OPEN out. Since e26ee4efbc79 (6.9, in older stable trees since late 2025) such a kernel does not
// hold the inode of what it reads ahead: a daemon that needs memory while it answers that very READ waits for itself. Mended by
// bd5603eaae0a (6.19, and 6.18.3, 6.12.64). False where it may be so, or where the text is none of Linux's.
bool may_leave_open_out(std::string_view release);

// Whether files may be passed through (fs/fuse/passthrough.h). FUSE_PASSTHROUGH is of 6.9, but before 20121d3f58f0 (6.12) what was written that
// way did not show in the file's size, and copy_file_range(2) copied nothing. False where the text is none of Linux's.
bool may_pass_through(std::string_view release);

// Whether the last page of a file, which it fills in part, may be given to the kernel before it asks for it (fs/fuse/first_pages.h): until
// 3c0da3d163eb (6.11) it left what lies behind the file's end in that page as it found it, for everybody to see who maps the file. False
// where the text is none of Linux's; older trees have it mended too, but their numbers do not tell.
bool may_give_ends(std::string_view release);

// Whether FS_IOC_SETFLAGS and FSSETXATTR come with the caller's right to them checked: since 72227eac177d (5.13), when FUSE came to answer by fileattr. False where the text is none
// of Linux's.
bool checks_who_sets_flags(std::string_view release);

// uname(2)'s; empty where it has none.
std::string kernel_release();

}  // namespace acetate::fs
