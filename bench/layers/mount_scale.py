#!/usr/bin/env python3
"""Does mounting an indexed layer depend on how many files are in it?

usage: mount_scale.py [--files 10000 100000 1000000]      as root
"""
import io
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
        contestants = {}
        for files in options.files:
            tar = str(scratch.path / f"{files}.tar")
            make(tar, files)
            first = seconds(lambda tar=tar: scratch.run(scratch.acetate, "index", tar))
            print(f"{files} files: indexed in {first:.2f} s")

            def mounted(tar: str = tar) -> float:
                taken = seconds(lambda: scratch.mount([tar], at))
                scratch.unmount(at)
                return taken
            contestants[f"{files} files"] = mounted
        table("Starting the daemon until the mount is there", compare(contestants, options.rounds), "ms", 1e3)


if __name__ == "__main__":
    main()
