#!/usr/bin/env python3
"""Does mounting an indexed layer depend on how many files are in it?

Beside it: what the start of any process costs here, that of the daemon without a mount, and squashfuse's mount of the same files
(where sqfstar is installed).

usage: mount_scale.py [--files 10000 100000 1000000]      as root
"""
import io
import shutil
import subprocess
import tarfile

from measure import Scratch, compare, machine, parser, seconds, table


def make(path: str, files: int) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for i in range(files):
            info = tarfile.TarInfo(f"usr/share/{i // 1000}/some-file-name-{i}")
            info.size = 100
            tar.addfile(info, io.BytesIO(b"x" * 100))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--files", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch:
        at = scratch.path / "mnt"
        at.mkdir()
        contestants = {"true": lambda: seconds(lambda: scratch.run("true")),
                       "fuse-overlay --help": lambda: seconds(lambda: scratch.run(scratch.daemon, "--help"))}
        has_squash = shutil.which("sqfstar") and shutil.which("squashfuse")
        for files in options.files:
            tar = str(scratch.path / f"{files}.tar")
            make(tar, files)
            first = seconds(lambda tar=tar: scratch.run(scratch.acetate, "index", tar))
            print(f"{files} files: indexed in {first:.2f} s")

            def mounted(tar: str = tar) -> float:
                taken = seconds(lambda: scratch.mount([tar], at))
                scratch.unmount(at)
                return taken
            contestants[f"fuse-overlay, {files} files"] = mounted
            if not has_squash:
                continue
            squash = str(scratch.path / f"{files}.squashfs")
            with open(tar, "rb") as packed:
                subprocess.run(["sqfstar", "-quiet", "-no-progress", "-comp", "gzip", squash], stdin=packed, check=True, stdout=subprocess.DEVNULL)

            def squashfuse(squash: str = squash) -> float:
                taken = seconds(lambda: scratch.run("squashfuse", squash, at))
                subprocess.run(["umount", at], check=True)
                return taken
            contestants[f"squashfuse, {files} files"] = squashfuse
        table("From the start of the command until the mount is there", compare(contestants, options.rounds), "ms", 1e3)


if __name__ == "__main__":
    main()
