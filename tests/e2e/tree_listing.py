#!/usr/bin/env python3
"""Everything that a user can see of a tree, a line for each name: to be compared with another's.

usage: tree_listing.py DIRECTORY
"""
import hashlib
import os
import stat
import sys


def digest(path: bytes) -> str:
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()[:16]


def line(path: bytes, shown: bytes) -> str:
    st = os.lstat(path)
    words = [ascii(shown), f"{st.st_mode:o}", f"{st.st_uid}:{st.st_gid}", str(st.st_mtime_ns)]
    if not stat.S_ISDIR(st.st_mode):  # file systems differ in what a directory counts
        words += [str(st.st_size), f"n{st.st_nlink}"]
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        words.append(f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}")
    if stat.S_ISLNK(st.st_mode):
        words.append("-> " + ascii(os.readlink(path)))
    if stat.S_ISREG(st.st_mode):
        words.append(digest(path))
    words += [f"{name}={os.getxattr(path, name, follow_symlinks=False)!r}"
              for name in sorted(os.listxattr(path, follow_symlinks=False))]
    return " ".join(words)


def main() -> None:
    root = os.fsencode(sys.argv[1])
    lines = []
    for folder, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(folder, name)
            lines.append(line(path, os.path.relpath(path, root)))
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
