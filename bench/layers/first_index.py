#!/usr/bin/env python3
"""How long does the first sight of a layer take, and how much memory?

`acetate index` of a .tar.gz (hashed, decoded, checked, indexed) against reading it once with `tar tzf`, against `gztool -i` (which
indexes the gzip and knows nothing of the tar), and against unpacking it with umoci and podman; those that are installed.

usage: first_index.py LAYER.tar.gz
"""
import json
import os
import shutil
import subprocess

from measure import Scratch, compare, machine, parser, seconds, table


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("layer")
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch:
        layer, where = os.path.abspath(options.layer), scratch.path
        peak: list[int] = []

        def ours() -> float:
            scratch.forget()
            # wait4 tells the peak of just this child.
            def run() -> None:
                child = subprocess.Popen([scratch.acetate, "index", layer], env=scratch.env, stdout=subprocess.DEVNULL)
                _, status, usage = os.wait4(child.pid, 0)
                assert status == 0
                peak.append(usage.ru_maxrss)
            return seconds(run)

        contestants = {
            "tar tzf": lambda: seconds(lambda: scratch.run("tar", "tzf", layer)),
            "acetate index": ours,
        }
        if shutil.which("gztool"):
            def gztool() -> float:
                (where / "index.gzi").unlink(missing_ok=True)
                return seconds(lambda: scratch.run("gztool", "-v0", "-I", where / "index.gzi", "-i", layer, stderr=subprocess.DEVNULL))
            contestants["gztool -i"] = gztool
        if shutil.which("umoci") and shutil.which("skopeo"):
            rootfs = where / "one"
            rootfs.mkdir()
            subprocess.run(["umoci", "init", "--layout", where / "oci"], check=True)
            subprocess.run(["umoci", "new", "--image", f"{where}/oci:x"], check=True)
            # raw add-layer takes an uncompressed tar and packs it anew: about the same gzip.
            tar = where / "layer.tar"
            with open(tar, "wb") as out:
                subprocess.run(["gzip", "-dc", layer], check=True, stdout=out)
            subprocess.run(["umoci", "raw", "add-layer", "--image", f"{where}/oci:x", tar], check=True)

            def umoci() -> float:
                shutil.rmtree(where / "bundle", ignore_errors=True)
                rootless = [] if os.geteuid() == 0 else ["--rootless"]
                return seconds(lambda: scratch.run("umoci", "unpack", *rootless, "--image", f"{where}/oci:x", where / "bundle",
                                                   stderr=subprocess.DEVNULL))
            contestants["umoci unpack"] = umoci
            if shutil.which("podman"):
                archive = where / "image.tar"
                scratch.run("skopeo", "copy", f"oci:{where}/oci:x", f"oci-archive:{archive}:x")
                store = ["podman", "--root", where / "store", "--runroot", where / "run", "--storage-driver", "overlay"]

                def podman() -> float:
                    scratch.run(*store, "rmi", "-af", stderr=subprocess.DEVNULL)
                    return seconds(lambda: scratch.run(*store, "load", "-i", archive, stderr=subprocess.DEVNULL))
                contestants["podman load"] = podman
        taken = compare(contestants, options.rounds)
        shown = subprocess.run([scratch.acetate, "index", "--json", layer], env=scratch.env, capture_output=True, check=True)
        facts = json.loads(shown.stdout)[0]
        plain = facts["UncompressedSize"]
        table(f"First sight of {plain / 1e6:.0f} MB in {facts['Entries']} entries, {facts['Size'] / 1e6:.0f} MB packed", taken)
        print("\n| | MB/s of plain bytes |\n|---|---|")
        for name, values in taken.items():
            print(f"| {name} | {plain / 1e6 / sorted(values)[len(values) // 2]:.0f} |")
        print(f"\nPeak memory of acetate: {max(peak) / 1024:.0f} MiB. Index: {facts['IndexSize']} bytes = "
              f"{100 * facts['IndexSize'] / plain:.2f} % of the plain bytes ({100 * facts['WindowsSize'] / plain:.2f} % windows, "
              f"{100 * facts['StringsSize'] / plain:.2f} % names), {facts['Spans']} spans.")


if __name__ == "__main__":
    main()
