#!/usr/bin/env python3
"""What does it cost to read everything, when nothing was decoded before?

`tar c` of a whole mount of a .tar.gz (its index there, no byte of it decoded) against unpacking it and reading that, and against
squashfuse of the same tree; then random reads of 4 and 64 KiB from the largest file.

usage: read_all.py LAYER.tar.gz      as root
"""
import os
import random
import shutil
import statistics
import time

from measure import Scratch, compare, drop_caches, machine, parser, seconds, table


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("layer")
    arguments.add_argument("--reads", type=int, default=2000)
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch:
        layer, at, unpacked = os.path.abspath(options.layer), scratch.path / "mnt", scratch.path / "unpacked"
        at.mkdir()
        scratch.env["ACETATE_PREFETCH"] = "off"  # else each round would know what the one before read
        scratch.run(scratch.acetate, "index", layer)
        mirror = scratch.path / "cache/index/v1/mirror"
        squash = scratch.path / "image.squashfs"

        def unpack() -> None:
            shutil.rmtree(unpacked, ignore_errors=True)
            unpacked.mkdir()
            scratch.run("tar", "xpf", layer, "-C", unpacked)

        def tar(where) -> None:
            scratch.run("sh", "-c", f"tar -C {where} -cf - . | cat >/dev/null")

        def unpack_and_read() -> float:
            drop_caches()
            return seconds(lambda: (unpack(), tar(unpacked)))

        def ours() -> float:
            shutil.rmtree(mirror, ignore_errors=True)
            drop_caches()
            taken = seconds(lambda: (scratch.mount([layer], at), tar(at)))
            scratch.unmount(at)
            return taken

        def again() -> float:
            drop_caches()
            taken = seconds(lambda: (scratch.mount([layer], at), tar(at)))
            scratch.unmount(at)
            return taken

        contestants = {"unpack and read": unpack_and_read, "fuse-overlay, nothing decoded": ours,
                       "fuse-overlay, all of it in the mirror": again}
        unpack()
        has_squash = shutil.which("mksquashfs") and shutil.which("squashfuse")
        if has_squash:
            scratch.run("mksquashfs", unpacked, squash, "-noappend", "-quiet", "-comp", "gzip")

            def mount_squash() -> None:
                scratch.run("squashfuse", squash, at)
                scratch.mounts.append(str(at))

            def squashfuse() -> float:
                drop_caches()
                taken = seconds(lambda: (mount_squash(), tar(at)))
                scratch.unmount(at)
                return taken
            contestants["squashfuse (gzip)"] = squashfuse
        table("tar c of the whole tree, cold", compare(contestants, options.rounds))

        largest = max((os.path.join(folder, name) for folder, _, names in os.walk(unpacked) for name in names
                       if not os.path.islink(os.path.join(folder, name))), key=os.path.getsize)
        inside, size = os.path.relpath(largest, unpacked), os.path.getsize(largest)
        for count in (4096, 65536):
            def reads(mount) -> list[float]:
                drop_caches()
                mount()
                chance, waits = random.Random(1), []
                with open(at / inside, "rb", buffering=0) as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                    for _ in range(options.reads):
                        began = time.monotonic()
                        os.pread(file.fileno(), count, chance.randrange(max(size - count, 1)))
                        waits.append(time.monotonic() - began)
                scratch.unmount(at)
                return waits

            def cold_mount() -> None:
                shutil.rmtree(mirror, ignore_errors=True)
                scratch.mount([layer], at)

            print(f"\n{options.reads} random reads of {count} bytes from {inside} ({size / 1e6:.0f} MB)\n\n"
                  "| | p50 µs | p99 µs | all, s |\n|---|---|---|---|")
            mounts = {"fuse-overlay, nothing decoded": cold_mount, "fuse-overlay, again": lambda: scratch.mount([layer], at)}
            if has_squash:
                mounts["squashfuse (gzip)"] = mount_squash
            taken: dict[str, list[list[float]]] = {name: [] for name in mounts}
            for _ in range(options.rounds):
                for name, mount in mounts.items():
                    taken[name].append(sorted(reads(mount)))
            for name, rounds in taken.items():
                at_rank = lambda part, rounds=rounds: statistics.median(one[int(len(one) * part)] for one in rounds) * 1e6
                print(f"| {name} | {at_rank(0.5):.0f} | {at_rank(0.99):.0f} | {statistics.median(sum(w) for w in rounds):.2f} |")


if __name__ == "__main__":
    main()
