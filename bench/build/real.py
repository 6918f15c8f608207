#!/usr/bin/env python3
"""How long Dockerfiles of the kinds people write take to build, by us and by buildah, in turns within one run.

usage: real.py ROOTFS.tar[.gz] --bin DIRECTORIES [--rounds N] [--only NAME,...] [--tools NAME,...]

As whoever calls it, root or not. ROOTFS holds python3, gcc and a C library (tests/e2e/lib.sh makes one). Four questions: nothing is cached; everything is; one
file of the context has changed; the base image was made anew with a file that nobody looks at. Medians in seconds.

Tools: acetate; acetate-traced (--trace-cache=on: believes that what a step got over the network is the same); acetate-untraced (off); buildah on the kernel's overlay;
buildah-fuse on fuse-overlayfs. What does not work for who calls it is left out and said.
"""
import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time

BASE = "localhost/bench-base:latest"
# As an installation of packages does: many small files. Without a network it is made instead of fetched.
INSTALL = (
    "RUN python3 -c \"import os; [(os.makedirs(f'/usr/local/lib/site/p{d}', exist_ok=True), "
    "[open(f'/usr/local/lib/site/p{d}/m{n}.py', 'w').write(f'value = {n}\\n' * 40) for n in range(40)]) for d in range(60)]\"\n"
    "RUN python3 -m compileall -q /usr/local/lib/site\n"
)


def write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def c_source(name: str) -> str:
    return "#include <stdio.h>\n" + "".join(f"static int f{n}(int x) {{ return x * {n} + {n}; }}\n" for n in range(300)) + \
        "int main(void) { int x = 1;\n" + "".join(f"x += f{n}(x);\n" for n in range(300)) + f'printf("{name} %d\\n", x); return 0; }}\n'


def python_app(ctx: str) -> str:
    write(ctx + "/requirements.txt", "flask\n")
    for n in range(50):
        write(f"{ctx}/app/module{n}.py", f"VALUE = {n}\n" * 50)
    write(ctx + "/Dockerfile", f"FROM {BASE}\nWORKDIR /srv\nCOPY requirements.txt .\n{INSTALL}COPY app app\n"
          "RUN python3 -m compileall -q app\nCMD [\"python3\", \"-m\", \"app\"]\n")
    return "app/module7.py"


def sloppy(ctx: str) -> str:
    """Everything is copied first, as half of the world does."""
    python_app(ctx)
    write(ctx + "/README.md", "text\n")
    write(ctx + "/Dockerfile", f"FROM {BASE}\nWORKDIR /srv\nCOPY . .\n{INSTALL}RUN python3 -m compileall -q app\n")
    return "README.md"


def multi_stage_c(ctx: str) -> str:
    for name in ("one", "two", "three"):
        write(f"{ctx}/src/{name}.c", c_source(name))
    write(ctx + "/Dockerfile", f"FROM {BASE} AS build\nCOPY src /src\nRUN mkdir /out && for p in one two three; do gcc -O1 -o /out/$p /src/$p.c; done\n"
          f"FROM {BASE}\nCOPY --from=build /out /usr/local/bin/\nCMD [\"one\"]\n")
    return "src/two.c"


def monorepo(ctx: str) -> str:
    stages, copies = "", ""
    for name in ("api", "web", "jobs", "tools"):
        write(f"{ctx}/{name}/main.c", c_source(name))
        stages += f"FROM {BASE} AS {name}\nCOPY {name} /src\nRUN gcc -O1 -o /bin-{name} /src/main.c\n"
        copies += f"COPY --from={name} /bin-{name} /usr/local/bin/{name}\n"
    write(ctx + "/Dockerfile", stages + f"FROM {BASE}\n" + copies)
    return "web/main.c"


PROJECTS = {"python": python_app, "sloppy": sloppy, "c": multi_stage_c, "monorepo": monorepo}
QUESTIONS = ("no cache", "all cached", "one file", "base anew")


class Acetate:
    def __init__(self, name: str, work: str, options: list[str]):
        self.name, self.options = name, options
        self.env = dict(os.environ, ACETATE_ROOT=f"{work}/{name}/data", ACETATE_CACHE=f"{work}/{name}/cache")

    def base(self, archive: str) -> None:
        run(["acetate", "load", "-q", "-i", archive, "-t", BASE], self.env)

    def build(self, ctx: str, no_cache: bool) -> None:
        run(["acetate", "build", "-q", "-t", "bench", *self.options, *(["--no-cache"] if no_cache else []), ctx], self.env)


class Buildah:
    def __init__(self, name: str, work: str, mount_program: str):
        self.name = name
        place = f"{work}/{name}"
        os.makedirs(place)
        program = f'[storage.options.overlay]\nmount_program="{mount_program}"\n' if mount_program else ""
        write(place + "/storage.conf", f'[storage]\ndriver="overlay"\nrunroot="{place}/run"\ngraphroot="{place}/graph"\n{program}')
        write(place + "/containers.conf", '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=32768:32768"]\n[engine]\n'
              'cgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n')
        self.env = dict(os.environ, CONTAINERS_STORAGE_CONF=place + "/storage.conf", CONTAINERS_CONF=place + "/containers.conf",
                        BUILDAH_ISOLATION="chroot", XDG_RUNTIME_DIR=place)

    def base(self, archive: str) -> None:
        name = subprocess.run(["buildah", "pull", "-q", f"oci-archive:{archive}"], env=self.env, check=True, capture_output=True, text=True).stdout.strip()
        run(["buildah", "tag", name.splitlines()[-1], BASE], self.env)

    def build(self, ctx: str, no_cache: bool) -> None:
        run(["buildah", "bud", "-q", "--layers", "--pull-never", "-t", "bench", *(["--no-cache"] if no_cache else []), ctx], self.env)


def run(argv: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()[-400:]}")


def make_bases(rootfs: str, work: str, rounds: int) -> list[str]:
    """The same files, each time with another one that nobody looks at."""
    env = dict(os.environ, ACETATE_ROOT=work + "/bases/data", ACETATE_CACHE=work + "/bases/cache")
    ctx = work + "/bases/ctx"
    os.makedirs(ctx)
    shutil.copy(rootfs, ctx + "/" + os.path.basename(rootfs))
    archives = []
    for number in range(rounds + 1):
        write(ctx + "/Dockerfile", f"FROM scratch\nADD {os.path.basename(rootfs)} /\nCOPY <<E /etc/refreshed\n{number}\nE\nENV LC_ALL=C.UTF-8\n")
        archives.append(f"{work}/bases/base{number}.tar")
        run(["acetate", "build", "-q", "-o", f"type=oci,dest={archives[-1]},name={BASE}", ctx], env)
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
        tool.base(bases[0])
    each("")
    for turn in range(rounds):
        each("no cache", no_cache=True)
        each("all cached")
        with open(f"{ctx}/{changed}", "a") as file:
            file.write(f"/* {turn} {random.random()} */\n" if changed.endswith(".c") else f"# {turn} {random.random()}\n")
        each("one file")
        for tool in tools:
            if tool.name not in failed:
                tool.base(bases[turn + 1])
        each("base anew")
    return {key: statistics.median(times) for key, times in took.items() if times}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rootfs")
    parser.add_argument("--bin", default="", help="where acetate and fuse-overlay are, colon-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PROJECTS))
    parser.add_argument("--tools", default="acetate,acetate-traced,acetate-untraced,buildah,buildah-fuse")
    arguments = parser.parse_args()
    os.environ["PATH"] = arguments.bin + ":" + os.environ["PATH"]
    work = tempfile.mkdtemp(prefix="acetate-real-")
    try:
        bases = make_bases(os.path.abspath(arguments.rootfs), work, arguments.rounds)
        makers = {
            "acetate": lambda: Acetate("acetate", work, []),
            "acetate-traced": lambda: Acetate("acetate-traced", work, ["--trace-cache=on"]),
            "acetate-untraced": lambda: Acetate("acetate-untraced", work, ["--trace-cache=off"]),
            "buildah": lambda: Buildah("buildah", work, ""),
            "buildah-fuse": lambda: Buildah("buildah-fuse", work, shutil.which("fuse-overlayfs") or ""),
        }
        tools = [makers[name]() for name in arguments.tools.split(",")]
        print("| | " + " | ".join(QUESTIONS) + " |\n|---|" + "---|" * len(QUESTIONS))
        for name in arguments.only.split(","):
            medians = measure(tools, PROJECTS[name], bases, arguments.rounds, work)
            for tool in tools:
                cells = [f"{medians[tool.name, question]:.2f}" if (tool.name, question) in medians else "-" for question in QUESTIONS]
                print(f"| {name}, {tool.name} | " + " | ".join(cells) + " |", flush=True)
    finally:
        # Files of others in stores of buildah are removed by whoever can.
        for name in ("buildah", "buildah-fuse"):
            if os.geteuid() != 0 and os.path.isdir(f"{work}/{name}"):
                subprocess.run(["buildah", "unshare", "rm", "-rf", f"{work}/{name}"], stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
