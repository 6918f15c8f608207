"""What the scripts of this folder share: rounds in which all contestants take turns, medians, ratios, Markdown.

A machine whose speed drifts treats all alike when each round asks everybody once; so read ratios, not seconds.
"""
import argparse
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parser(what: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=what)
    made.add_argument("--build", default=ROOT / "build", type=pathlib.Path, help="the build directory")
    made.add_argument("--rounds", default=5, type=int)
    made.add_argument("--scratch", default="/var/tmp", help="where trees and caches are made, and removed")
    return made


class Scratch:
    """A directory for one run, with a cache of its own for acetate."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="acetate-bench.", dir=options.scratch))
        self.acetate = str(options.build / "cli/acetate")
        self.daemon = str(options.build / "fs/fuse/fuse-overlay")
        self.env = {**os.environ, "ACETATE_CACHE": str(self.path / "cache"), "ACETATE_FUSE_OVERLAY": self.daemon}
        self.mounts: list[str] = []

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.path, ignore_errors=True)

    def run(self, *command: object, **more: object) -> None:
        subprocess.run([str(word) for word in command], check=True, env=self.env, stdout=subprocess.DEVNULL, **more)

    def forget(self) -> None:
        """The indexes and decoded bytes."""
        shutil.rmtree(self.path / "cache", ignore_errors=True)

    def mount(self, lowers: list[str], at: pathlib.Path) -> None:
        at.mkdir(exist_ok=True)
        self.run(self.daemon, "-o", "lowerdir=" + ":".join(lowers), at)
        self.mounts.append(str(at))

    def unmount(self, at: pathlib.Path) -> None:
        self.run("umount", at)
        self.mounts.remove(str(at))


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def drop_caches() -> bool:
    """Page, dentry and inode caches of the machine; False where we may not."""
    try:
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        return True
    except OSError:
        return False


def compare(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, action in contestants.items():
            taken[name].append(action())
    return taken


def table(title: str, taken: dict[str, list[float]], unit: str = "s", scale: float = 1.0) -> None:
    first = statistics.median(next(iter(taken.values())))
    print(f"\n{title}\n\n| | median {unit} | range | ratio |\n|---|---|---|---|")
    for name, values in taken.items():
        middle = statistics.median(values)
        low, high = min(values) * scale, max(values) * scale
        print(f"| {name} | {middle * scale:.3g} | {low:.3g}–{high:.3g} | {middle / first:.2f} |")


def machine() -> None:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    load = os.getloadavg()[0]
    print(f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, load {load:.1f} at the beginning")
