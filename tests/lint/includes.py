#!/usr/bin/env python3
"""Holds the arrows of docs/design.md: reads every #include "..." and fails on one that points the wrong way.

An arrow means "includes and links". A folder may include itself and what its line below names. Foreign
libraries belong to the one folder that wraps them.
"""
import pathlib
import re
import sys

ARROWS = {
    "base": {"base"},
    "layers": {"base", "layers", "layers/stream", "layers/tar"},
    "layers/stream": {"base", "layers/stream"},
    "layers/tar": {"base", "layers", "layers/stream", "layers/tar"},
    "layers/image": {"base", "layers", "layers/stream", "layers/tar", "layers/image"},
    "layers/registry": {"base", "layers", "layers/stream", "layers/tar", "layers/image", "layers/registry"},
    "fs": {"base", "layers", "layers/stream", "layers/tar", "fs"},
    "fs/fuse": {"base", "layers", "layers/stream", "layers/tar", "fs", "fs/fuse"},
    "builder": {"base", "layers", "layers/stream", "layers/tar", "layers/image", "layers/registry", "builder",
                "builder/dockerfile", "builder/sandbox"},
    "builder/dockerfile": {"base", "builder/dockerfile"},
    "builder/sandbox": {"base", "builder/sandbox"},
    "cli": {"base", "layers", "layers/stream", "layers/tar", "layers/image", "layers/registry", "builder",
            "builder/dockerfile", "builder/sandbox", "cli"},
}
# Single headers that may be included from elsewhere.
DOORS = {"fs/mount.h": {"builder", "builder/sandbox", "cli"}, "fs/control.h": {"cli"}, "fs/owner_note.h": {"builder/sandbox"}}
FOREIGN = {
    r"fuse|fuse_lowlevel\.h|fuse3/.*": {"fs/fuse"},
    r"archive(_entry)?\.h": {"layers/tar"},
    r"zlib\.h|zstd\.h|isa-l.*|igzip_lib\.h|lzma\.h|bzlib\.h": {"layers/stream"},
    r"openssl/(?!ssl\.h).*": {"base"},
    r"xxhash\.h": {"base"},
    r"openssl/ssl\.h|curl/.*|httplib\.h|toml\+\+/.*": {"layers/registry"},
    r"sqlite3\.h": {"builder"},
    r"seccomp\.h": {"builder/sandbox"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)


def folder_of(path: pathlib.PurePath) -> str:
    parent = str(path.parent)
    while parent not in ARROWS:
        if "/" not in parent:
            return ""
        parent = parent.rsplit("/", 1)[0]
    return parent


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    wrong = []
    count = 0
    for top in ("base", "layers", "fs", "builder", "cli"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            relative = path.relative_to(root)
            here = folder_of(relative)
            count += 1
            for kind, name in INCLUDE.findall(path.read_text()):
                if kind == "<":
                    for pattern, allowed in FOREIGN.items():
                        if re.fullmatch(pattern, name) and here not in allowed:
                            wrong.append(f"{relative}: <{name}> belongs to {' and '.join(sorted(allowed))}")
                    continue
                if here in DOORS.get(name, set()):
                    continue
                if folder_of(pathlib.PurePath(name)) not in ARROWS[here]:
                    wrong.append(f"{relative}: includes {name}, but {here}/ has no arrow to it")
    for line in wrong:
        print(line)
    print(f"{count} files read, {len(wrong)} includes point the wrong way")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
