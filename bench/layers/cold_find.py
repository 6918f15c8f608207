#!/usr/bin/env python3
"""What does the first `find -ls` of a tree cost, by the number of layers?

The same files over N layers: as tarballs under our daemon (the stack compiled, and not), and unpacked under the kernel's overlayfs.
Caches of the machine are dropped before each walk. Then, the same way, the first look at single names: half of them there, half not.

usage: cold_find.py [--files 30000] [--layers 1 20 60]      as root
"""
import io
import os
import random
import subprocess
import tarfile
import time

from measure import Scratch, compare, drop_caches, machine, parser, seconds, table


def make(folder, files: int, layers: int) -> list[str]:
    """Every layer has all directories, and its share of the files in each."""
    tars = []
    for layer in range(layers):
        path = folder / f"{layers}-{layer}.tar"
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
            for number in range(layer, files, layers):
                info = tarfile.TarInfo(f"usr/lib/{number % 300}/file-{number}")
                info.size = 10
                tar.addfile(info, io.BytesIO(b"0123456789"))
        tars.append(str(path))
    return tars


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--files", type=int, default=30_000)
    arguments.add_argument("--looks", type=int, default=5000)
    arguments.add_argument("--layers", nargs="+", type=int, default=[1, 20, 60])
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch:
        at = scratch.path / "mnt"
        at.mkdir()
        cold = True
        for layers in options.layers:
            tars = make(scratch.path, options.files, layers)
            dirs = []
            for tar in tars:
                name = scratch.path / (tar.rsplit("/", 1)[1] + ".d")
                name.mkdir()
                scratch.run("tar", "xf", tar, "-C", name)
                dirs.append(str(name))

            def cold_once(mount, action) -> float:
                nonlocal cold
                cold = drop_caches() and cold
                mount()
                taken = seconds(action)
                scratch.unmount(at)
                return taken

            def walk(mount) -> float:
                return cold_once(mount, lambda: scratch.run("find", at, "-ls"))

            def look(mount) -> float:
                chance = random.Random(1)
                numbers = [chance.randrange(options.files) for _ in range(options.looks)]
                paths = [f"{at}/usr/lib/{n % 300}/{'file' if i % 2 else 'none'}-{n}" for i, n in enumerate(numbers)]
                return cold_once(mount, lambda: [os.access(path, os.F_OK) for path in paths])

            def kernel() -> None:
                if len(dirs) == 1:
                    scratch.run("mount", "--bind", dirs[0], at)
                else:
                    scratch.run("mount", "-t", "overlay", "overlay", "-o", "lowerdir=" + ":".join(dirs), at)
                scratch.mounts.append(str(at))

            def uncompiled() -> None:
                subprocess.run(["rm", "-rf", scratch.path / "cache/index/v1/stack"], check=True)
                scratch.mount(tars, at)

            def compiled() -> None:
                scratch.mount(tars, at)

            compiled()  # indexes all, and compiles
            while layers > 1 and not list((scratch.path / "cache/index/v1/stack").rglob("*.lix")):
                time.sleep(0.1)
            scratch.unmount(at)
            contestants = {"kernel overlayfs, unpacked" if layers > 1 else "unpacked": lambda: walk(kernel),
                           "fuse-overlay, compiled": lambda: walk(compiled)}
            if layers > 1:
                def not_compiled() -> float:
                    taken = walk(uncompiled)
                    compiled()
                    while not list((scratch.path / "cache/index/v1/stack").rglob("*.lix")):
                        time.sleep(0.1)
                    scratch.unmount(at)
                    return taken
                contestants["fuse-overlay, not compiled"] = not_compiled
            table(f"find -ls of {options.files} files in {layers} layers, {'cold' if cold else 'NOT cold'}",
                  compare(contestants, options.rounds))
            table(f"{options.looks} names looked up one after another in {layers} layers, {'cold' if cold else 'NOT cold'}",
                  compare({"kernel overlayfs, unpacked" if layers > 1 else "unpacked": lambda: look(kernel),
                           "fuse-overlay" + (", compiled" if layers > 1 else ""): lambda: look(compiled)}, options.rounds))


if __name__ == "__main__":
    main()
