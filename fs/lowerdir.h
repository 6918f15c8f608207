// The text of `lowerdir=`: many paths in one option, with both escapings that callers use.
//
// fuse-overlayfs 1.x strips one level of backslashes when it splits options at commas and a second when it splits
// paths at colons, so its users write "\\:"; its rewrite, and buildah, write "\:". Both mean a colon here. Of a
// run of backslashes every four are one backslash (what four become in 1.x); what is left before a ':' or ','
// makes that literal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::fs {

// Splits "a,b\,c" at the commas that separate options: nothing is unescaped. Commas between double quotes
// do not separate in SELinux contexts. Empty options are left out.
std::vector<std::string> split_options(std::string_view text);

// Splits and unescapes the value of lowerdir=. A colon at either end separates nothing. ENOTSUP with words for "::", behind which the kernel's
// overlay has layers that show no names of their own (Linux 6.5; containers/storage with composefs).
Result<std::vector<std::string>> split_lowers(std::string_view value);

// Unescapes a single path (upperdir=, workdir=), whose colons need no escape.
std::string unescape_path(std::string_view value);

// A path as an element of lowerdir= or as upperdir= that split_options and the two above read back unchanged.
std::string escape_path(std::string_view path);

}  // namespace acetate::fs
