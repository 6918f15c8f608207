#!/usr/bin/env python3
"""What it costs to write in a container, by who keeps what is written: our daemon, or the kernel's overlay above our layers.

usage: upper.py ROOTFS.tar[.gz] --bin DIRECTORIES [--rounds N] [--only WORD]... [--unpacked]

Each workload is a shell command in the image, in a container of its own, timed inside it, the two kinds in turn; as root with --unpacked also, once, in a
chroot of the files unpacked. The image needs sh, tar, find, cp, python3. Prints medians of the clock, the spread, and the ratio to our daemon.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile

# Each prints nothing and leaves what it likes.
WORKLOADS = {
    "create and remove 5,000 files": "python3 - <<'E'\nimport os\nos.mkdir('/new')\nfor i in range(5000):\n  with open(f'/new/{i}','wb') as f: f.write(b'x'*4096)\nfor i in range(5000): os.unlink(f'/new/{i}')\nE",
    "cp -a of /usr/include": "cp -a /usr/include /copy",
    "rm -rf of /usr/share": "rm -rf /usr/share",
    "chmod of 2,000 files below": "find /usr/lib -type f | head -n 2000 | xargs chmod u+w,g+w",
    "append to 500 files below": "find /usr/lib -name '*.py' | head -n 500 | while read -r f; do echo >>\"$f\"; done",
    "write 256 MiB": "dd if=/dev/zero of=/big bs=1M count=256 2>/dev/null",
    "find -ls of everything": "find / -xdev -ls >/dev/null",
    "read /usr/lib/python3*": "cat /usr/lib/python3*/*.py >/dev/null",
}
# The command again, so that the start is not in it.
TIMED = "t0=$(date +%s%N); (\n{}\n) || exit 1; t1=$(date +%s%N); echo $((t1 - t0))"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rootfs")
    parser.add_argument("--bin", required=True, help="where acetate and fuse-overlay are, colon-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", default=[], help="workloads whose name has this word in it")
    parser.add_argument("--unpacked", action="store_true", help="as root: a chroot beside them, unpacked anew for each workload")
    arguments = parser.parse_args()
    os.environ["PATH"] = arguments.bin + ":" + os.environ["PATH"]
    work = tempfile.mkdtemp(prefix="acetate-upper-")
    os.environ["ACETATE_ROOT"], os.environ["ACETATE_CACHE"] = os.path.join(work, "data"), os.path.join(work, "cache")
    tree = os.path.join(work, "tree")

    def unpacked() -> None:
        shutil.rmtree(tree, ignore_errors=True)
        os.mkdir(tree)
        subprocess.run(["tar", "-C", tree, "-xf", arguments.rootfs], check=True)

    try:
        print("| | our daemon, ms | the kernel's overlay, ms | ratio |" + (" unpacked, chroot, ms |" if arguments.unpacked else "") + "\n|---|---|---|---|" + ("---|" if arguments.unpacked else ""))
        for name, command in WORKLOADS.items():
            if arguments.only and not any(word in name for word in arguments.only):
                continue
            timed = TIMED.format(command)
            taken: dict[str, list[float]] = {"own": [], "kernel": [], "chroot": []}
            for _ in range(arguments.rounds):
                for kind in ("own", "kernel"):
                    done = subprocess.run(["acetate", "run", f"--upper={kind}", arguments.rootfs, "sh", "-c", timed], capture_output=True, text=True, check=True)
                    taken[kind].append(int(done.stdout) / 1e6)
            if arguments.unpacked:
                unpacked()
                done = subprocess.run(["chroot", tree, "sh", "-c", timed], capture_output=True, text=True, check=True)
                taken["chroot"].append(int(done.stdout) / 1e6)
            own, kernel = statistics.median(taken["own"]), statistics.median(taken["kernel"])
            spread = lambda kind: f"{statistics.median(taken[kind]):.0f} ({min(taken[kind]):.0f}-{max(taken[kind]):.0f})"
            print(f"| {name} | {spread('own')} | {spread('kernel')} | {kernel / own:.2f} |" + (f" {taken['chroot'][0]:.0f} |" if arguments.unpacked else ""), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
