"""Requests and system calls an operation, of daemons: figures that no other load on the machine changes.

strace is attached to the daemon for the time of the work. A request is counted by its reply (a write to /dev/fuse); those that
get none (FORGET) show among the reads.
"""
import os
import re
import shutil
import signal
import subprocess
import sys

import mounts
import privilege
import workloads

REPLIES = ("writev", "write")
# What is walked and removed: some hundred files in a few directories.
TREE = "usr/include/linux"


class Attached:
    """{system call: count} of a process while the block runs."""

    def __init__(self, pid, out):
        self.pid, self.out, self.calls = pid, out, {}

    def __enter__(self):
        self.strace = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", self.out, "-p", str(self.pid)], stderr=subprocess.PIPE, text=True)
        self.strace.stderr.readline()  # "Process N attached", with all its threads
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate()
        with open(self.out) as file:
            for line in file:
                if match := re.match(r"\s*(\d+)\s+([a-z_0-9]+)$", line):
                    if match[2] != "total":
                        self.calls[match[2]] = int(match[1])


def operations(at, base, mounted):
    """(name, how many, what to do), in this order on one mount; `mounted` may be opened afresh in between."""
    def walk_count():
        return sum(len(folders) + len(files) for _, folders, files in os.walk(at.path(TREE)))

    with open(at.list("few")) as file:
        few = [at.path(line.rstrip("\n")) for line in file]
    yield "open, read, close of a lower file, cold", len(few), lambda: [read(path) for path in few]
    entries = walk_count()
    mounted.reopen()
    yield "walk, an entry", entries, lambda: at.ask("walk", at.path(TREE))
    yield "absent name", 100, lambda: at.ask("absent", at.path("usr/lib"), 100)
    folder = at.path("made")
    os.mkdir(folder)
    yield "directory made", 100, lambda: [os.mkdir(f"{folder}/d{i}") for i in range(100)]
    yield "create, write 4 KiB, close", 100, lambda: [create(f"{folder}/f{i}") for i in range(100)]
    yield "stat of a created file", 100, lambda: [os.lstat(f"{folder}/f{i}") for i in range(100)]
    yield "rename of a file", 100, lambda: [os.rename(f"{folder}/f{i}", f"{folder}/g{i}") for i in range(100)]
    yield "unlink of an upper file", 100, lambda: [os.unlink(f"{folder}/g{i}") for i in range(100)]
    for path in few:
        os.lstat(path)
    yield "chmod of a lower file, copied up", len(few), lambda: [os.chmod(path, 0o600) for path in few]
    yield "rm -rf of a lower tree, an entry", entries, lambda: shutil.rmtree(at.path(TREE))


def read(path):
    fd = os.open(path, os.O_RDONLY)
    while os.read(fd, 65536):
        continue
    os.close(fd)


def create(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"x" * 4096)
    os.close(fd)


def one(job):
    """{operation: {"requests": a, "calls": b, "most": {call: n}}} of one mount."""
    place = f"{job['base']}/round"
    shutil.rmtree(place, ignore_errors=True)
    mounted = mounts.Mounted(mounts.Mount(job["mount"], job["command"]), job["base"], place, job["layers"])
    at = workloads.Place(mounted.target, job["base"], job["tool"], place)
    counted = {}
    try:
        for name, count, work in operations(at, job["base"], mounted):
            with Attached(mounted.daemon(), f"{place}/strace") as strace:
                work()
            # read from the device and reply to it: the price of a request, whoever serves it
            calls = {call: number / count for call, number in strace.calls.items()}
            requests = sum(calls.get(call, 0) for call in REPLIES)
            print(f"versus: {job['mount']}: {name}: {sum(calls.values()):.1f}", file=sys.stderr)
            counted[name] = {"requests": requests, "calls": sum(calls.values()), "each": calls}
    finally:
        mounted.close()
        shutil.rmtree(place, ignore_errors=True)
    return counted


def table(options, base, candidates, rootless):
    candidates = [mount for mount in candidates if mount.writable and not mount.copies and "overlay overlay" not in mount.command]
    layers = int(options.layers.split(",")[0])
    job = {"base": f"{base}/count", "tree": os.path.abspath(options.tree), "layers": layers, "entries": 100, "large_mib": 0,
           "plain": False, "pack": any(mount.packed for mount in candidates)}
    names = privilege.run("run", "prepare", job, rootless)
    found = {}
    for mount in candidates:
        found[mount.name] = privilege.run("counts", "one", {"base": job["base"], "mount": mount.name, "command": mount.command, "layers": names,
                                                            "tool": options.workload_program}, rootless)
    lines = [f"{layers} layers, {'rootless' if rootless else 'root'}. System calls of the daemon an operation, of them replies (requests), and the most frequent.", "",
             "| | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for operation in next(iter(found.values())):
        cells = []
        for counted in found.values():
            each = sorted(counted[operation]["each"].items(), key=lambda pair: -pair[1])
            shown = ", ".join(f"{call} {number:.1f}" for call, number in each[:6] if number >= 0.05)
            cells.append(f"**{counted[operation]['calls']:.1f}** ({counted[operation]['requests']:.1f}): {shown}")
        lines.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
