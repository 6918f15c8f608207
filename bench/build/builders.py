"""Builders of images behind one face: ours, buildah and podman with a store of their own, and docker's BuildKit with a dockerd that lives as long as it is asked.

Each has a place of its own; base(archive, name): takes a base image in; build(ctx, no_cache): one build, tagged "bench"; save(path): what it made, as a docker-archive. What a tool says when it
fails is in the RuntimeError.
"""
import os
import pwd
import shutil
import subprocess
import time

Prefix = list[str]


def run(argv: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()[-600:]}")
    return done.stdout


class Person:
    """Who a tool runs as: whoever we are, or as root somebody else by name."""

    def __init__(self, name: str = ""):
        self.prefix = ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"] if name else []
        self.entry = pwd.getpwnam(name) if name else None

    def env(self, place: str) -> dict[str, str]:
        env = dict(os.environ, XDG_RUNTIME_DIR=place)
        if self.entry:
            env.update(HOME=place, USER=self.entry.pw_name)
        return env

    def owns(self, place: str) -> None:
        os.makedirs(place, exist_ok=True)
        if self.entry:
            os.chown(place, self.entry.pw_uid, self.entry.pw_gid)


class Acetate:
    def __init__(self, name: str, work: str, options: list[str], person: Person = Person(), programs: list[str] | None = None):
        self.name, self.options, self.prefix = name, options, person.prefix
        self.place = f"{work}/{name}"
        person.owns(self.place)
        self.env = dict(person.env(self.place), ACETATE_ROOT=self.place + "/data", ACETATE_CACHE=self.place + "/cache")
        self.env["PATH"] = os.pathsep.join([*(programs or []), self.env["PATH"]])

    def base(self, archive: str, name: str) -> None:
        run([*self.prefix, "acetate", "load", "-q", "-i", archive, "-t", name], self.env)

    def build(self, ctx: str, no_cache: bool = False) -> None:
        run([*self.prefix, "acetate", "build", "-q", "-t", "bench", *self.options, *(["--no-cache"] if no_cache else []), ctx], self.env)

    def save(self, path: str) -> None:
        run([*self.prefix, "acetate", "save", "-o", path, "bench"], self.env)

    def end(self) -> None:
        pass


class Buildah:
    """And podman, which is the same builder with another command line."""

    def __init__(self, name: str, work: str, mount_program: str = "", program: str = "buildah", person: Person = Person()):
        self.name, self.program, self.prefix = name, program, person.prefix
        self.place = f"{work}/{name}"
        person.owns(self.place)
        options = f'[storage.options.overlay]\nmount_program="{mount_program}"\n' if mount_program else ""
        for file, text in {
            "storage.conf": f'[storage]\ndriver="overlay"\nrunroot="{self.place}/run"\ngraphroot="{self.place}/graph"\n'
                            f'[storage.options]\nrootless_storage_path="{self.place}/graph"\n{options}',
            "containers.conf": '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=32768:32768"]\n[engine]\n'
                               'cgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n',
            "policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
        }.items():
            with open(f"{self.place}/{file}", "w") as out:
                out.write(text)
        # Where it keeps cache mounts, in 1.28 those of everybody in one directory: it belonged to whoever came first, say root.
        person.owns(self.place + "/tmp")
        self.env = dict(person.env(self.place), TMPDIR=self.place + "/tmp", CONTAINERS_STORAGE_CONF=self.place + "/storage.conf", CONTAINERS_CONF=self.place + "/containers.conf",
                        BUILDAH_ISOLATION="chroot", BUILDAH_FORMAT="docker")  # OCI's has no HEALTHCHECK there

    def base(self, archive: str, name: str) -> None:
        image = run([*self.prefix, self.program, "pull", "-q", f"docker-archive:{archive}"], self.env).strip().splitlines()[-1]
        run([*self.prefix, self.program, "tag", image, name], self.env)

    def build(self, ctx: str, no_cache: bool = False) -> None:
        words = ["bud", "--pull-never"] if self.program == "buildah" else ["build", "--pull=never"]
        run([*self.prefix, self.program, *words, "-q", "--layers", "-t", "bench", *(["--no-cache"] if no_cache else []), ctx], self.env)

    def save(self, path: str) -> None:
        run([*self.prefix, "buildah", "push", "-q", "bench", f"docker-archive:{path}"], self.env)

    def end(self) -> None:
        # Files of other ids are removed by whoever can.
        if self.prefix or os.geteuid() != 0:
            subprocess.run([*self.prefix, "buildah", "unshare", "rm", "-rf", self.place + "/graph", self.place + "/run", self.place + "/tmp"], env=self.env,
                           stderr=subprocess.DEVNULL, check=False)
        elif os.path.isdir(self.place):
            subprocess.run(["umount", "-q", self.place + "/graph/overlay"], check=False)


class Docker:
    """BuildKit inside dockerd, as root, on the kernel's overlayfs. Steps have the host's network: nothing is set up for them."""

    def __init__(self, name: str, work: str):
        self.name = name
        self.place = place = f"{work}/{name}"
        os.makedirs(place)
        self.program = os.environ.get("DOCKER", "docker")
        self.env = dict(os.environ, DOCKER_HOST=f"unix://{place}/socket", DOCKER_CONFIG=place, DOCKER_BUILDKIT="1")
        self.log = open(place + "/log", "w")
        self.daemon = subprocess.Popen(
            ["dockerd", "--data-root", place + "/data", "--exec-root", place + "/exec", "--pidfile", place + "/pid", "--host", f"unix://{place}/socket",
             "--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver", "overlay2", "--oom-score-adjust", "0"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        while subprocess.run([self.program, "version"], env=self.env, capture_output=True, check=False).returncode != 0:
            if self.daemon.poll() is not None:
                raise RuntimeError(f"dockerd ended: {open(place + '/log').read()[-600:]}")
            time.sleep(0.1)
        # Newer ones need a plugin for it.
        able = subprocess.run([self.program, "build", "--help"], env=self.env, capture_output=True, text=True, check=False)
        if able.returncode != 0:
            self.end()
            raise RuntimeError(f"{self.program} does not build with BuildKit: {able.stderr.strip().splitlines()[0]}")

    def base(self, archive: str, name: str) -> None:
        image = run([self.program, "load", "-q", "-i", archive], self.env).strip().splitlines()[-1].split(": ", 1)[1]
        if image != name:
            run([self.program, "tag", image, name], self.env)

    def build(self, ctx: str, no_cache: bool = False) -> None:
        run([self.program, "build", "-q", "--network=host", "-t", "bench", *(["--no-cache"] if no_cache else []), ctx], self.env)

    def save(self, path: str) -> None:
        run([self.program, "save", "-o", path, "bench"], self.env)

    def end(self) -> None:
        self.daemon.terminate()
        self.daemon.wait()
        self.log.close()


def make(name: str, work: str, person: Person):
    """The tool of that name. What it needs and lacks is in a RuntimeError."""
    fuse = shutil.which("fuse-overlayfs") or ""
    if name.endswith("-fuse") and not fuse:
        raise RuntimeError("fuse-overlayfs is not installed")
    program = name.split("-")[0]
    for needed in [program, *(["dockerd"] if program == "docker" else [])]:
        if not shutil.which(needed):
            raise RuntimeError(f"{needed} is not installed")
    if program == "acetate":
        options = {"": [], "traced": ["--trace-cache=on"], "untraced": ["--trace-cache=off"], "kernel": ["--upper=kernel"], "own": ["--upper=own"]}
        return Acetate(name, work, options[name.partition("-")[2]], person)
    if program == "docker":
        if os.geteuid() != 0:
            raise RuntimeError("dockerd runs as root only")
        return Docker(name, work)
    return Buildah(name, work, fuse if name.endswith("-fuse") else "", program, person)
