#!/usr/bin/env python3
"""How long Dockerfiles of the kinds people write take to build, by us and by others, in turns within one run.

usage: real.py ROOTFS.tar[.gz] --bin DIRECTORIES [--rounds N] [--only NAME,...] [--tools NAME,...] [--as USER] [--debs DIRECTORY] [--also NAME=DIRECTORIES]

As whoever calls it, root or not; `--as USER` runs everything but docker as that user, so that rootless builders can be compared with BuildKit as root. ROOTFS holds
python3, git, gcc and a C library (tests/e2e/lib.sh makes one). Four questions of every project (projects.py): nothing is cached; everything is; one file of the context has
changed; the base image was made anew with a file that nobody looks at. Medians in seconds, with the least and most. A round asks the first three of all projects, then makes the base
anew and asks the fourth of all.

Tools: acetate; acetate-traced (--trace-cache=on: believes that what a step got over the network is the same); acetate-untraced (off); acetate-kernel
(--upper=kernel); acetate-own (--upper=own); buildah and podman on the kernel's overlay; buildah-fuse and podman-fuse on fuse-overlayfs; docker (BuildKit; DOCKER names the client). What does
not work for who calls it is left out and said; so is the project nginx without `--debs`, a directory of nginx and what it needs as .deb, and node where there is no npm. `--also` is
another build of ours, by the name NAME.
"""
import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time

import builders
import projects

QUESTIONS = ("no cache", "all cached", "one file", "base anew")


def make_bases(rootfs: str, work: str, count: int) -> list[str]:
    """The same files, each time with another one that nobody looks at: docker-archives, which every tool takes."""
    env = dict(os.environ, ACETATE_ROOT=work + "/bases/data", ACETATE_CACHE=work + "/bases/cache")
    ctx = work + "/bases/ctx"
    os.makedirs(ctx)
    shutil.copy(rootfs, ctx + "/" + os.path.basename(rootfs))
    archives = []
    for number in range(count):
        # As Debian's own images have it: services are not started by an installation.
        projects.write(ctx + "/Dockerfile", f"FROM scratch\nADD {os.path.basename(rootfs)} /\nCOPY --chmod=755 <<E /usr/sbin/policy-rc.d\n#!/bin/sh\nexit 101\nE\n"
                                            f"COPY <<E /etc/refreshed\n{number}\nE\nENV LC_ALL=C.UTF-8\n")
        archives.append(f"{work}/bases/base{number}.tar")
        # By way of the store, which keeps what is compressed.
        builders.run(["acetate", "build", "-q", "-t", projects.BASE, ctx], env)
        builders.run(["acetate", "save", "-q", "-o", archives[-1], projects.BASE], env)
    return archives


def make_node_bases(bases: list[str], work: str) -> list[str]:
    """Each of them with this machine's node and npm. What is missing is in a RuntimeError."""
    env = dict(os.environ, ACETATE_ROOT=work + "/bases/data", ACETATE_CACHE=work + "/bases/cache")
    ctx = projects.node_base(work + "/node")
    archives = []
    for number, base in enumerate(bases):
        archives.append(f"{work}/bases/node{number}.tar")
        builders.run(["acetate", "load", "-q", "-i", base, "-t", projects.BASE], env)
        builders.run(["acetate", "build", "-q", "-t", projects.NODE, ctx], env)
        builders.run(["acetate", "save", "-q", "-o", archives[-1], projects.NODE], env)
    return archives


class Measured:
    """One project by all tools: its context, the file that people edit, and how long everything took."""

    def __init__(self, name: str, fill, tools: list, work: str):
        self.name, self.tools = name, tools
        self.ctx = f"{work}/ctx-{name}"
        self.changed = fill(self.ctx)
        self.took: dict = {(tool.name, question): [] for tool in tools for question in QUESTIONS}
        self.failed: set = set()

    def each(self, question: str, no_cache: bool = False) -> None:
        for tool in random.sample(self.tools, len(self.tools)):
            if tool.name in self.failed:
                continue
            began = time.monotonic()
            try:
                tool.build(self.ctx, no_cache)
            except RuntimeError as error:
                print(f"{self.name}: {tool.name} is left out: {error}", flush=True)
                self.failed.add(tool.name)
                continue
            if question:
                self.took[tool.name, question].append(time.monotonic() - began)

    def edit(self) -> None:
        with open(f"{self.ctx}/{self.changed}", "a") as file:
            file.write(f"/* {random.random()} */\n" if self.changed.endswith((".c", ".js")) else f"# {random.random()}\n")

    def row(self, tool: str) -> str:
        cells = []
        for question in QUESTIONS:
            times = self.took[tool, question]
            cells.append(f"{statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f})" if times else "-")
        return f"| {self.name}, {tool} | " + " | ".join(cells) + " |"


def measure(measured: list[Measured], tools: list, bases: list[list[tuple[str, str]]], rounds: int) -> None:
    def take(images: list[tuple[str, str]]) -> None:
        for tool in tools:
            for archive, name in images:
                tool.base(archive, name)

    take(bases[0])
    for project in measured:
        project.each("")  # whatever a first build costs
    for turn in range(rounds):
        for project in measured:
            project.each("no cache", no_cache=True)
            project.each("all cached")
            project.edit()
            project.each("one file")
        take(bases[turn + 1])
        for project in measured:
            project.each("base anew")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rootfs")
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join([*projects.PROJECTS, "node", "nginx"]))
    parser.add_argument("--tools", default="acetate,acetate-traced,acetate-untraced,buildah,buildah-fuse,podman,podman-fuse,docker")
    parser.add_argument("--as", dest="person", default="", help="a user for everything but docker")
    parser.add_argument("--debs", default="", help="a directory of packages, for the project nginx")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=DIRECTORIES", help="another acetate, colon-separated as --bin")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([*(os.path.realpath(p) for p in arguments.bin.split(":") if p), os.environ["PATH"]])
    work = tempfile.mkdtemp(prefix="acetate-real-")
    os.chmod(work, 0o755)
    os.umask(0o022)
    known = dict(projects.PROJECTS, node=projects.node, nginx=lambda ctx: projects.nginx(ctx, arguments.debs))
    names = arguments.only.split(",")
    if "nginx" in names and not arguments.debs:
        print("nginx is left out: --debs names no packages")
        names.remove("nginx")
    tools: list = []
    try:
        archives = make_bases(os.path.abspath(arguments.rootfs), work, arguments.rounds + 1)
        bases = [[(archive, projects.BASE)] for archive in archives]
        if "node" in names:
            try:
                for images, archive in zip(bases, make_node_bases(archives, work)):
                    images.append((archive, projects.NODE))
            except RuntimeError as error:
                print(f"node is left out: {error}")
                names.remove("node")
        for name in arguments.tools.split(","):
            try:
                tools.append(builders.make(name, work, builders.Person(arguments.person)))
            except RuntimeError as error:
                print(f"{name} is left out: {error}")
        for name, _, programs in (also.partition("=") for also in arguments.also):
            tools.append(builders.Acetate(name, work, [], builders.Person(arguments.person), [os.path.realpath(p) for p in programs.split(":")]))
        measured = [Measured(name, known[name], tools, work) for name in names]
        try:
            measure(measured, tools, bases, arguments.rounds)
        finally:
            print("| | " + " | ".join(QUESTIONS) + " |\n|---|" + "---|" * len(QUESTIONS))
            for project in measured:
                for tool in tools:
                    print(project.row(tool.name), flush=True)
    finally:
        for tool in tools:
            tool.end()
        shutil.rmtree(work, ignore_errors=True)
        if os.path.exists(work):
            subprocess.run(["rm", "-rf", "--one-file-system", work], check=False)


if __name__ == "__main__":
    main()
