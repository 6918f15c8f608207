#!/usr/bin/env python3
"""Runs the inner loops of a build and says which got slower than a baseline.

usage: compare.py BUILD-DIRECTORY [--baseline FILE] [--record]

A figure is processor time, which other work on the machine disturbs least, and of several repetitions the smallest. A baseline is
of one machine and stays in the build directory: --record it on the commit to compare with.
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def figures(build, repetitions, only):
    """{benchmark: nanoseconds of processor time}"""
    found = {}
    programs = sorted(pathlib.Path(build, "bench").glob("*_bench"))
    if not programs:
        sys.exit(f"compare: no benches in {build}/bench; ninja -C {build}")
    for program in programs:
        done = subprocess.run([program, f"--benchmark_repetitions={repetitions}", "--benchmark_min_time=0.05", "--benchmark_format=json",
                               f"--benchmark_filter={only}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
        for one in json.loads(done.stdout)["benchmarks"] if done.stdout.strip() else []:
            if one["run_type"] != "iteration" or one.get("error_occurred"):
                continue
            name = f"{program.name}: {one['run_name']}"
            found[name] = min(found.get(name, float("inf")), one["cpu_time"] * NANOSECONDS[one["time_unit"]])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--baseline", help="default: bench-baseline.json in the build directory")
    parser.add_argument("--record", action="store_true", help="write the baseline instead of comparing with it")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--slower", type=float, default=1.25, metavar="RATIO", help="what counts as slower")
    parser.add_argument("--only", default=".", metavar="REGEX")
    options = parser.parse_args()
    options.baseline = options.baseline or os.path.join(options.build, "bench-baseline.json")
    if not options.record and not os.path.exists(options.baseline):
        sys.exit(f"compare: there is no {options.baseline}; --record one on the commit to compare with")
    now = figures(options.build, options.repetitions, options.only)
    if options.record:
        about = {"kernel": platform.release(), "processors": os.cpu_count(), "machine": platform.machine()}
        pathlib.Path(options.baseline).write_text(json.dumps({"about": about, "nanoseconds": {name: round(ns, 1) for name, ns in sorted(now.items())}}, indent=1) + "\n")
        print(f"{len(now)} figures are in {options.baseline}")
        return 0
    before = json.loads(pathlib.Path(options.baseline).read_text())["nanoseconds"]
    slower = 0
    for name, ns in sorted(now.items()):
        if name not in before:
            print(f"  new     {ns:14.1f} ns  {name}")
            continue
        ratio = ns / before[name]
        word = "SLOWER" if ratio > options.slower else "faster" if ratio < 1 / options.slower else ""
        slower += word == "SLOWER"
        print(f"  {word:6} {before[name]:14.1f} -> {ns:14.1f} ns  x{ratio:.2f}  {name}")
    print(f"{slower} of {len(now)} are slower by more than {options.slower}")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
