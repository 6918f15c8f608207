#!/usr/bin/env python3
"""Dockerfiles of the kinds people write (bench/build/projects.py), built by us as root, as a user with subordinate ids and as one without, by buildah and by docker's BuildKit:
the same tree and the same configuration. Then nginx from every tutorial, which answers over HTTP.

usage: build_real.py ROOTFS.tar.gz WORK RANGED-USER SINGLE-USER DEBS-or-"" [PROJECT...]
"""
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "build"))
import builders
import projects
import real
from image_difference import Image, differences

# Made by the place where a step runs and not by the step; docker 20.10 leaves behind what it mounted on.
PLACES = re.compile(r"(etc/(hosts|hostname|resolv\.conf|mtab)|run/\.containerenv|run/secrets|\.dockerenv|(dev|proc|sys)/.*|root/\.npm.*|cache|debs|mirror)$")
# The time of day stands in them: logs, byte code of Python (its source's time), caches of the linker, copies of the account files' last change.
TIMES = re.compile(r"(var/log/.*|.*\.pyc|var/cache/ldconfig/aux-cache|var/cache/debconf/.*)$")
failures = 0


# With one id everything is seen to be root's, which a program hands on that writes a file anew with the owner of the old one; and there is nobody else to be for a USER.
COPIED_OWNERS = re.compile(r"etc/g?shadow-?$")
MADE_BY_USERS = re.compile(r"opt/app/(uid|data/private)$")


def ignored(path: str) -> str:
    return "all" if PLACES.match(path) else "content" if TIMES.match(path) else ""


def ignored_with_one_id(path: str) -> str:
    return "owner" if COPIED_OWNERS.match(path) else "all" if MADE_BY_USERS.match(path) else ignored(path)


def check(what: str, wrong: list[str]) -> None:
    global failures
    if wrong:
        failures += 1
        print(f"FAIL {what}: {len(wrong)} differ, the first: " + "; ".join(wrong[:7]), flush=True)
    else:
        print(f"ok   {what}", flush=True)


def with_node(work: str) -> str:
    """The base with this machine's node and npm."""
    ctx = projects.node_base(work + "/node")
    made = work + "/bases/node.tar"
    env = dict(os.environ, ACETATE_ROOT=work + "/bases/data", ACETATE_CACHE=work + "/bases/cache")
    builders.run(["acetate", "build", "-q", "-t", projects.NODE, ctx], env)
    builders.run(["acetate", "save", "-q", "-o", made, projects.NODE], env)
    return made


def answers(tool: builders.Acetate) -> None:
    """What is published of a container answers; when its configuration was edited, the installation is not done again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = open(f"{tool.place}/nginx.log", "w+")
    child = subprocess.Popen([*tool.prefix, "acetate", "run", "-p", f"127.0.0.1:{port}:80", "bench"], env=tool.env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    text = ""
    try:
        while not text and child.poll() is None:
            try:
                text = urllib.request.urlopen(f"http://127.0.0.1:{port}/").read().decode()
            except OSError:
                time.sleep(0.1)
    finally:
        child.terminate()
        child.wait()
    said.seek(0)
    check(f"{tool.name}: nginx answers over HTTP", [] if text == "hello from nginx\n" else [text + said.read()[-500:]])


def main() -> None:
    rootfs, work, ranged, single, debs = sys.argv[1:6]
    os.umask(0o022)
    archive = real.make_bases(rootfs, work, 1)[0]
    wanted = dict(projects.PROJECTS)
    if debs:
        wanted["nginx"] = lambda ctx: projects.nginx(ctx, debs)
    node = ""
    try:
        subprocess.run(["node", "--version"], capture_output=True, check=True)
        subprocess.run(["npm", "--version"], capture_output=True, check=True)
        node = with_node(work)
        wanted["node"] = projects.node
    except (OSError, subprocess.CalledProcessError):
        print("node or npm is not installed: no project of that kind")
    ours = [builders.Acetate("root", work, []), builders.Acetate("ranged", work, [], builders.Person(ranged)), builders.Acetate("single", work, [], builders.Person(single))]
    others = []
    for name in ("buildah", "docker"):
        try:
            others.append(builders.make(name, work, builders.Person()))
        except RuntimeError as error:
            print(f"not compared with {name}: {error}")
    try:
        for tool in ours + others:
            tool.base(archive, projects.BASE)
            if node:
                tool.base(node, projects.NODE)
        known: dict[tuple, dict[str, str]] = {(): {}}
        for base in [archive, node] if node else [archive]:
            image = Image(base, known)
            known[image.ids] = image.tree
        for name in sys.argv[6:] or wanted:
            ctx = f"{work}/context-{name}"
            wanted[name](ctx)
            images = {}
            for tool in ours + others:
                out = f"{tool.place}/image"
                try:
                    tool.build(ctx)
                    tool.save(out)
                    images[tool.name] = Image(out, known)
                except RuntimeError as error:
                    check(f"{name}: {tool.name} builds it", [str(error)])
                finally:
                    if os.path.exists(out):
                        os.unlink(out)
            for tool in [*ours[1:], *others]:
                if "root" in images and tool.name in images:
                    check(f"{name}: {tool.name} makes the same as we as root", differences(images["root"], images[tool.name], ignored_with_one_id if tool.name == "single" else ignored))
            if name == "nginx" and all(tool.name in images for tool in ours):
                for tool in ours:
                    answers(tool)
                with open(ctx + "/nginx.conf", "a") as file:
                    file.write("# edited\n")
                log = subprocess.run([*ours[1].prefix, "acetate", "build", "--progress=plain", "-t", "bench", ctx], env=ours[1].env, capture_output=True, text=True, check=True).stderr
                steps = {number: step for number, step in re.findall(r"^#(\d+) \[\d/\d\] (\w+ \S+)", log, re.M)}
                cached = [steps[number] for number in re.findall(r"^#(\d+) CACHED", log, re.M)]
                check("nginx: of an edited nginx.conf the installation is cached, and what comes after is not",
                      [] if any(step.startswith("RUN --mount") for step in cached) and "RUN ln" not in cached and "COPY nginx.conf" not in cached else [str(cached)])
                answers(ours[1])
    finally:
        for tool in ours + others:
            tool.end()
    print(f"{failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
