#!/usr/bin/env python3
"""Makes the first files of the corpora: small, and with a bit of everything in them.

usage: make_corpus.py ACETATE      (the program, for the indexes)
"""
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator

HERE = pathlib.Path(__file__).parent / "corpus"


def tar(format_: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        def add(name: str, type_: bytes = tarfile.REGTYPE, body: bytes = b"", **fields: object) -> None:
            info = tarfile.TarInfo(name)
            info.type, info.size = type_, len(body)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(body))
        add("d", tarfile.DIRTYPE, mode=0o755)
        add("d/file", body=b"content " * 40, mtime=1_600_000_000, uid=1000)
        add("d/hard", tarfile.LNKTYPE, linkname="d/file")
        add("link", tarfile.SYMTYPE, linkname="d/file")
        add("n" * 120, body=b"long name")
        add("null", tarfile.CHRTYPE, devmajor=1, devminor=3)
        add("fifo", tarfile.FIFOTYPE)
        add("d/.wh.gone")
        add("d/.wh..wh..opq")
        if format_ == tarfile.PAX_FORMAT:
            add("x", body=b"x", pax_headers={"SCHILY.xattr.user.a": "v", "mtime": "-1.5", "path": "x",
                                              "SCHILY.acl.access": "user::rw-\nuser:7:r--\ngroup::r--\nmask::r--\nother::---"})
    return out.getvalue()


def sparse() -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "s"
        with open(path, "wb") as file:
            file.truncate(100_000)
            file.seek(50_000)
            file.write(b"data")
        for how in (["--format=gnu"], ["--format=pax", "--sparse-version=1.0"], ["--format=pax", "--sparse-version=0.1"]):
            result = subprocess.run(["tar", "-S", *how, "-cf", "-", "-C", folder, "s"], capture_output=True, check=True).stdout
            yield how[-1].replace("--", "").replace("=", "-"), result


def put(target: str, name: str, content: bytes) -> None:
    path = HERE / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def zstd(plain: bytes, *options: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *options], input=plain, capture_output=True, check=True).stdout


DOCKERFILE = """# syntax=docker/dockerfile:1
# check=skip=StageNameCasing;error=false
ARG V=1 W
FROM --platform=$BUILDPLATFORM base:${V:-2} AS one
ENV A=b "C=d e" F g
LABEL a=b \\
  # a comment
  c="d"
RUN --mount=type=cache,target=/c,sharing=locked,uid=1 --network=none --security=sandbox <<-"E1" cat <<E2
\techo $A
\tE1
text ${A%%b}
E2
RUN ["sh", "-c", "echo \\u0041"]
COPY --from=one --chown=1:2 --chmod=u+x --exclude=*.o --parents --link a ["b c", "d/"]
COPY <<a.txt <<b.txt /d/
a
a.txt
b
b.txt
ADD --checksum=sha256:0 --keep-git-dir=true https://example.org/a.git#v1:sub /d
WORKDIR /a/../b
USER 1:2
EXPOSE 80/tcp 8000-8010
VOLUME ["/v"] /w
STOPSIGNAL SIGRTMIN+3
SHELL ["sh", "-c"]
HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f x || exit 1
ONBUILD RUN true
ENTRYPOINT exec top
CMD ["-b"]
MAINTAINER me
FROM one
"""


def read_trace() -> bytes:
    """Without its checksum."""
    points = b"".join(struct.pack("<QIII", offset, ms, 0, length) for offset, ms, length in ((0, 5, 16384), (1 << 20, 7, 0), (2**64 - 1, 9, 2**32 - 1)))
    return b"ACETTRC2" + b"\xaa" * 32 + struct.pack("<Q", 3) + points


def toc() -> bytes:
    """Of a blob whose only frame, at its beginning, holds "content"."""
    digest = "sha256:" + hashlib.sha256(b"content").hexdigest()
    entries = [
        {"type": "dir", "name": "d/", "mode": 0o755, "modtime": "2020-01-02T03:04:05Z", "uid": 1},
        {"type": "reg", "name": "d/f", "mode": 0o644, "size": 7, "digest": digest, "offset": 0, "chunkDigest": digest,
         "xattrs": {"user.a": "dmFsdWU="}},
        {"type": "reg", "name": "s", "size": 1031, "offset": 0, "chunkSize": 1024, "chunkType": "zeros"},
        {"type": "chunk", "name": "s", "offset": 0, "chunkOffset": 1024, "chunkSize": 7, "chunkDigest": digest},
        {"type": "symlink", "name": "l", "linkName": "d/f"},
        {"type": "hardlink", "name": "h", "linkName": "d/f"},
        {"type": "char", "name": "null", "devMajor": 1, "devMinor": 3},
        {"type": "reg", "name": "d/.wh.gone"},
    ]
    return json.dumps({"version": 1, "entries": entries}).encode()


def main() -> None:
    pax, gnu = tar(tarfile.PAX_FORMAT), tar(tarfile.GNU_FORMAT)
    put("tar_scan", "pax.tar", pax)
    put("tar_scan", "gnu.tar", gnu)
    put("tar_scan", "pax.tar.gz", gzip.compress(pax, mtime=0))
    for name, content in sparse():
        put("tar_scan", f"sparse-{name}.tar", content)
    put("toc", "all", toc())
    put("read_trace", "points", read_trace())
    put("dockerfile", "all", DOCKERFILE.encode())
    put("dockerfile", "backquote", b"# escape=`\nFROM scratch\nCOPY a `\n  b\nRUN <<EOF\necho `$A\nEOF\n")
    for name, word in (("default", b"${A:-w} $B"), ("otherwise", b"${E:+'w'}"), ("prefix", b"${A#*/}${A##*/}"), ("suffix", b"${A%.*}${A%%.*}"),
                       ("replace", b"${A//?\\/x/$E}"), ("quotes", b'"a b" \'c\' \\d'), ("must", b"${B?no $A}")):
        put("words", name, b"\0" + word)
    put("ignore_rules", "all", b"# a comment\n*\n!a/**/b\n/c?[a-z^]\n\\!d\n**/*.o\nx/a/y/b")
    text = bytes(range(256)) * 30 + b"abcdefgh" * 1500
    put("gzip", "levels", b"".join(gzip.compress(text[i::3], level, mtime=0) for i, level in enumerate((0, 1, 9))))
    put("gzip", "empty", gzip.compress(b"", mtime=0))
    put("gzip", "tar", gzip.compress(gnu, mtime=0))
    put("zstd", "one-frame", zstd(text))
    put("zstd", "frames", zstd(text[:3000]) + b"\x5e\x2a\x4d\x18\x03\0\0\0abc" + zstd(text[3000:], "-19"))
    put("xz_and_bzip2", "xz", lzma.compress(text))
    put("xz_and_bzip2", "xz-streams", lzma.compress(text[:500]) + bytes(8) + lzma.compress(text[500:]))
    put("xz_and_bzip2", "bzip2", bz2.compress(text) + bz2.compress(b"more"))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("pax.tar", pax), ("gnu.tar.gz", gzip.compress(gnu, mtime=0))):
            path = pathlib.Path(folder) / name
            path.write_bytes(content)
            subprocess.run([sys.argv[1], "index", str(path)], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, "ACETATE_CACHE": folder})
            (index,) = pathlib.Path(folder).rglob("*.lix")
            put("layer_index", name, index.read_bytes())
            index.unlink()


if __name__ == "__main__":
    main()
