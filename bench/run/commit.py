#!/usr/bin/env python3
"""How long diff and commit take after one changed file, by the number of files in the image.

usage: commit.py [--files N,N...] [--rounds N] [--bin DIRECTORIES]

As whoever calls it. podman's figures: bench/podman_commit.sh.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time


def make_image(path: str, files: int) -> None:
    """A busybox and `files` small files, a hundred a directory."""
    with tarfile.open(path, "w") as tar:
        tar.add(shutil.which("busybox"), "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
        for number in range(files):
            tar.addfile(tarfile.TarInfo(f"data/{number // 100}/{number}"))


def timed(*command: str) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", default="1000,36000,81000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    arguments = parser.parse_args()
    os.environ["PATH"] = arguments.bin + ":" + os.environ["PATH"]
    work = tempfile.mkdtemp(prefix="acetate-commit-")
    os.environ["ACETATE_ROOT"], os.environ["ACETATE_CACHE"] = os.path.join(work, "data"), os.path.join(work, "cache")
    try:
        print("| files | diff, median ms | commit, median ms | least | most |\n|---|---|---|---|---|")
        for files in map(int, arguments.files.split(",")):
            image = os.path.join(work, f"{files}.tar")
            make_image(image, files)
            diffs, commits = [], []
            for turn in range(arguments.rounds + 1):
                timed("acetate", "run", "--keep", "box", image, "sh", "-c", f"echo {turn} >/data/0/1")
                diff, commit = timed("acetate", "diff", "box"), timed("acetate", "commit", "box", f"committed:{turn}")
                if turn > 0:  # the first one learns the digest of the base
                    diffs.append(diff)
                    commits.append(commit)
            subprocess.run(["acetate", "rm", "box"], check=True, stdout=subprocess.DEVNULL)
            print(f"| {files} | {statistics.median(diffs):.0f} | {statistics.median(commits):.0f} | {min(commits):.0f} | {max(commits):.0f} |")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
