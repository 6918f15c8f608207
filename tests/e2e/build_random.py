#!/usr/bin/env python3
"""Random Dockerfiles of deterministic commands, edited at random: what the traced cache says has to be what is true.

After each edit the file is built three times: as ever, where steps are taken from the cache by what they looked at; with --trace-cache=verify, which runs those and compares
layer with layer; and in a store that knows nothing. The trees must be the same, and nothing may be told to be something else. Prints how often a step was taken
from the cache though something below it had changed: a test that never sees that says nothing, and fails.

usage: build_random.py BASE.tar WORK [--seed N] [--files N] [--edits N]
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys

NAMES = ["a", "b", "c", "d/a", "d/b", "d/e/a", "x.cfg", "d/y.cfg"]
PLACES = ["/w", "/w/d", "/w/d/e", "/v"]
# {f}, {g}: a file, which need not be there; {p}: a directory. Each is a function of the files alone.
COMMANDS = [
    "cat {f} >{g}.out", "cat {p}/*.cfg >/cfg.out", "ls {p} >/ls.out", "find {p} | sort >>/find.out", "stat -c '%a %s %u %h' {f} >>/stat.out", "test -e {f} && echo there >>/e.out",
    "readlink {f} >>/link.out", "cp -a {p} /copy", "cp {f} {g}", "mv {f} {g}", "rm -rf {f}", "rm -rf {p}/e", "mkdir -p {p}/new && echo n >{p}/new/f", "ln -s {f} {g}.ln",
    "ln {f} {g}.hard", "chmod 600 {f}", "chmod -R go= {p}", "echo more >>{f}", "echo instead >{f}", "sed -i s/1/one/ {f}", "wc -c {p}/a {p}/b >>/wc.out", "touch {f}", "truncate -s 2 {f}",
    "grep -r 1 {p} >>/grep.out", "sh {f}", "test {f} -nt {g} && echo newer >>/nt.out", "tar -C {p} -cf - . | wc -c >>/tar.out", "mv {p} {p}-moved", "head -c 3 {f} >>/head.out",
    "for f in {p}/*; do echo $f; test -d $f && echo dir; done >>/for.out", "test -x {f} || test -w {g} && echo w >>/x.out", "diff {f} {g} >>/diff.out", "mkdir {p}", "rmdir {p}",
]


class Case:
    def __init__(self, rng: random.Random, ctx: str):
        self.rng, self.ctx = rng, ctx
        self.fill()
        self.steps = [self.step() for _ in range(rng.randint(4, 9))]
        self.base_env = 0

    def fill(self) -> None:
        shutil.rmtree(self.ctx, ignore_errors=True)
        for name in NAMES:
            self.put(name)

    def put(self, name: str) -> None:
        path = f"{self.ctx}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(path):
            return
        with open(path, "w") as file:
            file.write("".join(f"# {self.rng.randint(0, 99)}\n" for _ in range(self.rng.randint(0, 5))))
        os.chmod(path, self.rng.choice([0o644, 0o644, 0o600, 0o755]))

    def file(self) -> str:
        return self.rng.choice(["/w", "/w", "/v"]) + "/" + self.rng.choice(NAMES + ["absent"])

    def step(self) -> str:
        rng = self.rng
        if rng.random() < 0.25:
            name = rng.choice(NAMES + ["d", "d/e", "."])
            return f"COPY {name} {rng.choice(PLACES)}/{'' if name in NAMES else name + '/'}"
        commands = [rng.choice(COMMANDS).format(f=self.file(), g=self.file(), p=rng.choice(PLACES)) for _ in range(rng.randint(1, 2))]
        return "RUN --network=none { " + "; ".join(commands) + "; } 2>>/errors; true"

    def edit(self) -> str:
        rng = self.rng
        kind = rng.choice(["content", "content", "mode", "add", "remove", "touch", "link", "insert", "delete", "replace", "swap", "base"])
        name = rng.choice(NAMES)
        path = f"{self.ctx}/{name}"
        if kind in ("content", "add"):
            self.put(name if kind == "content" else rng.choice(["new", "d/new", "z.cfg", "d/e/deep"]))
        elif kind == "mode" and os.path.isfile(path):
            os.chmod(path, rng.choice([0o600, 0o644, 0o755, 0o640]))
        elif kind == "remove" and os.path.lexists(path) and name not in self.copied():
            os.unlink(path)
        elif kind == "touch" and os.path.isfile(path):
            os.utime(path, (1_500_000_000 + rng.randint(0, 9), ) * 2)
        elif kind == "link" and name not in self.copied():
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(rng.choice(["a", "b", "absent"]), path)
        elif kind == "insert":
            self.steps.insert(rng.randint(0, len(self.steps)), self.step())
        elif kind == "delete" and len(self.steps) > 2:
            self.steps.pop(rng.randrange(len(self.steps)))
        elif kind == "replace":
            self.steps[rng.randrange(len(self.steps))] = self.step()
        elif kind == "swap":
            one, other = rng.randrange(len(self.steps)), rng.randrange(len(self.steps))
            self.steps[one], self.steps[other] = self.steps[other], self.steps[one]
        elif kind == "base":
            self.base_env += 1
        return f"{kind} {name}"

    def copied(self) -> set[str]:
        return {step.split()[1] for step in self.steps if step.startswith("COPY")}

    def dockerfile(self) -> str:
        # What nobody looks at, in front of all.
        return "\n".join(["FROM base", "COPY . /w/", f"COPY <<E /unseen\n{self.base_env}\nE", *self.steps]) + "\n"


def build(store: str, base: str, ctx: str, options: list[str]) -> tuple[bool, str]:
    env = dict(os.environ, ACETATE_ROOT=store + "/data", ACETATE_CACHE=store + "/cache")
    done = subprocess.run(["acetate", "build", "--progress=plain", "--build-context", f"base={base}", "-f", ctx + ".Dockerfile", *options, ctx], env=env, capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def listing(archive: str) -> str:
    """Names, types, modes, owners, targets and contents; no times."""
    code = ("import tarfile,sys,hashlib\nt=tarfile.open(sys.argv[1])\n"
            "print('\\n'.join(sorted(f'{m.name} {m.type} {m.mode:o} {m.uid}:{m.gid} {m.linkname} ' + (hashlib.sha256(t.extractfile(m).read()).hexdigest() if m.isfile() else '') for m in t)))")
    return subprocess.run([sys.executable, "-c", code, archive], capture_output=True, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("work")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--edits", type=int, default=6)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    print(f"seed {arguments.seed}")
    taken = wrong = edits = verified = failed = 0
    for number in range(arguments.files):
        place = f"{arguments.work}/{number}"
        case = Case(rng, place + "/ctx")
        for turn in range(arguments.edits + 1):
            edit = case.edit() if turn else "nothing"
            with open(place + "/ctx.Dockerfile", "w") as file:
                file.write(case.dockerfile())
            verifying, said = build(place + "/checking", arguments.base, place + "/ctx", ["--trace-cache=verify"])
            known, log = build(place + "/known", arguments.base, place + "/ctx", ["-o", f"type=tar,dest={place}/known.tar"])
            fresh, why = build(place + "/fresh", arguments.base, place + "/ctx", ["--no-cache", "--trace-cache=off", "-o", f"type=tar,dest={place}/fresh.tar"])
            if not known == verifying == fresh:  # as a COPY of a file onto a directory fails
                wrong += 1
                print(f"FAIL file {number}, edit {turn} ({edit}): builds {fresh}, verifying {verifying}, cached {known}:\n{why}\n{log}\n{case.dockerfile()}")
            if not fresh:
                failed += 1
                continue
            taken += len(re.findall(r"have changed, and nothing of the", log))
            verified += said.count("verified: the cache has the same")
            edits += 1
            if "something else for this step" in said:
                wrong += 1
                print(f"FAIL file {number}, edit {turn} ({edit}): verify found something else:\n{said}\n{case.dockerfile()}")
            if listing(place + "/known.tar") != listing(place + "/fresh.tar"):
                wrong += 1
                print(f"FAIL file {number}, edit {turn} ({edit}): the cached result is another:\n{log}\n{case.dockerfile()}")
        shutil.rmtree(place)
    print(f"{arguments.files} files, {edits} builds, {failed} that fail; {taken} steps taken from the cache by what they looked at, {verified} verified, {wrong} wrong")
    sys.exit(1 if wrong or not taken or not verified else 0)


if __name__ == "__main__":
    main()
