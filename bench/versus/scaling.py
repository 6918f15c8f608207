#!/usr/bin/env python3
"""What an operation costs as something grows: layers, files, entries of a directory, threads. Flat or logarithmic is what it should be.

usage: scaling.py [--ours PROGRAM] [--out DIR] [--only layers|files|entries|threads]...

As versus.py does: fresh mounts of which nothing is known while the disk's pages are in memory, kernel overlayfs beside ours, interleaved, rootless unless told
otherwise. Prints microseconds an operation, medians of the rounds; --out keeps them as JSON and as plots.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import mounts
import plot
import privilege
import run
import versus
import workloads


def fill(tool, folder, count):
    os.makedirs(folder, exist_ok=True)
    subprocess.run([tool, "fill", folder, str(count)], check=True)


def ask(tool, *words):
    """{what: microseconds an operation}"""
    return {what: seconds / max(count, 1) * 1e6 for what, seconds, count in workloads.answers(tool, *words)}


# Each lays out lower directories in the working directory and returns their names, top first.
def lay_layers(tool, layers):
    names = [f"l{i}" for i in range(layers)]
    with open("names.list", "w") as file:
        for i in range(20_000):
            folder = f"d{i // 200}"
            os.makedirs(f"{names[i % layers]}/{folder}", exist_ok=True)
            os.close(os.open(f"{names[i % layers]}/{folder}/f{i}", os.O_CREAT, 0o644))
            file.write(f"{folder}/f{i}\n")
    for name in names:
        os.makedirs(f"{name}/d0", exist_ok=True)
    return names


def lay_files(tool, files):
    names = [f"l{i}" for i in range(20)]
    for folder in range(max(files // 100, 1)):
        fill(tool, f"{names[folder % 20]}/d{folder // 100}/{folder % 100}", min(100, files))
    for name in names:
        os.makedirs(name, exist_ok=True)
    return names


def lay_entries(tool, entries):
    fill(tool, "l0/many", entries)
    return ["l0"]


def lay_threads(tool, threads):
    os.makedirs("l0", exist_ok=True)
    return ["l0"]


# Each works on a fresh mount.
def work_layers(tool, root, layers):
    return {"stat of a name, fresh": ask(tool, "present", root, "names.list")["stat"], "an absent name": ask(tool, "absent", f"{root}/d0", 5000)["absent"]}


def work_files(tool, root, files):
    return {"walk, an entry": ask(tool, "walk", root)["walk"]}


def work_entries(tool, root, entries):
    return {"listing, an entry": ask(tool, "list", f"{root}/many")["list"]}


def work_threads(tool, root, threads):
    os.mkdir(f"{root}/made")
    took = ask(tool, "create", f"{root}/made", 4000, threads)
    return {f"{what} of a new file": took[what] for what in ("create", "stat", "unlink")}


SCALES = {"layers": (lay_layers, work_layers, (1, 5, 20, 60, 200, 500)), "files": (lay_files, work_files, (1_000, 10_000, 100_000, 1_000_000)),
          "entries": (lay_entries, work_entries, (10, 100, 1_000, 10_000, 100_000, 1_000_000)), "threads": (lay_threads, work_threads, (1, 2, 4, 8))}


def measure(job):
    """{row: {mount: microseconds}} of one size; run in the namespace that mounts."""
    lay, work, _ = SCALES[job["scale"]]
    base = tempfile.mkdtemp(dir=job["base"])
    os.chdir(base)
    try:
        names = lay(job["tool"], job["size"])
        figures = {}
        for _ in range(job["rounds"]):
            for name, command in job["mounts"].items():
                mounted = mounts.Mounted(mounts.Mount(name, command), base, run.fresh_place(base), names)
                try:
                    for row, took in work(job["tool"], mounted.target, job["size"]).items():
                        figures.setdefault(row, {}).setdefault(name, []).append(took)
                finally:
                    mounted.close()
        return {row: {name: statistics.median(took) for name, took in own.items()} for row, own in figures.items()}
    finally:
        os.chdir("/")
        shutil.rmtree(base, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="fuse-overlay", metavar="PROGRAM")
    parser.add_argument("--workload-program", default=shutil.which("acetate-workload") or "acetate-workload", metavar="PROGRAM")
    parser.add_argument("--only", action="append", choices=SCALES, default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--largest", type=int, default=1_000_000, help="leave out sizes above")
    parser.add_argument("--root", action="store_true", help="as root, not in a user namespace")
    parser.add_argument("--out", metavar="DIR")
    parser.add_argument("--scratch", default="/var/tmp", metavar="DIR")
    options = parser.parse_args()
    rootless = not options.root
    base = tempfile.mkdtemp(prefix="acetate-scaling.", dir=options.scratch)
    os.chmod(base, 0o777)
    commands = {mount.name: mount.command for mount in mounts.defaults(os.path.abspath(shutil.which(options.ours) or options.ours), [], rootless)
                if mount.name in ("kernel overlayfs", "fuse-overlay")}
    about, kept = versus.machine(), {}
    print(f"{about['processors']} x {about['processor']}, Linux {about['kernel']}, commit {about['commit']}; {'rootless' if rootless else 'root'}, "
          f"microseconds an operation, medians of {options.rounds}\n")
    try:
        for scale in options.only or SCALES:
            sizes = [size for size in SCALES[scale][2] if size <= options.largest]
            rows = {}
            for size in sizes:
                print(f"scaling: {scale} {size}", file=sys.stderr)
                for row, figures in privilege.run("scaling", "measure", {"scale": scale, "size": size, "base": base, "rounds": options.rounds, "mounts": commands,
                                                                         "tool": os.path.abspath(options.workload_program)}, rootless).items():
                    for name, took in figures.items():
                        rows.setdefault(row, {}).setdefault(name, {})[size] = took
            print(f"| {scale} | " + " | ".join(f"{size:,}" for size in sizes) + " |\n" + "|---" * (len(sizes) + 1) + "|")
            for row, figures in rows.items():
                for name, by_size in figures.items():
                    print(f"| {row}: {name} | " + " | ".join(f"{by_size[size]:.3g}" for size in sizes) + " |")
            print(flush=True)
            kept[scale] = rows
            if options.out:
                os.makedirs(options.out, exist_ok=True)
                plot.lines({f"{row}: {name}": list(by_size.items()) for row, figures in rows.items() for name, by_size in figures.items()},
                           f"microseconds an operation over {scale}, {about['commit']}", f"{options.out}/scaling-{scale}.svg")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if options.out:
        with open(f"{options.out}/scaling.json", "w") as file:
            json.dump({"machine": about, "microseconds": kept}, file, indent=1)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
