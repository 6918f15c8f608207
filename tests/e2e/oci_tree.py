#!/usr/bin/env python3
"""What an OCI layout or an archive of one holds, told without any container tool: the layers of its first image are laid over
one another as the image specification has it, and one line is printed for each path asked for.

usage: oci_tree.py LAYOUT[.tar] [PATH...]     every path when none is named

  f 644 0:0 5 PATH text      a file: mode, owner, size, its text up to 40 characters
  d 755 0:0 PATH             a directory
  l 777 0:0 PATH -> TARGET   a symlink
  - PATH                     nothing
"""
import gzip
import io
import json
import os
import posixpath
import sys
import tarfile


def reader(layout):
    if os.path.isdir(layout):
        return lambda name: open(os.path.join(layout, name), "rb").read()
    archive = tarfile.open(layout)
    return lambda name: archive.extractfile(name).read()


def image(layout):
    read = reader(layout)
    blob = lambda descriptor: read("blobs/" + descriptor["digest"].replace(":", "/"))
    document = json.loads(read("index.json"))
    while "manifests" in document:
        document = json.loads(blob(document["manifests"][0]))
    config = json.loads(blob(document["config"]))
    layers = [blob(layer) for layer in document["layers"]]
    return config, [gzip.decompress(b) if b[:2] == b"\x1f\x8b" else b for b in layers]


def remove(tree, path):
    for known in [p for p in tree if p == path or p.startswith(path + "/")]:
        del tree[known]


def flatten(layers):
    tree, above = {}, set()  # above: what has had something below it, so that a layer of many files is not searched for each
    for layer in layers:
        archive = tarfile.open(fileobj=io.BytesIO(layer))
        members = [(posixpath.normpath("/" + m.name)[1:], m) for m in archive]
        for path, _ in members:  # whiteouts speak of the layers below only
            parent, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                for known in [p for p in tree if p.startswith(parent + "/" if parent else "")]:
                    del tree[known]
            elif name.startswith(".wh."):
                remove(tree, posixpath.join(parent, name[4:]))
        for path, member in members:
            if posixpath.basename(path).startswith(".wh.") or not path:
                continue
            if not member.isdir():
                remove(tree, path) if path in above else tree.pop(path, None)
            parent = posixpath.dirname(path)
            while parent and parent not in above:
                above.add(parent)
                parent = posixpath.dirname(parent)
            if member.islnk():
                tree[path] = tree[posixpath.normpath("/" + member.linkname)[1:]]
            else:
                tree[path] = (member, archive.extractfile(member).read() if member.isfile() else b"")
    return tree


def line(path, entry):
    if entry is None:
        return f"- {path}"
    member, content = entry
    who = f"{member.mode & 0o7777:o} {member.uid}:{member.gid}"
    if member.isdir():
        return f"d {who} {path}"
    if member.issym():
        return f"l {who} {path} -> {member.linkname}"
    if not member.isfile():
        return f"? {who} {path}"
    return f"f {who} {len(content)} {path} {content[:40].decode(errors='replace').strip()}".rstrip()


def main():
    config, layers = image(sys.argv[1])
    tree = flatten(layers)
    for path in sys.argv[2:] or sorted(tree):
        if path.startswith("."):  # .Env, .Cmd: of the configuration
            print(json.dumps(config.get("config", {}).get(path[1:]), separators=(",", ":"), sort_keys=True))
        else:
            print(line(path, tree.get(path)))


if __name__ == "__main__":
    main()
