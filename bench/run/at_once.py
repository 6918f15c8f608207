#!/usr/bin/env python3
"""What many containers of one image at once cost: memory that is theirs, and descriptors, of everything that runs them.

usage: at_once.py IMAGE [--count N] [--bin DIRECTORIES]

Starts N commands that wait for their input to end, and looks at /proc when all of them have said that they are there. Prints a line for
each program: how many processes, their proportional set size together and each, their descriptors together.
"""
import argparse
import collections
import os
import subprocess


def parents() -> dict[int, int]:
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                found[int(pid)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass  # it has ended meanwhile
    return found


def below(roots: set[int]) -> set[int]:
    tree, parent_of = set(roots), parents()
    while more := {pid for pid, parent in parent_of.items() if parent in tree} - tree:
        tree |= more
    return tree


def look(pid: int) -> tuple[str, int, int]:
    """Name, proportional set size in bytes, descriptors."""
    with open(f"/proc/{pid}/comm") as file:
        name = file.read().strip()
    size = 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                size = int(line.split()[1]) * 1024
    return name, size, len(os.listdir(f"/proc/{pid}/fd"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    arguments = parser.parse_args()
    os.environ["PATH"] = arguments.bin + ":" + os.environ["PATH"]

    running = [subprocess.Popen(["acetate", "run", "-i", arguments.image, "sh", "-c", "echo up; exec cat"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for _ in range(arguments.count)]
    for each in running:
        if each.stdout.readline() != b"up\n":
            raise SystemExit("one of them did not start")
    processes: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
    for pid in below({each.pid for each in running}):
        name, size, descriptors = look(pid)
        processes[name].append((size, descriptors))
    for each in running:
        each.stdin.close()
        if each.wait() != 0:
            raise SystemExit("one of them failed")
    print("| program | processes | MiB together | MiB each | descriptors |\n|---|---|---|---|---|")
    for name, found in sorted(processes.items(), key=lambda item: -sum(size for size, _ in item[1])):
        size = sum(size for size, _ in found) / 2**20
        print(f"| {name} | {len(found)} | {size:.1f} | {size / len(found):.2f} | {sum(count for _, count in found)} |")


if __name__ == "__main__":
    main()
