"""The work that is timed, in the order it is done on one mount: first what only reads, then what changes the tree.

A workload gets a Place and returns {row: seconds}. What a program of acetate-workload does is timed inside it; a whole
program (tar, git, gcc) is timed from outside, as its user would.
"""
import dataclasses
import os
import shlex
import subprocess
import time
from typing import Callable

TABLE = []


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    run: Callable
    fresh: bool   # begins on a mount of which nothing is known
    writes: bool
    quick: bool


def workload(name, fresh=False, writes=False, quick=False):
    def add(function):
        TABLE.append(Workload(name, function, fresh, writes, quick))
        return function
    return add


def answers(tool, *words):
    """(what, seconds, count) of each thing that acetate-workload did."""
    done = subprocess.run([tool, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return [(what, float(seconds), int(count)) for what, seconds, count in (line.split() for line in done.stdout.splitlines())]


class Place:
    def __init__(self, root, base, tool, scratch):
        self.root, self.base, self.tool, self.scratch = root, base, tool, scratch

    def list(self, name):
        return f"{self.base}/{name}.list"

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def ask(self, *words):
        """{what: seconds} of acetate-workload."""
        return {what: seconds for what, seconds, _ in answers(self.tool, *words)}

    def time(self, command, **kwargs):
        begin = time.perf_counter()
        subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **kwargs)
        return time.perf_counter() - begin

    def inside(self, command):
        return self.time(f"chroot {shlex.quote(self.root)} {command}")


@workload("walk", fresh=True, quick=True)
def walk(at):
    return {"walk, fresh mount": at.ask("walk", at.root)["walk"], "walk, again": at.ask("walk", at.root)["walk"]}


@workload("stat", quick=True)
def stat(at):
    absent = at.ask("absent", at.path("usr/lib"), 10000)
    return {"stat of every name, known": at.ask("present", at.root, at.list("all"))["stat"],
            "10,000 absent names": absent["absent"], "one absent name 10,000 times": absent["absent-again"]}


@workload("stat fresh", fresh=True)
def stat_fresh(at):
    return {"stat of every name, fresh mount": at.ask("present", at.root, at.list("all"))["stat"]}


@workload("ls")
def ls(at):
    return {"ls -lR": at.time(f"ls -lR {at.path('usr')}")}


@workload("read", fresh=True, quick=True)
def read(at):
    seconds = at.ask("read-files", at.root, at.list("small"))
    return {"open, read, close of 8,000 small files, fresh": seconds["read"], "the same again": seconds["read-again"]}


@workload("tar", quick=True)
def tar(at):
    return {"tar c": at.time(f"tar -C {at.path('usr')} --one-file-system -cf - share include | cat >/dev/null")}


@workload("grep")
def grep(at):
    return {"grep -r": at.time(f"grep -r nothing-has-this-in-it {at.path('usr/include')} {at.path('usr/share/perl')} || true")}


@workload("many", fresh=True)
def many(at):
    first, again = (at.ask("list", at.path("bench/many"))["list"] for _ in range(2))
    return {"a directory of many entries, fresh": first, "the same again (list)": again}


@workload("python", fresh=True, quick=True)
def python(at):
    command = "/usr/bin/python3 -c 'import json, sqlite3, ssl, email, http.client, sphinx.application'"
    return {"python3 with many imports, fresh": at.inside(command), "the same again (python3)": min(at.inside(command) for _ in range(2))}


@workload("exec")
def execute(at):
    return {"exec x 300": at.ask("exec", at.root, 300, "/bin/true")["exec"]}


def made(at, count, threads):
    folder = at.path(f"created{threads}")
    os.mkdir(folder)
    seconds = at.ask("create", folder, count, threads)
    os.rmdir(folder)
    words = "1 thread" if threads == 1 else f"{threads} threads"
    return {f"{verb} of 4,000 files, {words}": seconds[verb] for verb in ("create", "stat", "unlink")}


@workload("create", writes=True, quick=True)
def create(at):
    return made(at, 4000, 1)


@workload("create, 4 threads", writes=True)
def create_threads(at):
    return made(at, 4000, 4)


@workload("untar", writes=True)
def untar(at):
    archive = f"{at.scratch}/untar.tar"
    if not os.path.exists(archive):
        subprocess.run(f"tar -C {at.base} -T {at.list('small')} -cf {archive} --ignore-failed-read 2>/dev/null; "
                       f"tar -C {at.path('usr')} -cf {archive} include", shell=True, check=True)
    os.mkdir(at.path("untarred"))
    return {"untar of usr/include": at.time(f"tar -C {at.path('untarred')} -xf {archive}"),
            "rm -rf of what was untarred": at.time(f"rm -rf {at.path('untarred')}")}


@workload("git", writes=True)
def git(at):
    source = f"{at.scratch}/git"
    if not os.path.exists(source):
        subprocess.run(f"cp -r {at.path('usr/include')} {source} && cd {source} && git init -q && git add -A && "
                       "git -c user.name=b -c user.email=b@b commit -q -m all", shell=True, check=True, stdout=subprocess.DEVNULL)
    safe = "git -c safe.directory=*"
    return {"git clone": at.time(f"{safe} clone -q --no-hardlinks {source} {at.path('clone')}"),
            "git status": at.time(f"{safe} -C {at.path('clone')} status")}


@workload("compile", writes=True)
def compile_c(at):
    folder = at.path("compile")
    os.mkdir(folder)
    for i in range(24):
        with open(f"{folder}/f{i}.c", "w") as file:
            file.write(f"#include <stdio.h>\n#include <stdlib.h>\n#include <sys/stat.h>\nint f{i}(void) {{ return puts(\"{i}\"); }}\n")
    with open(f"{folder}/Makefile", "w") as file:
        file.write("all: $(patsubst %.c,%.o,$(wildcard *.c))\n")
    subprocess.run(["mount", "--rbind", "/dev", at.path("dev")], check=True)
    try:
        return {"compile of 24 C files, make -j2": at.inside("make -s -j2 -C /compile")}
    finally:
        subprocess.run(["umount", "-l", at.path("dev")], check=True)


@workload("dpkg", writes=True)
def dpkg(at):
    package = f"{at.scratch}/bench.deb"
    if not os.path.exists(package):
        tree = f"{at.scratch}/deb"
        subprocess.run(f"mkdir -p {tree}/DEBIAN {tree}/usr/share/bench && cp -r {at.path('usr/include/linux')} {tree}/usr/share/bench/", shell=True, check=True)
        with open(f"{tree}/DEBIAN/control", "w") as file:
            file.write("Package: bench\nVersion: 1\nArchitecture: all\nMaintainer: bench <bench@localhost>\nDescription: files to install\n")
        subprocess.run(f"dpkg-deb --root-owner-group -Znone --build {tree} {package}", shell=True, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cp", package, at.path("bench.deb")], check=True)
    subprocess.run(["mount", "--rbind", "/dev", at.path("dev")], check=True)
    try:
        return {"dpkg -i": at.inside("dpkg -i --force-all /bench.deb 2>/dev/null")}
    finally:
        subprocess.run(["umount", "-l", at.path("dev")], check=True)


@workload("copy-up", writes=True, quick=True)
def copy_up(at):
    return {"copy-up of 500 small files by writing": at.ask("change", "write", at.root, at.list("write"))["write"],
            "copy-up of 500 small files by chmod": at.ask("change", "chmod", at.root, at.list("chmod"))["chmod"],
            "unlink of 500 lower files": at.ask("change", "unlink", at.root, at.list("unlink"))["unlink"],
            "copy-up of 32 files of 1 MiB": at.ask("change", "write", at.root, at.list("mib"))["write"]}


@workload("copy-up large", writes=True)
def copy_up_large(at):
    if not os.path.exists(at.path("bench/large")):
        return {}
    with open(f"{at.scratch}/large.list", "w") as file:
        file.write("bench/large\n")
    return {"copy-up of a large file": at.ask("change", "write", at.root, f"{at.scratch}/large.list")["write"]}


@workload("rename", writes=True, quick=True)
def rename(at):
    os.mkdir(at.path("renamed"))
    return {"rename of 1,000 directories": at.ask("rename-directories", at.path("renamed"), 1000)["rename"]}


@workload("data", writes=True, quick=True)
def data(at):
    seconds = at.ask("data", at.path("data"), 256, 20000)
    return {"write 256 MiB": seconds["write"], "read 256 MiB, just written": seconds["read"], "read 256 MiB again": seconds["read-again"],
            "20,000 random reads of 4 KiB": seconds["read-4k-random"], "20,000 random writes of 4 KiB": seconds["write-4k-random"],
            "256 MiB mapped": seconds["mapped"]}


@workload("mv", writes=True)
def mv(at):
    return {"mv of a lower directory": at.time(f"mv {at.path('usr/share/perl')} {at.path('usr/share/moved')}")}


@workload("rm", writes=True, quick=True)
def remove(at):
    return {"rm -rf of a lower tree": at.time(f"rm -rf {at.path('usr/include')} {at.path('usr/share/sphinx')}")}
