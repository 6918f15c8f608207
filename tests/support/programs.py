#!/usr/bin/env python3
"""The build targets that the tests of some suites run, a line each.

usage: programs.py BUILD-DIR SUITE..."""
import json
import pathlib
import subprocess
import sys


def introspect(build: str, what: str) -> list[dict]:
    return json.loads(subprocess.run(["meson", "introspect", build, what], check=True, capture_output=True, text=True).stdout)


def main() -> int:
    build, *suites = sys.argv[1:]
    top = pathlib.Path(build).resolve()
    files = {target["id"]: target["filename"] for target in introspect(build, "--targets")}
    wanted: set[str] = set()
    for test in introspect(build, "--tests"):
        if {suite.split(":")[-1] for suite in test["suite"]}.isdisjoint(suites):
            continue
        wanted |= {test["cmd"][0], *(file for target in test["depends"] for file in files[target])}
    print(*sorted(str(pathlib.Path(file).relative_to(top)) for file in wanted if pathlib.Path(file).is_relative_to(top)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
