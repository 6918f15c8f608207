#!/usr/bin/env python3
"""Measures overlay file systems side by side: the same work on the same layers, interleaved in one run.

A tree (a root filesystem tarball) is spread over N lower directories. In each round every mount under test gets them with a
fresh upper, so that a machine whose speed drifts treats all alike. As root both tables are made, root's and, in a user
namespace, the rootless one; as another user the rootless one. Tables are Markdown on standard output; --out also keeps every
figure as JSON, the machine with it, and plots.

Example: versus.py rootfs.tar.gz --layers 1,5,20,60 --out results
Example: versus.py rootfs.tar.gz --quick --mount 'mine=mine -o lowerdir={lowers},upperdir={upper},workdir={work} {target}'
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import counts
import mounts
import plot
import privilege
import report
import workloads


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", help="a root filesystem tarball (.tar, .tar.gz) with python3, gcc and make in it")
    parser.add_argument("--ours", default="fuse-overlay", metavar="PROGRAM", help="the fuse-overlay to measure")
    parser.add_argument("--workload-program", default=shutil.which("acetate-workload") or "acetate-workload", metavar="PROGRAM")
    parser.add_argument("--peer", action="append", default=[], metavar="PROGRAM", help="a fuse-overlayfs; else the one in PATH")
    parser.add_argument("--floor", metavar="PROGRAM", help="libfuse's passthrough_ll: what the least that FUSE can cost is measured with")
    parser.add_argument("--mount", action="append", default=[], metavar="NAME=COMMAND",
                        help="one more: a command with {lowers} {upper} {work} {target} {tars} {plain}")
    parser.add_argument("--only-mounts", metavar="NAME;...", help="of those found, the first being what ratios are taken to")
    parser.add_argument("--layers", default="20", metavar="N,...")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--privilege", default="root,rootless", help="root, rootless, or both (as root)")
    parser.add_argument("--quick", action="store_true", help="a part of the work, for a first look")
    parser.add_argument("--only", metavar="WORKLOAD,...", help="of: " + "; ".join(one.name for one in workloads.TABLE))
    parser.add_argument("--entries", type=int, default=100_000, help="of the directory with many")
    parser.add_argument("--large-mib", type=int, default=1024, help="of the large file that is copied up; 0 for none")
    parser.add_argument("--count", action="store_true", help="count requests and system calls an operation instead of seconds")
    parser.add_argument("--out", metavar="DIR", help="where results.json and the plots go")
    parser.add_argument("--scratch", default="/var/tmp", metavar="DIR", help="where the trees are laid out: a disk with room for a few")
    return parser.parse_args()


def machine():
    commit = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    return {"processor": model, "processors": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(), "commit": commit,
            "load_at_start": os.getloadavg()[0]}


def chosen(options, rootless):
    found = mounts.defaults(options.ours, options.peer, rootless, options.floor)
    found += [mounts.Mount(*extra.split("=", 1)) for extra in options.mount]
    if options.only_mounts:
        by_name = {mount.name: mount for mount in found}
        unknown = [name for name in options.only_mounts.split(";") if name not in by_name]
        if unknown:
            sys.exit(f"versus: no mount is called '{unknown[0]}'; there are: {'; '.join(by_name)}")
        found = [by_name[name] for name in options.only_mounts.split(";")]
    return found


def measured(options, layers, base, halves):
    """A result a privilege."""
    names = [one.name for one in workloads.TABLE if (one.name in options.only.split(",") if options.only else one.quick or not options.quick)]
    results = []
    for rootless in halves:
        candidates = chosen(options, rootless)
        place = f"{base}/{'rootless' if rootless else 'root'}"
        job = {"base": place, "tree": os.path.abspath(options.tree), "layers": layers, "entries": options.entries if "many" in names else 100,
               "large_mib": options.large_mib if "copy-up large" in names else 0,
               "plain": any(mount.copies for mount in candidates), "pack": any(mount.packed for mount in candidates)}
        print(f"versus: laying out {layers} layers, {'rootless' if rootless else 'root'}", file=sys.stderr)
        layer_names = privilege.run("run", "prepare", job, rootless)
        results.append({"layers": layers, "rootless": rootless, "rounds": options.rounds, "mounts": [mount.name for mount in candidates],
                        "commands": {mount.name: mount.command for mount in candidates}, "versions": {mount.name: mount.version for mount in candidates},
                        "seconds": {mount.name: {} for mount in candidates}, "memory": {mount.name: [] for mount in candidates},
                        "base": place, "layer_names": layer_names})
    try:
        rounds(options, results, names)
    except KeyboardInterrupt:
        print("versus: ended early; what was finished is reported", file=sys.stderr)
        options.ended = True
    for result in results:
        result["rounds"] = max((len(runs) for rows in result["seconds"].values() for runs in rows.values()), default=0)
        privilege.run("run", "remove", {"base": result.pop("base")}, False if os.geteuid() == 0 else result["rootless"])
        result.pop("layer_names")
    return results


def rounds(options, results, names):
    for round_number in range(options.rounds):
        for result in results:
            for name, command in result["commands"].items():
                print(f"versus: {time.strftime('%H:%M:%S')} round {round_number + 1}, {'rootless' if result['rootless'] else 'root'}, {name}", file=sys.stderr)
                try:
                    done = privilege.run("run", "one", {"base": result["base"], "mount": name, "command": command, "layers": result["layer_names"],
                                                        "tool": options.workload_program, "workloads": names}, result["rootless"])
                except subprocess.CalledProcessError as error:  # one that cannot mount here is no reason to give up the others
                    print(f"versus: {name} has no figures in this round: {error}", file=sys.stderr)
                    continue
                for row, spent in done["seconds"].items():
                    result["seconds"][name].setdefault(row, []).append(spent)
                result["memory"][name].append(done["memory"])
                for workload, why in done["failed"].items():
                    print(f"versus: {name}: {workload} failed: {why}", file=sys.stderr)


def main():
    options = arguments()
    options.ours = os.path.abspath(options.ours) if os.path.exists(options.ours) else options.ours
    options.workload_program = os.path.abspath(options.workload_program) if os.path.exists(options.workload_program) else options.workload_program
    for program in (options.ours, options.workload_program):
        if not shutil.which(program):
            sys.exit(f"versus: there is no program {program}")
    if not os.path.isfile(options.tree):
        sys.exit(f"versus: {options.tree} is no file; mmdebstrap makes a root filesystem tarball (bench/README.md)")
    halves = [half == "rootless" for half in options.privilege.split(",") if half == "rootless" or os.geteuid() == 0]
    base = tempfile.mkdtemp(prefix="acetate-versus.", dir=options.scratch)
    os.chmod(base, 0o777)
    results, about = [], machine()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options.ended = False
    try:
        if options.count:
            for rootless in halves:
                print(counts.table(options, base, chosen(options, rootless), rootless) + "\n")
            return 0
        for layers in map(int, options.layers.split(",")):
            results += [] if options.ended else measured(options, layers, base, halves)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{about['processors']} x {about['processor']}, {about['memory_mib']} MiB, Linux {about['kernel']}, commit {about['commit']}\n")
    for result in results:
        print(report.markdown(result) + "\n")
    if options.out:
        keep(options.out, about, results)
    return 0


def keep(out, about, results):
    os.makedirs(out, exist_ok=True)
    pathlib.Path(f"{out}/results.json").write_text(json.dumps({"machine": about, "results": results}, indent=1) + "\n")
    for result in results:
        half = "rootless" if result["rootless"] else "root"
        plot.ratios(result, f"{result['layers']} layers, {half}: times {result['mounts'][0]}, Linux {about['kernel']}, {about['commit']}",
                    f"{out}/ratios-{result['layers']}-{half}.svg")
    for half in {result["rootless"] for result in results}:
        own = [result for result in results if result["rootless"] == half]
        if len(own) > 1:
            for row, name in (("walk, fresh mount", "walk"), ("stat of every name, fresh mount", "stat"), ("mount", "mount")):
                plot.over_layers(own, row, f"{out}/layers-{name}-{'rootless' if half else 'root'}.svg")


if __name__ == "__main__":
    sys.exit(main())
