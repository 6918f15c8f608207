#!/usr/bin/env python3
"""The same workloads side by side, interleaved in one run: kernel overlayfs, fuse-overlayfs, fuse-overlay.

A tree (a root filesystem tarball) is split over N lower directories; every mount under test sees the same lowers and a
fresh upper. Each round goes through all mounts before the next round begins, so that a machine whose speed drifts
treats all alike; medians and ratios to the first mount are printed, as Markdown.

Peers are commands: --mount NAME='COMMAND with {lowers} {upper} {work} {target} {tar}'. The default set is what is found.
Run it as root, or as root of a user namespace (unshare --user --map-auto --map-root-user --mount) for the rootless figures.
"""
import argparse
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib


def sh(command, **kwargs):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, **kwargs)


# --- workloads: each gets the merged root and returns how many things it did; timed as a whole

def walk(root):
    count = 0
    for _, folders, files in os.walk(root):
        count += len(folders) + len(files)
    return count


def stat_all(root):
    count = 0
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            os.lstat(os.path.join(folder, name))
            count += 1
    return count


def absent(root):
    for i in range(20000):
        try:
            os.stat(f"{root}/usr/lib/not-there-{i}")
        except FileNotFoundError:
            pass
    return 20000


def tar_all(root):
    sh(f"tar -C {shlex.quote(root)} -cf - --one-file-system . | cat >/dev/null")
    return 1


def read_small(root):
    count = 0
    for folder, _, files in os.walk(f"{root}/usr"):
        for name in files:
            full = os.path.join(folder, name)
            if os.path.islink(full) or os.lstat(full).st_size > 16384:
                continue
            with open(full, "rb") as file:
                file.read()
            count += 1
            if count == 8000:
                return count
    return count


def create_unlink(root):
    folder = f"{root}/created"
    os.mkdir(folder)
    for i in range(5000):
        with open(f"{folder}/{i}", "wb") as file:
            file.write(b"x")
    for i in range(5000):
        os.stat(f"{folder}/{i}")
    for i in range(5000):
        os.unlink(f"{folder}/{i}")
    os.rmdir(folder)
    return 10000


def copy_up_small(root):
    count = 0
    for folder, _, files in os.walk(f"{root}/usr/share"):
        for name in files:
            full = os.path.join(folder, name)
            if os.path.islink(full) or os.lstat(full).st_size > 65536:
                continue
            with open(full, "ab") as file:
                file.write(b"x")
            count += 1
            if count == 1000:
                return count
    return count


def remove_lower_tree(root):
    before = walk(f"{root}/usr/include") if os.path.isdir(f"{root}/usr/include") else 0
    sh(f"rm -rf {shlex.quote(root)}/usr/include")
    return before or 1


def sequential(root):
    with open(f"{root}/big", "wb", buffering=0) as file:
        block = b"x" * (1 << 20)
        for _ in range(256):
            file.write(block)
    os.unlink(f"{root}/big")
    return 256


def python_start(root):
    for _ in range(5):
        sh(f"chroot {shlex.quote(root)} /usr/bin/python3 -c 'import json, ssl, sqlite3, email, http.client'")
    return 5


WORKLOADS = {
    "walk, fresh mount": walk,
    "stat of every entry, again": stat_all,
    "20,000 absent names": absent,
    "tar c of the tree": tar_all,
    "open+read+close of small files": read_small,
    "python3 with imports x 5": python_start,
    "create, stat, unlink 5,000": create_unlink,
    "copy-up of 1,000 files": copy_up_small,
    "rm -rf of a lower tree": remove_lower_tree,
    "write 256 MiB": sequential,
}


def split(tarball, base, layers):
    """One tree over N directories: every file in one of them, directories where needed, as images are."""
    whole = f"{base}/whole"
    os.makedirs(whole)
    sh(f"tar -xf {shlex.quote(tarball)} -C {shlex.quote(whole)} --exclude=./dev/*")
    if layers == 1:
        return [whole]
    out = [f"{base}/layer{i}" for i in range(layers)]
    for layer in out:
        os.makedirs(layer)
    number = 0
    for folder, folders, files in os.walk(whole):
        relative = os.path.relpath(folder, whole)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in files + links:
            target = f"{out[zlib.crc32(relative.encode()) % layers]}/{relative}"
            if not os.path.isdir(target):
                os.makedirs(target, exist_ok=True)
            os.rename(os.path.join(folder, name), f"{target}/{name}")
            number += 1
    for layer in out:  # the directories themselves, with their modes
        sh(f"cd {shlex.quote(whole)} && find . -type d -print0 | head -z -n 400 | cpio -0pdm --quiet {shlex.quote(layer)} 2>/dev/null || true")
    shutil.rmtree(whole)
    return out


def default_mounts(ours, in_userns):
    kernel = "mount -t overlay overlay -o lowerdir={lowers},upperdir={upper},workdir={work}" + (",userxattr" if in_userns else "") + " {target}"
    mounts = {"kernel overlayfs": kernel}
    peer = shutil.which("fuse-overlayfs")
    if peer:
        mounts["fuse-overlayfs"] = peer + " -o lowerdir={lowers},upperdir={upper},workdir={work} {target}"
    mounts["fuse-overlay"] = ours + " -o lowerdir={lowers},upperdir={upper},workdir={work} {target}"
    mounts["fuse-overlay, tarball"] = ours + " -o lowerdir={tar},upperdir={upper},workdir={work} {target}"
    return mounts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", help="a root filesystem tarball (.tar or .tar.gz)")
    parser.add_argument("--ours", default="fuse-overlay")
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mount", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--only", action="append", default=[], help="a workload's name, or the beginning of it")
    parser.add_argument("--json", help="where to write every figure")
    options = parser.parse_args()
    with open("/proc/self/uid_map") as file:
        in_userns = sum(int(line.split()[2]) for line in file) < 2**32 - 1
    base = tempfile.mkdtemp(prefix="acetate-bench.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    lowers = split(os.path.abspath(options.tree), base, options.layers)
    mounts = default_mounts(options.ours, in_userns)
    for extra in options.mount:
        name, _, command = extra.partition("=")
        mounts[name] = command
    workloads = {name: function for name, function in WORKLOADS.items()
                 if not options.only or any(name.startswith(o) for o in options.only)}
    seconds = {name: {w: [] for w in workloads} for name in mounts}
    resident = {name: [] for name in mounts}
    try:
        for round_number in range(options.rounds):
            for name, command in mounts.items():
                place = f"{base}/{round_number}"
                for part in ("upper", "work", "target"):
                    os.makedirs(f"{place}/{part}")
                full = command.format(lowers=":".join(lowers), upper=f"{place}/upper", work=f"{place}/work",
                                      target=f"{place}/target", tar=os.path.abspath(options.tree))
                sh(full)
                try:
                    for workload, function in workloads.items():
                        begin = time.perf_counter()
                        function(f"{place}/target")
                        seconds[name][workload].append(time.perf_counter() - begin)
                        if workload.startswith("stat of every"):
                            rss = subprocess.run(["pgrep", "-nf", f"{place}/target"], capture_output=True, text=True).stdout.strip()
                            if rss and "overlay -t" not in command:
                                status = pathlib.Path(f"/proc/{rss}/status").read_text()
                                resident[name].append(int(next(l.split()[1] for l in status.splitlines() if l.startswith("VmRSS"))))
                finally:
                    sh(f"umount {place}/target || umount -l {place}/target")
                shutil.rmtree(place, ignore_errors=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)

    names = list(mounts)
    first = names[0]
    print(f"{options.layers} lower directories, {options.rounds} rounds, {'rootless' if in_userns else 'root'}, kernel {platform.release()}, "
          f"{os.cpu_count()} processors. Median seconds (smallest-largest), and times {first}.\n")
    print("| workload | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for workload in workloads:
        base_median = statistics.median(seconds[first][workload])
        cells = []
        for name in names:
            runs = seconds[name][workload]
            median = statistics.median(runs)
            cells.append(f"{median:.3f} ({min(runs):.3f}-{max(runs):.3f})" + ("" if name == first else f" x{median / base_median:.2f}"))
        print(f"| {workload} | " + " | ".join(cells) + " |")
    print("| geometric mean of the ratios | | " + " | ".join(
        f"x{statistics.geometric_mean([statistics.median(seconds[n][w]) / statistics.median(seconds[first][w]) for w in workloads]):.2f}" for n in names[1:]) + " |")
    print("| resident after the walk, MiB | | " + " | ".join(f"{statistics.median(resident[n]) / 1024:.1f}" if resident[n] else "-" for n in names[1:]) + " |")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"seconds": seconds, "resident_kib": resident}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
