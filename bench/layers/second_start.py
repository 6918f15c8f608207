#!/usr/bin/env python3
"""What does it help to know what the last run of a layer read?

A program out of a .tar.gz that is mounted anew, its index there, until it has ended; with and without the trace of the run before, and
with decoded bytes on disk (the mirror) and without. Beside it: the same program out of the layer unpacked. Caches of the machine are
dropped before each.

usage: second_start.py ROOTFS.tar.gz [--command 'python3 -c "import json, ssl, sqlite3"']      as root
"""
import os
import shutil
import subprocess

from measure import Scratch, compare, drop_caches, machine, parser, seconds, table

DEFAULT = """python3 -c 'import json, ssl, sqlite3, email.message, http.client, urllib.request, decimal, asyncio'"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("layer")
    arguments.add_argument("--command", default=DEFAULT)
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch:
        layer, at, unpacked = os.path.abspath(options.layer), scratch.path / "mnt", scratch.path / "unpacked"
        at.mkdir()
        unpacked.mkdir()
        scratch.run("tar", "xpf", layer, "-C", unpacked)
        scratch.run(scratch.acetate, "index", layer)
        mirror = scratch.path / "cache/index/v1/mirror"
        run = lambda where: scratch.run("chroot", where, "sh", "-c", options.command)

        def start(*, trace: bool, keep: bool) -> float:
            scratch.env["ACETATE_PREFETCH"] = "on" if trace else "off"
            if not keep:
                shutil.rmtree(mirror, ignore_errors=True)
            drop_caches()
            taken = seconds(lambda: (scratch.mount([layer], at), run(at)))
            if trace:
                shown = subprocess.run([scratch.acetate, "stat", str(at)], env=scratch.env, capture_output=True, text=True, check=True)
                counts.append([line for line in shown.stdout.splitlines() if line.startswith("prefetched")])
            scratch.unmount(at)
            return taken

        def plain() -> float:
            drop_caches()
            return seconds(lambda: run(unpacked))

        counts: list[list[str]] = []
        start(trace=True, keep=False)  # so that something is known
        table(f"Mounted and run to its end: {options.command}", compare({
            "nothing decoded, no trace": lambda: start(trace=False, keep=False),
            "nothing decoded, a trace": lambda: start(trace=True, keep=False),
            "all in the mirror, no trace": lambda: start(trace=False, keep=True),
            "all in the mirror, a trace": lambda: start(trace=True, keep=True),
            "unpacked before": plain,
        }, options.rounds))
        print("\nOf the last with a trace: " + ", ".join(" ".join(line.split()) for line in counts[-1]))


if __name__ == "__main__":
    main()
