"""What one image has that another has not, told without any container tool: docker-archives, as docker, podman and skopeo write them, read by their own description, and
the layers laid over one another as the image specification has it. Layers of a base that is known already are not read again.
"""
import gzip
import hashlib
import io
import json
import posixpath
import tarfile

KEYS = ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal", "Shell", "OnBuild", "Healthcheck")


def plain(stream):
    start = stream.read(2)
    stream.seek(0)
    return gzip.GzipFile(fileobj=stream) if start == b"\x1f\x8b" else stream


def describe(tar, member) -> str:
    text = f"{member.mode & 0o7777:o} {member.uid}:{member.gid}"
    if member.isdir():
        return "directory " + text
    if member.issym():
        return f"symlink {member.uid}:{member.gid} -> {member.linkname}"
    if member.isfile():
        sha = hashlib.sha256()
        with tar.extractfile(member) as file:
            while block := file.read(1 << 20):
                sha.update(block)
        text = f"file {text} {member.size} {sha.hexdigest()[:16]}"
    else:
        text = f"special {member.type.decode()} {text} {member.devmajor}:{member.devminor}"
    attributes = [f" {name[13:]}={value!r}" for name, value in sorted(member.pax_headers.items()) if name.startswith("SCHILY.xattr.")]
    return text + "".join(attributes)


def lay_over(tree: dict[str, str], stream) -> None:
    """One layer. Whiteouts speak of the layers below only, so they come first."""
    entries, gone, hollow = [], [], []
    with tarfile.open(fileobj=plain(stream)) as tar:
        for member in tar:
            path = posixpath.normpath("/" + member.name)[1:]
            parent, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                hollow.append(parent + "/")
            elif name.startswith(".wh."):
                gone.append(posixpath.join(parent, name[4:]))
            elif path:
                entries.append((path, posixpath.normpath("/" + member.linkname)[1:] if member.islnk() else None, "" if member.islnk() else describe(tar, member)))
    # What is no directory any more has nothing below it either.
    covered = gone + [path for path, _, text in entries if not text.startswith("directory") and tree.get(path, "").startswith("directory")]
    prefixes = tuple([path + "/" for path in covered] + hollow)
    if prefixes:
        for path in [path for path in tree if path.startswith(prefixes)]:
            del tree[path]
    for path in gone:
        tree.pop(path, None)
    for path, link, text in entries:
        tree[path] = tree[link] if link is not None else text


class Image:
    def __init__(self, archive: str, known: dict[tuple, dict[str, str]]):
        """`known`: trees by the layers that they are of; grows."""
        with tarfile.open(archive) as tar:
            described = json.load(tar.extractfile("manifest.json"))[0]
            config = json.load(tar.extractfile(described["Config"]))
            ids = config["rootfs"]["diff_ids"]
            self.config = {key: config.get("config", {}).get(key) or None for key in KEYS}
            # No directory is the root; variables have no order.
            self.config["WorkingDir"] = self.config["WorkingDir"] or "/"
            self.config["Env"] = sorted(self.config["Env"] or [])
            if self.config["Labels"]:
                self.config["Labels"] = {key: value for key, value in self.config["Labels"].items() if not key.startswith("io.buildah")} or None
            first = max((n for n in range(len(ids) + 1) if tuple(ids[:n]) in known), default=0)
            self.tree = dict(known.get(tuple(ids[:first]), {}))
            for name in described["Layers"][first:]:
                lay_over(self.tree, tar.extractfile(name))
            self.ids = tuple(ids)


def differences(one: Image, other: Image, ignored) -> list[str]:
    """A line for each name or key. `ignored(path)`: nothing, "content", "owner" or "all"."""
    lines = [f"{key}: {one.config[key]} / {other.config[key]}" for key in KEYS if one.config[key] != other.config[key]]
    for path in sorted(one.tree.keys() | other.tree.keys()):
        how = ignored(path)
        mine, theirs = one.tree.get(path), other.tree.get(path)
        if how == "content":
            mine, theirs = (text and " ".join(text.split()[:3]) for text in (mine, theirs))
        if how == "owner":
            mine, theirs = (text and " ".join(text.split()[:2] + text.split()[3:]) for text in (mine, theirs))
        if how != "all" and mine != theirs:
            lines.append(f"/{path}: {mine} / {theirs}")
    return lines
