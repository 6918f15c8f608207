#!/usr/bin/env python3
"""How long a command in an image takes to start and end, by us and by our peers, interleaved in one run.

usage: startup.py ROOTFS.tar[.gz] --bin DIRECTORIES [--also NAME=DIRECTORIES]... [--rounds N] [--python] [--cold]

Beside `podman run --rootfs`, podman on its own image over the kernel's overlay and over fuse-overlayfs, a bare runc bundle, bubblewrap and chroot on the same files unpacked, and other builds of ours (--also). What does not
work for who calls it is left out and said. Prints the median of the clock, its spread and its ratio to the bare runc bundle, and the median of the
processor time of all processes that were waited for, which other work on the machine disturbs less.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time


def bundle(directory: str, rootfs: str, argv: list[str]) -> None:
    subprocess.run(["runc", "spec"], cwd=directory, check=True)
    path = os.path.join(directory, "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    config["process"]["args"] = argv
    config["root"] = {"path": rootfs, "readonly": False}
    # Nobody without CAP_SYS_RESOURCE may raise one.
    config["process"].pop("rlimits", None)
    with open(path, "w") as file:
        json.dump(config, file)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rootfs")
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=DIRECTORIES", help="another build of ours, measured in the same rounds")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cold", action="store_true", help="as root: forget the machine's page cache before each")
    parser.add_argument("--python", action="store_true", help="python3 -c 'import json' instead of true")
    arguments = parser.parse_args()
    os.environ["PATH"] = arguments.bin + ":" + os.environ["PATH"]
    argv = ["python3", "-c", "import json"] if arguments.python else ["/bin/true"]
    work = tempfile.mkdtemp(prefix="acetate-startup-")
    tree = os.path.join(work, "tree")
    os.mkdir(tree)
    subprocess.run(["tar", "-C", tree, "--exclude=./dev/*", "-xf", arguments.rootfs], check=True)
    os.environ["ACETATE_ROOT"], os.environ["ACETATE_CACHE"] = os.path.join(work, "data"), os.path.join(work, "cache")
    has = lambda name: shutil.which(name) is not None

    ways: dict[str, list[str]] = {}
    environment: dict[str, dict[str, str]] = {}
    builds = {"": arguments.bin, **dict(each.split("=", 1) for each in arguments.also)}
    for build, directories in builds.items():
        for runtime in ("runc", "native"):
            name = f"acetate run ({', '.join(filter(None, [runtime, build]))})"
            ways[name] = ["acetate", "run", arguments.rootfs, *argv]
            # Builds may disagree about what is in a cache, and would take it from one another.
            environment[name] = {"ACETATE_RUNTIME": runtime, "ACETATE_ROOT": os.path.join(work, f"root {build} {runtime}"),
                                 "ACETATE_CACHE": os.path.join(work, f"cache {build}"),
                                 "PATH": directories + ":" + os.environ["PATH"]}
    ways["bare chroot"] = ["chroot", tree, *argv]
    if has("runc"):
        bundle(work, tree, argv)
        ways["bare runc bundle"] = ["runc", "run", "--bundle", work, "acetate-startup"]
    if has("bwrap"):
        ways["bubblewrap"] = ["bwrap", "--unshare-all", "--bind", tree, "/", "--proc", "/proc", "--dev", "/dev", *argv]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    if has("podman"):
        ways["podman run --rootfs"] = ["podman", "--cgroup-manager=cgroupfs", "run", "--rm", *limits, "--network", "host", "--rootfs", tree, *argv]

    stores = []
    for name, options in {"native overlay": [], "fuse-overlayfs": ["--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs"]}.items() if has("podman") else []:
        store = os.path.join(work, "p-" + name[0])  # podman takes no longer path for its runroot than 50 characters
        podman = ["podman", "--root", store, "--runroot", store + "r", "--storage-driver", "overlay", *options, "--cgroup-manager=cgroupfs"]
        stores.append((podman, store))
        made = subprocess.run([*podman, "import", "-q", arguments.rootfs, "localhost/startup"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode != 0:
            print(f"podman on {name} is left out: {made.stderr.strip()[-300:]}")
            continue
        ways[f"podman run, {name}"] = [*podman, "run", "--rm", *limits, "--network", "host", "localhost/startup", *argv]

    times: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for turn in range(arguments.rounds + 1):
            for name, command in list(ways.items()):
                if arguments.cold:
                    os.sync()
                    with open("/proc/sys/vm/drop_caches", "w") as file:
                        file.write("3")
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                began = time.monotonic()
                done = subprocess.run(command, env={**os.environ, **environment.get(name, {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
                took = time.monotonic() - began
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if done.returncode != 0:
                    print(f"{name} is left out: {done.stderr.strip()[-300:]}")
                    del ways[name], times[name]
                elif turn > 0:  # the first one indexes, and finds out which runtime works
                    times[name].append(took * 1000)
                    busy[name].append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
    finally:
        for podman, store in stores:
            # Without root its files belong to others.
            if os.getuid() != 0:
                subprocess.run([*podman, "unshare", "rm", "-rf", store], capture_output=True)
        shutil.rmtree(work, ignore_errors=True)
    bare = statistics.median(times.get("bare runc bundle") or next(iter(times.values())))
    print("| what | median ms | least | most | to the bare bundle | processor ms |\n|---|---|---|---|---|---|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| {name} | {median:.0f} | {min(values):.0f} | {max(values):.0f} | {median / bare:.2f} | {statistics.median(busy[name]):.0f} |")


if __name__ == "__main__":
    main()
