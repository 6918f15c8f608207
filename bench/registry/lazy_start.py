#!/usr/bin/env python3
"""How long from an empty store to the first output of a command, over a link that is no faster than a registry's?

The registry (docker-registry) is in a network namespace of its own, behind a veth whose sending is limited by tbf and, with
--delay, a relay that lets every request wait for a round trip (far_away.py). Everybody begins with nothing: podman pull and run;
the same with `acetate layer-store` in its storage.conf; skopeo, umoci and a chroot; acetate pull and run; acetate run --lazy
without an index (all of a layer is needed, and nothing is unpacked), with one that push --index put beside the image, with that and
what an earlier run read (push --trace), and of the same files packed as eStargz (by acetate build) and zstd:chunked (by skopeo), by
their tables of contents. "MB over the link" are all bytes that came to this side of it. Of lazy mounts the daemon tells how often and how long together
readers waited for bytes that were not here, how many bytes of layers were fetched while they were mounted, and of these how many
readers came to.

Several links are tried one after the other, with the same images, which --images DIRECTORY keeps for the next time (of the same ROOTFS, and the same --layers and --ballast).
--work says what is run: WORK below. --only with a word that no row has makes the images and measures nothing.

usage: lazy_start.py ROOTFS.tar.gz [--mbytes 10 …] [--delay 20 …] [--work python] [--only WORDS …]      as root
"""
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "layers"))
from measure import Scratch, machine, parser, seconds  # noqa: E402

HERE, THERE = "10.213.7.1", "10.213.7.2"
NEAR, FAR = f"{THERE}:5001", f"{THERE}:5000"  # the registry, and the relay before it
# What a start is for; each says something when it has it.
WORK = {
    "python": ["python3", "-c", "print(1)"],
    "gcc": ["sh", "-c", "echo 'int main(void) { return 0; }' >/tmp/a.c && gcc -c /tmp/a.c -o /tmp/a.o && echo compiled"],
    "server": ["python3", "-c", "import http.server, threading, urllib.request; s = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler); "
               "threading.Thread(target=s.serve_forever, daemon=True).start(); print(urllib.request.urlopen(f'http://127.0.0.1:{s.server_port}/etc/hostname').status)"],
    "everything": ["sh", "-c", "find / -xdev -type f -exec cat {} + >/dev/null; echo read"],
}
TOLD = re.compile(r"(\d+) compressed bytes were fetched while it was mounted, (\d+) were needed; readers waited for them (\d+) times, ([0-9.]+) s")
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def layers_of(rootfs: pathlib.Path, count: int) -> list[bytes]:
    """The files in so many layers, of as many bytes each as that goes, in the order they have."""
    if count == 1:
        return [gzip.decompress(rootfs.read_bytes())]
    with tarfile.open(rootfs) as whole:
        members = [(member, member.offset_data - member.offset + -(-member.size // 512) * 512) for member in whole]
        each, layers = sum(size for _, size in members) / count, [[]]
        filled = 0
        for member, size in members:
            if filled >= each * len(layers) and len(layers) < count:
                layers.append([])
            layers[-1].append(member)
            filled += size
        place = {member.name: number for number, layer in enumerate(layers) for member in layer}
        made = []
        for number, layer in enumerate(layers):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as tar:
                for member in layer:
                    if member.islnk() and place[member.linkname] != number:  # a name of a file in another layer: the file itself
                        target, member.type = whole.getmember(member.linkname), tarfile.REGTYPE
                        member.size = target.size
                        tar.addfile(member, whole.extractfile(target))
                    else:
                        tar.addfile(member, whole.extractfile(member) if member.isreg() else None)
            made.append(packed.getvalue())
        return made


def make_layout(layout: pathlib.Path, rootfs: pathlib.Path, count: int, ballast: int, command: list[str]) -> None:
    """An image of those files in so many layers; and of so many megabytes that nobody reads, in the last."""
    (layout / "blobs/sha256").mkdir(parents=True)

    def blob(data: bytes, kind: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (layout / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}

    plain = layers_of(rootfs, count)
    if ballast:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for number in range(ballast):
                member = tarfile.TarInfo(f"opt/ballast/{number}")
                member.size = 1_000_000
                tar.addfile(member, io.BytesIO(random.Random(number).randbytes(member.size)))
        plain.append(packed.getvalue())
    config = blob(json.dumps({"architecture": MACHINE, "os": "linux", "config": {"Cmd": command}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(each).hexdigest() for each in plain]}}).encode(),
        "application/vnd.oci.image.config.v1+json")
    packed = [rootfs.read_bytes() if count == 1 and number == 0 else gzip.compress(each, 6, mtime=0) for number, each in enumerate(plain)]
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                                "layers": [blob(each, "application/vnd.oci.image.layer.v1.tar+gzip") for each in packed]}).encode(),
                    "application/vnd.oci.image.manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


class Link:
    """A network namespace with a registry in it, and the only way there."""

    def __init__(self, scratch: Scratch, images: pathlib.Path) -> None:
        self.scratch, self.images = scratch, images
        self.relay: subprocess.Popen | None = None
        self.space, self.near, self.far = (f"{name}{os.getpid() % 10000}" for name in ("actb", "actn", "actf"))

    def __enter__(self) -> "Link":
        run = self.scratch.run
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.space)
        run("ip", "addr", "add", f"{HERE}/24", "dev", self.near)
        run("ip", "link", "set", self.near, "up")
        self.inside = inside = ("ip", "netns", "exec", self.space)
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "addr", "add", f"{THERE}/24", "dev", self.far)
        run(*inside, "ip", "link", "set", self.far, "up")
        config = self.scratch.path / "registry.yml"
        config.write_text("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
                          f"storage: {{filesystem: {{rootdirectory: {self.images.absolute()}/registry}}}}\nhttp: {{addr: \"{NEAR}\"}}\n")
        self.registry = subprocess.Popen([*inside, "docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL)
        self.answers(NEAR)
        return self

    @staticmethod
    def answers(server: str) -> None:
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{server}/v2/")
                return
            time.sleep(0.05)

    def shape(self, mbytes: float, delay: float) -> str:
        """From now on; where the registry is reached then."""
        self.scratch.run(*self.inside, "tc", "qdisc", "replace", "dev", self.far, "root", "tbf", "rate", f"{mbytes * 8:g}mbit", "burst", "256kb",
                         "latency", "50ms")
        self.end_relay()
        if not delay:
            return NEAR
        relay = pathlib.Path(__file__).with_name("far_away.py")
        self.relay = subprocess.Popen([*self.inside, str(relay), FAR, NEAR, str(delay)])
        self.answers(FAR)
        return FAR

    def end_relay(self) -> None:
        if self.relay is not None:
            self.relay.terminate()
            self.relay.wait()
            self.relay = None

    def __exit__(self, *_: object) -> None:
        self.end_relay()
        self.registry.terminate()
        self.registry.wait()
        subprocess.run(["ip", "netns", "del", self.space], check=False)
        subprocess.run(["ip", "link", "del", self.near], check=False, stderr=subprocess.DEVNULL)

    def received(self) -> int:
        return int(pathlib.Path(f"/sys/class/net/{self.near}/statistics/rx_bytes").read_text())


def end_fetchers(below: pathlib.Path) -> None:
    """What an earlier start left to be fetched when it is quiet is not fetched during the next one."""
    def fetchers() -> list[int]:
        found = []
        for each in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = each.read_bytes().decode().split("\0")
                if words[0].endswith("acetate-fetcher") and words[1].startswith(f"{below}/"):
                    found.append(int(each.parent.name))
        return found

    for process in fetchers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    while fetchers():
        time.sleep(0.02)


class Told:
    """What the daemon of a lazy mount has to say when it ends, of all its layers together."""

    def __init__(self, words: str) -> None:
        layers = [[float(each) for each in found] for found in TOLD.findall(words)]
        self.fetched, self.needed, self.waits, self.waited = (sum(column) for column in zip(*layers)) if layers else (0, 0, 0, 0)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rootfs", type=pathlib.Path)
    arguments.add_argument("--mbytes", type=float, nargs="+", default=[10], help="what the link carries in a second")
    arguments.add_argument("--delay", type=float, nargs="+", default=[0], help="milliseconds of a round trip")
    arguments.add_argument("--work", nargs="+", choices=WORK, default=["python"])
    arguments.add_argument("--layers", type=int, default=1, help="in how many layers the image has its files")
    arguments.add_argument("--ballast", type=int, default=0, help="megabytes more, in a layer of which nothing is read")
    arguments.add_argument("--images", type=pathlib.Path, help="where the registry's images are kept")
    arguments.add_argument("--only", nargs="+", help="rows whose name holds one of these")
    arguments.set_defaults(rounds=3)
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch, Link(scratch, options.images or scratch.path) as link:
        fresh = scratch.path / "fresh"
        env = {**scratch.env, "ACETATE_ROOT": str(fresh / "acetate"), "ACETATE_CACHE": str(fresh / "cache"), "HOME": str(fresh),
               "CONTAINERS_STORAGE_CONF": str(scratch.path / "storage.conf"), "CONTAINERS_CONF": str(scratch.path / "containers.conf")}
        (scratch.path / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{fresh}/run"\ngraphroot = "{fresh}/store"\n')
        lent = scratch.path / "lent"
        lent.mkdir()
        (scratch.path / "lent.conf").write_text((scratch.path / "storage.conf").read_text()
                                                + f'[storage.options]\nadditionallayerstores = ["{lent}:ref"]\n')
        (scratch.path / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=10000:10000", "nproc=8192:8192"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')

        def run(*command: object, **more: str) -> None:
            done = subprocess.run([str(word) for word in command], env=env | more, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"{' '.join(done.args)}: {done.stderr[-2000:]}")

        # Whoever mounts for a run hears nothing of the daemon once it serves, so it writes to a file; the pipe it was given stays open.
        told, teller = scratch.path / "told", scratch.path / "fuse-overlay"
        teller.write_text(f'#!/bin/sh\nexec 4>&2 2>"{told}"\nexec "{scratch.daemon}" "$@"\n')
        teller.chmod(0o755)

        def begin() -> None:
            """Nothing of anybody."""
            end_fetchers(fresh)
            subprocess.run(f"umount -l {fresh}/store/overlay 2>/dev/null; rm -rf {fresh}", shell=True, check=False)
            fresh.mkdir()

        def names_at(host: str) -> list[str]:
            return [f"{host}/{name}:1" for name in ("app", "indexed", *(f"traced-{each}" for each in options.work), "estargz", "chunked")]

        def is_there(name: str) -> bool:
            host, rest = name.split("/")
            repository, tag = rest.split(":")
            try:
                urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{tag}", method="HEAD", headers={
                    "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"}))
            except urllib.error.HTTPError:
                return False
            return True

        def pack(layout: pathlib.Path, estargz: str, chunked: str) -> None:
            """The same files by formats with a table of contents."""
            if not layout.exists():
                make_layout(layout, options.rootfs, options.layers, options.ballast, WORK["python"])
            (scratch.path / "Dockerfile").write_text("FROM base\n")
            run(scratch.acetate, "build", "-q", "-f", scratch.path / "Dockerfile", "--build-context", f"base=oci-layout://{layout}:1", "-o",
                f"type=oci,dest={scratch.path}/estargz,compression=estargz,force-compression=true", fresh)
            run(scratch.acetate, "copy", "-q", "--dest-tls-verify=false", f"oci:{scratch.path}/estargz", f"docker://{estargz}")
            # Without its memory of what the registry has: it would leave it at the layers that are there, packed otherwise.
            packed = subprocess.run(
                ["unshare", "-m", "sh", "-c", 'mkdir -p /var/lib/containers/cache && mount -t tmpfs cache /var/lib/containers/cache && exec "$@"', "sh", "skopeo", "copy",
                 "-q", "--dest-tls-verify=false", "--dest-compress", "--dest-compress-format", "zstd:chunked", "--dest-compress-level", "1", f"oci:{layout}:1",
                 f"docker://{chunked}"],
                env=env, capture_output=True, text=True, check=False)
            if packed.returncode != 0:  # skopeo 1.9 packs not everything at every level: "short write"
                print(f"no zstd:chunked: {packed.stderr[-200:]}", file=sys.stderr)

        begin()
        layout, size = scratch.path / "layout", options.rootfs.stat().st_size
        plain, indexed, *traced, estargz, chunked = names_at(NEAR)
        if not all(is_there(name) for name in (plain, indexed)):
            make_layout(layout, options.rootfs, options.layers, options.ballast, WORK["python"])
            for name in (plain, indexed):
                run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{name}")
        missing = [(work, name) for work, name in zip(options.work, traced) if not is_there(name)]
        if missing:
            run(scratch.acetate, "pull", "-q", "--tls-verify=false", indexed)
            run(scratch.acetate, "push", "-q", "--index", "--tls-verify=false", indexed)
        for work, name in missing:
            # Of this work alone.
            for old in fresh.rglob("*.trace"):
                old.unlink()
            run(scratch.acetate, "tag", indexed, name)
            run(scratch.acetate, "run", name, *WORK[work])
            run(scratch.acetate, "push", "-q", "--tls-verify=false", name)
            run(scratch.acetate, "push", "-q", "--trace", "--tls-verify=false", name)
        if not is_there(estargz):
            pack(layout, estargz, chunked)
        has_chunked = is_there(chunked)

        def measured(work: str, mbytes: float, delay: float) -> None:
            plain, indexed, *traced, estargz, chunked = names_at(link.shape(mbytes, delay))
            command = WORK[work]

            def podman() -> None:
                run("podman", "pull", "-q", "--tls-verify=false", plain)
                run("podman", "run", "--rm", "--network=host", plain, *command)

            def lent_to_podman() -> None:
                store = subprocess.Popen([str(scratch.acetate), "layer-store", "--tls-verify=false", str(lent)], env=env)
                try:
                    while not lent.is_mount():
                        time.sleep(0.01)
                    mine = {"CONTAINERS_STORAGE_CONF": str(scratch.path / "lent.conf")}
                    run("podman", "pull", "-q", "--tls-verify=false", indexed, **mine)
                    run("podman", "run", "--rm", "--network=host", indexed, *command, **mine)
                finally:
                    subprocess.run(f"umount -l {fresh}/store/overlay 2>/dev/null", shell=True, check=False)
                    store.terminate()
                    store.wait()

            def unpacked() -> None:
                run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{plain}", f"oci:{fresh}/oci:1")
                run("umoci", "unpack", "--image", f"{fresh}/oci:1", fresh / "bundle")
                run("chroot", fresh / "bundle/rootfs", *command)

            def pulled() -> None:
                run(scratch.acetate, "pull", "-q", "--tls-verify=false", plain)
                run(scratch.acetate, "run", plain, *command)

            def lazily(name: str) -> str:
                run(scratch.acetate, "run", "--lazy", "--tls-verify=false", name, *command, ACETATE_FUSE_OVERLAY=str(teller), ACETATE_LOG="info")
                return told.read_text()

            contestants = {"podman pull and run": podman, "podman on acetate layer-store, an index beside it": lent_to_podman,
                           "skopeo, umoci and chroot": unpacked, "acetate pull and run": pulled,
                           "acetate run --lazy, no index": lambda: lazily(plain), "acetate run --lazy, an index beside it": lambda: lazily(indexed),
                           "acetate run --lazy, and what an earlier run read": lambda: lazily(traced[options.work.index(work)]),
                           "acetate run --lazy, eStargz": lambda: lazily(estargz), "acetate run --lazy, zstd:chunked": lambda: lazily(chunked)}
            if not has_chunked:
                del contestants["acetate run --lazy, zstd:chunked"]
            if options.only:
                contestants = {name: action for name, action in contestants.items() if any(word in name for word in options.only)}
            if not contestants:
                return
            taken: dict[str, list[tuple[float, float, Told]]] = {name: [] for name in contestants}
            for _ in range(options.rounds):
                for name, action in contestants.items():
                    begin()
                    before, said = link.received(), ""

                    def start(action=action) -> None:
                        nonlocal said
                        said = action() or ""

                    spent = seconds(start)
                    taken[name].append((spent, link.received() - before, Told(said)))
            begin()
            print(f"\n{work}, {options.layers} layers of {size / 1e6:.0f} MB and {options.ballast} MB more, {mbytes:g} MB/s, round trip {delay:g} ms\n\n"
                  "| | median s | range | ratio | MB over the link | waits | s waited | MB of layers fetched | needed |\n|---|---|---|---|---|---|---|---|---|")
            first = statistics.median(each[0] for each in taken[next(iter(taken))])
            for name, rows in taken.items():
                times = [each[0] for each in rows]
                middle = statistics.median(times)
                heard = [each[2] for each in rows]

                def of(what: str, heard=heard) -> float:
                    return statistics.median(getattr(each, what) for each in heard)

                lazy = (f"{of('waits'):.0f} | {of('waited'):.2f} | {of('fetched') / 1e6:.1f} | {of('needed') / 1e6:.1f}" if of("fetched") else "| | |")
                print(f"| {name} | {middle:.2f} | {min(times):.2f}–{max(times):.2f} | {middle / first:.2f} | "
                      f"{statistics.median(each[1] for each in rows) / 1e6:.1f} | {lazy} |", flush=True)

        for work in options.work:
            for mbytes in options.mbytes:
                for delay in options.delay:
                    measured(work, mbytes, delay)


if __name__ == "__main__":
    main()
