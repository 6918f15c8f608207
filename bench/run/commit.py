#!/usr/bin/env python3
"""How long diff and commit take after one changed file, by the number of files in the image; beside podman's commit of the same, in the same rounds.

usage: commit.py [--files N,N...] [--rounds N] [--bin DIRECTORIES] [--podman]

As whoever calls it. --podman: with a store of its own, on the driver it takes by itself (the kernel's overlay, as root). What it costs with other drivers: bench/podman_commit.sh.
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


class Podman:
    """One image in a store of its own."""

    def __init__(self, work: str, image: str) -> None:
        place = os.path.join(work, "podman")
        self.command = ["podman", "--cgroup-manager=cgroupfs", "--root", place, "--runroot", place + ".run"]
        subprocess.run([*self.command, "import", image, "base"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def commit(self, turn: int) -> float:
        subprocess.run([*self.command, "run", "--name", "box", "--network", "host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "base", "sh", "-c",
                        f"echo {turn} >/data/0/1"], check=True, stdout=subprocess.DEVNULL)
        try:
            return timed(*self.command, "commit", "-q", "box", f"committed:{turn}")
        finally:
            subprocess.run([*self.command, "rm", "box"], check=True, stdout=subprocess.DEVNULL)

    def remove(self) -> None:
        subprocess.run([*self.command, "rmi", "-a", "-f"], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", default="1000,36000,81000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    parser.add_argument("--podman", action="store_true")
    arguments = parser.parse_args()
    os.environ["PATH"] = arguments.bin + ":" + os.environ["PATH"]
    work = tempfile.mkdtemp(prefix="acetate-commit-")
    os.environ["ACETATE_ROOT"], os.environ["ACETATE_CACHE"] = os.path.join(work, "data"), os.path.join(work, "cache")
    try:
        print("| files | diff, median ms | commit, median ms | least | most |" + (" podman's commit | least | most |" if arguments.podman else "") + "\n|---|---|---|---|---|" + ("---|---|---|" if arguments.podman else ""))
        for files in map(int, arguments.files.split(",")):
            image = os.path.join(work, f"{files}.tar")
            make_image(image, files)
            # The digest of a file that was changed a moment ago is not believed, and taken each time anew: in these seconds a commit would grow with the image.
            time.sleep(4)
            podman = Podman(work, image) if arguments.podman else None
            diffs, commits, theirs = [], [], []
            for turn in range(arguments.rounds + 1):
                timed("acetate", "run", "--keep", "box", image, "sh", "-c", f"echo {turn} >/data/0/1")
                diff, commit = timed("acetate", "diff", "box"), timed("acetate", "commit", "box", f"committed:{turn}")
                if turn > 0:  # the first one learns the digest of the base
                    diffs.append(diff)
                    commits.append(commit)
                if podman:
                    theirs.append(podman.commit(turn))
            subprocess.run(["acetate", "rm", "box"], check=True, stdout=subprocess.DEVNULL)
            print(f"| {files} | {statistics.median(diffs):.0f} | {statistics.median(commits):.0f} | {min(commits):.0f} | {max(commits):.0f} |" + (f" {statistics.median(theirs):.0f} | {min(theirs):.0f} | {max(theirs):.0f} |" if podman else ""))
            if podman:
                podman.remove()
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
