#!/usr/bin/env python3
"""How long does the first sight of a layer take, and how much memory?

`acetate index` of a .tar.gz (hashed, decoded, checked, indexed) against reading it once with `tar tzf`, against `gztool -i` (which
indexes the gzip and knows nothing of the tar), and against unpacking it with umoci and podman; those that are installed.

usage: first_index.py LAYER.tar.gz
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

from measure import Scratch, compare, machine, parser, table


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("layer")
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch:
        layer, where = os.path.abspath(options.layer), scratch.path
        peaks: dict[str, int] = {}
        spent: dict[str, list[float]] = {}

        def measured(name: str, *command: object) -> float:
            began = time.monotonic()
            child = subprocess.Popen([str(word) for word in command], env=scratch.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)  # tells of just this child and of those it waited for
            taken = time.monotonic() - began
            if status != 0:
                sys.exit(f"{name} failed")
            peaks[name] = max(peaks.get(name, 0), usage.ru_maxrss)
            spent.setdefault(name, []).append(usage.ru_utime + usage.ru_stime)
            return taken

        def ours() -> float:
            scratch.forget()
            return measured("acetate index", scratch.acetate, "index", layer)

        contestants = {"tar tzf": lambda: measured("tar tzf", "tar", "tzf", layer), "acetate index": ours}
        if shutil.which("gztool"):
            def gztool() -> float:
                (where / "index.gzi").unlink(missing_ok=True)
                return measured("gztool -i", "gztool", "-v0", "-I", where / "index.gzi", "-i", layer)
            contestants["gztool -i"] = gztool
        if shutil.which("umoci") and shutil.which("skopeo"):
            subprocess.run(["umoci", "init", "--layout", where / "oci"], check=True)
            subprocess.run(["umoci", "new", "--image", f"{where}/oci:x"], check=True)
            # raw add-layer takes an uncompressed tar and packs it anew: about the same gzip.
            tar = where / "layer.tar"
            with open(tar, "wb") as out:
                subprocess.run(["gzip", "-dc", layer], check=True, stdout=out)
            subprocess.run(["umoci", "raw", "add-layer", "--image", f"{where}/oci:x", tar], check=True)
            tar.unlink()

            def umoci() -> float:
                shutil.rmtree(where / "bundle", ignore_errors=True)
                rootless = [] if os.geteuid() == 0 else ["--rootless"]
                return measured("umoci unpack", "umoci", "unpack", *rootless, "--image", f"{where}/oci:x", where / "bundle")
            contestants["umoci unpack"] = umoci
            if shutil.which("podman"):
                archive = where / "image.tar"
                scratch.run("skopeo", "copy", f"oci:{where}/oci:x", f"oci-archive:{archive}:x")
                store = ["podman", "--root", where / "store", "--runroot", where / "run", "--storage-driver", "overlay"]

                def podman() -> float:
                    scratch.run(*store, "rmi", "-af", stderr=subprocess.DEVNULL)
                    return measured("podman load", *store, "load", "-i", archive)
                contestants["podman load"] = podman
        taken = compare(contestants, options.rounds)
        shown = subprocess.run([scratch.acetate, "index", "--json", layer], env=scratch.env, capture_output=True, check=True)
        facts = json.loads(shown.stdout)[0]
        plain = facts["UncompressedSize"]
        table(f"First sight of {plain / 1e6:.0f} MB in {facts['Entries']} entries, {facts['Size'] / 1e6:.0f} MB packed", taken)
        print("\n| | MB/s of plain bytes | processor, s | resident, MiB |\n|---|---|---|---|")
        for name, values in taken.items():
            print(f"| {name} | {plain / 1e6 / statistics.median(values):.0f} | {statistics.median(spent[name]):.2f} | {peaks[name] / 1024:.0f} |")
        print(f"\nIndex: {facts['IndexSize']} bytes = "
              f"{100 * facts['IndexSize'] / plain:.2f} % of the plain bytes ({100 * facts['WindowsSize'] / plain:.2f} % windows, "
              f"{100 * facts['StringsSize'] / plain:.2f} % names), {facts['Spans']} spans.")


if __name__ == "__main__":
    main()
