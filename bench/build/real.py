#!/usr/bin/env python3
"""How long Dockerfiles of the kinds people write take to build, by us and by others, in turns within one run.

usage: real.py ROOTFS.tar[.gz] --bin DIRECTORIES [--rounds N] [--only NAME,...] [--tools NAME,...] [--as USER] [--debs DIRECTORY] [--also NAME=DIRECTORIES]

As whoever calls it, root or not; `--as USER` runs everything but docker as that user, so that rootless builders can be compared with BuildKit as root. ROOTFS holds
python3, git, gcc and a C library (tests/e2e/lib.sh makes one). Four questions: nothing is cached; everything is; one file of the context has changed; the base
image was made anew with a file that nobody looks at. Medians in seconds, with the least and most.

Tools: acetate; acetate-traced (--trace-cache=on: believes that what a step got over the network is the same); acetate-untraced (off); acetate-kernel
(--upper=kernel); acetate-own (--upper=own); buildah and podman on the kernel's overlay; buildah-fuse and podman-fuse on fuse-overlayfs; docker (BuildKit; DOCKER names the client). What does
not work for who calls it is left out and said. `--also` is another build of ours, by the name NAME. DIRECTORY holds nginx and what it needs as .deb, for the project nginx.
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


def measure(tools: list, project, bases: list[str], rounds: int, work: str) -> dict:
    took: dict = {(tool.name, question): [] for tool in tools for question in QUESTIONS}
    failed = set()
    ctx = f"{work}/ctx"
    shutil.rmtree(ctx, ignore_errors=True)
    changed = project(ctx)

    def each(question: str, no_cache: bool = False) -> None:
        for tool in random.sample(tools, len(tools)):
            if tool.name in failed:
                continue
            began = time.monotonic()
            try:
                tool.build(ctx, no_cache)
            except RuntimeError as error:
                print(f"{tool.name} is left out: {error}")
                failed.add(tool.name)
                continue
            if question:
                took[tool.name, question].append(time.monotonic() - began)

    for tool in tools:
        tool.base(bases[0], projects.BASE)
    each("")
    for turn in range(rounds):
        each("no cache", no_cache=True)
        each("all cached")
        with open(f"{ctx}/{changed}", "a") as file:
            file.write(f"/* {turn} {random.random()} */\n" if changed.endswith(".c") else f"# {turn} {random.random()}\n")
        each("one file")
        for tool in tools:
            if tool.name not in failed:
                tool.base(bases[turn + 1], projects.BASE)
        each("base anew")
    return {key: f"{statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f})" for key, times in took.items() if times}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rootfs")
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="python,sloppy,c,monorepo")
    parser.add_argument("--tools", default="acetate,acetate-traced,acetate-untraced,buildah,buildah-fuse,podman,podman-fuse,docker")
    parser.add_argument("--as", dest="person", default="", help="a user for everything but docker")
    parser.add_argument("--debs", default="", help="a directory of packages, for the project nginx")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=DIRECTORIES", help="another acetate, colon-separated as --bin")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([*(os.path.realpath(p) for p in arguments.bin.split(":") if p), os.environ["PATH"]])
    work = tempfile.mkdtemp(prefix="acetate-real-")
    os.chmod(work, 0o755)
    os.umask(0o022)
    known = dict(projects.PROJECTS, nginx=lambda ctx: projects.nginx(ctx, arguments.debs))
    tools: list = []
    try:
        bases = make_bases(os.path.abspath(arguments.rootfs), work, arguments.rounds + 1)
        for name in arguments.tools.split(","):
            try:
                tools.append(builders.make(name, work, builders.Person(arguments.person)))
            except RuntimeError as error:
                print(f"{name} is left out: {error}")
        for name, _, programs in (also.partition("=") for also in arguments.also):
            tools.append(builders.Acetate(name, work, [], builders.Person(arguments.person), [os.path.realpath(p) for p in programs.split(":")]))
        for tool in tools:
            tool.base(bases[0], projects.BASE)  # the long part
        print("| | " + " | ".join(QUESTIONS) + " |\n|---|" + "---|" * len(QUESTIONS))
        for name in arguments.only.split(","):
            medians = measure(tools, known[name], bases, arguments.rounds, work)
            for tool in tools:
                cells = [medians.get((tool.name, question), "-") for question in QUESTIONS]
                print(f"| {name}, {tool.name} | " + " | ".join(cells) + " |", flush=True)
    finally:
        for tool in tools:
            tool.end()
        shutil.rmtree(work, ignore_errors=True)
        if os.path.exists(work):
            subprocess.run(["rm", "-rf", "--one-file-system", work], check=False)


if __name__ == "__main__":
    main()
