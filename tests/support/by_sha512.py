#!/usr/bin/env python3
"""An OCI image layout again, with every blob named by its SHA-512: files, descriptors, diff_ids.

usage: by_sha512.py FROM TO     prints the digests of what index.json lists
"""
import gzip
import hashlib
import json
import pathlib
import sys

source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
(target / "blobs" / "sha512").mkdir(parents=True)
(target / "blobs" / "sha256").mkdir()
named = {}  # what was named otherwise, by its old digest


def name_of(data):
    return "sha512:" + hashlib.sha512(data).hexdigest()


def read(digest):
    return (source / "blobs" / digest.replace(":", "/")).read_bytes()


def put(data):
    digest = name_of(data)
    (target / "blobs" / digest.replace(":", "/")).write_bytes(data)
    return {"digest": digest, "size": len(data)}


def plain(data):
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def convert(descriptor):
    """The descriptor of the same blob under its new name, and of all below it."""
    digest = descriptor["digest"]
    if digest not in named:
        data = read(digest)
        if descriptor["mediaType"].endswith(("index.v1+json", "manifest.v1+json")):
            document = json.loads(data)
            for key in {"manifests", "layers"} & document.keys():
                document[key] = [convert(entry) for entry in document[key]]
            if "config" in document:
                config = json.loads(read(document["config"]["digest"]))
                config["rootfs"]["diff_ids"] = [name_of(plain(read_new(entry["digest"]))) for entry in document["layers"]]
                document["config"].update(put(json.dumps(config).encode()))
            data = json.dumps(document).encode()
        named[digest] = put(data)
    return {**descriptor, **named[digest]}


def read_new(digest):
    return (target / "blobs" / digest.replace(":", "/")).read_bytes()


index = json.loads((source / "index.json").read_text())
index["manifests"] = [convert(entry) for entry in index["manifests"]]
(target / "index.json").write_text(json.dumps(index))
(target / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
print(*[entry["digest"] for entry in index["manifests"]], sep="\n")
