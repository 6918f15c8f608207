#!/usr/bin/env python3
"""How long from an empty store to the first output of a command, over a link that is no faster than a registry's?

The registry (docker-registry) is in a network namespace of its own, behind a veth whose sending is limited by tbf and, with
--delay, a relay that lets every request wait for a round trip (far_away.py). Everybody begins with nothing: podman pull and run;
the same with `acetate layer-store` in its storage.conf; skopeo, umoci and a chroot; acetate pull and run; acetate run --lazy
without an index (all of a layer is needed, and nothing is unpacked), with one that push --index put beside the image, with that and
what an earlier run read (push --trace), and of the same files packed as eStargz (by acetate build) and zstd:chunked (by skopeo), by
their tables of contents. "bytes" are those that came over the link.

usage: lazy_start.py ROOTFS.tar.gz [--mbytes 10] [--delay 20] [--command python3 -c 'print(1)']      as root
"""
import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "layers"))
from measure import Scratch, machine, parser, seconds  # noqa: E402

HERE, THERE = "10.213.7.1", "10.213.7.2"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def make_layout(layout: pathlib.Path, rootfs: pathlib.Path, command: list[str]) -> int:
    """An image of that one layer."""
    (layout / "blobs/sha256").mkdir(parents=True)

    def blob(data: bytes, kind: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (layout / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}

    packed = rootfs.read_bytes()
    config = blob(json.dumps({"architecture": MACHINE, "os": "linux", "config": {"Cmd": command}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(gzip.decompress(packed)).hexdigest()]}}).encode(),
        "application/vnd.oci.image.config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                                "layers": [blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip")]}).encode(),
                    "application/vnd.oci.image.manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return len(packed)


class Link:
    """A network namespace with a registry in it, and the only way there."""

    def __init__(self, scratch: Scratch, mbytes: float, delay: float) -> None:
        self.scratch, self.mbytes, self.delay = scratch, mbytes, delay
        self.space, self.near, self.far = (f"{name}{os.getpid() % 10000}" for name in ("actb", "actn", "actf"))
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Link":
        run = self.scratch.run
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.space)
        run("ip", "addr", "add", f"{HERE}/24", "dev", self.near)
        run("ip", "link", "set", self.near, "up")
        inside = ("ip", "netns", "exec", self.space)
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "addr", "add", f"{THERE}/24", "dev", self.far)
        run(*inside, "ip", "link", "set", self.far, "up")
        run(*inside, "tc", "qdisc", "add", "dev", self.far, "root", "tbf", "rate", f"{self.mbytes * 8:g}mbit", "burst", "256kb",
            "latency", "50ms")
        config = self.scratch.path / "registry.yml"
        server = f"{THERE}:5001" if self.delay else f"{THERE}:5000"
        config.write_text("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
                          f"storage: {{filesystem: {{rootdirectory: {self.scratch.path}/registry}}}}\nhttp: {{addr: \"{server}\"}}\n")
        self.processes.append(subprocess.Popen([*inside, "docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL))
        if self.delay:
            relay = pathlib.Path(__file__).with_name("far_away.py")
            self.processes.append(subprocess.Popen([*inside, str(relay), f"{THERE}:5000", server, str(self.delay)]))
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{THERE}:5000/v2/")
                return self
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()
        subprocess.run(["ip", "netns", "del", self.space], check=False)
        subprocess.run(["ip", "link", "del", self.near], check=False, stderr=subprocess.DEVNULL)

    def received(self) -> int:
        return int(pathlib.Path(f"/sys/class/net/{self.near}/statistics/rx_bytes").read_text())


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rootfs", type=pathlib.Path)
    arguments.add_argument("--mbytes", type=float, default=10, help="what the link carries in a second")
    arguments.add_argument("--delay", type=float, default=0, help="milliseconds of a round trip")
    arguments.add_argument("--command", nargs="+", default=["python3", "-c", "print(1)"])
    arguments.set_defaults(rounds=3)
    options = arguments.parse_args()
    machine()
    with Scratch(options) as scratch, Link(scratch, options.mbytes, options.delay) as link:
        layout = scratch.path / "layout"
        size = make_layout(layout, options.rootfs, options.command)
        plain, indexed, traced, estargz, chunked = (f"{THERE}:5000/{name}:1" for name in ("app", "indexed", "traced", "estargz", "chunked"))
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

        def begin() -> None:
            """Nothing of anybody."""
            subprocess.run(f"umount -l {fresh}/store/overlay 2>/dev/null; rm -rf {fresh}", shell=True, check=False)
            fresh.mkdir()

        begin()
        for name in (plain, indexed, traced):
            run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{name}")
        run(scratch.acetate, "pull", "-q", "--tls-verify=false", indexed)
        run(scratch.acetate, "push", "-q", "--index", "--tls-verify=false", indexed)
        run(scratch.acetate, "tag", indexed, traced)
        run(scratch.acetate, "run", traced, *options.command)
        run(scratch.acetate, "push", "-q", "--trace", "--tls-verify=false", traced)
        (scratch.path / "Dockerfile").write_text("FROM base\n")
        for how in ("estargz", "none"):
            run(scratch.acetate, "build", "-q", "-f", scratch.path / "Dockerfile", "--build-context", f"base=oci-layout://{layout}:1", "-o",
                f"type=oci,dest={scratch.path}/{how},compression={how},force-compression=true", fresh)
        run(scratch.acetate, "copy", "-q", "--dest-tls-verify=false", f"oci:{scratch.path}/estargz", f"docker://{estargz}")
        run("skopeo", "copy", "-q", "--dest-tls-verify=false", "--dest-compress-format", "zstd:chunked", f"oci:{scratch.path}/none", f"docker://{chunked}")

        def podman() -> None:
            run("podman", "pull", "-q", "--tls-verify=false", plain)
            run("podman", "run", "--rm", "--network=host", plain, *options.command)

        def lent_to_podman() -> None:
            store = subprocess.Popen([str(scratch.acetate), "layer-store", "--tls-verify=false", str(lent)], env=env)
            try:
                while not lent.is_mount():
                    time.sleep(0.01)
                mine = {"CONTAINERS_STORAGE_CONF": str(scratch.path / "lent.conf")}
                run("podman", "pull", "-q", "--tls-verify=false", indexed, **mine)
                run("podman", "run", "--rm", "--network=host", indexed, *options.command, **mine)
            finally:
                subprocess.run(f"umount -l {fresh}/store/overlay 2>/dev/null", shell=True, check=False)
                store.terminate()
                store.wait()

        def unpacked() -> None:
            run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{plain}", f"oci:{fresh}/oci:1")
            run("umoci", "unpack", "--image", f"{fresh}/oci:1", fresh / "bundle")
            run("chroot", fresh / "bundle/rootfs", *options.command)

        def pulled() -> None:
            run(scratch.acetate, "pull", "-q", "--tls-verify=false", plain)
            run(scratch.acetate, "run", plain, *options.command)

        def lazily(name: str) -> None:
            run(scratch.acetate, "run", "--lazy", "--tls-verify=false", name, *options.command)

        contestants = {"podman pull and run": podman, "podman on acetate layer-store, an index beside it": lent_to_podman, "skopeo, umoci and chroot": unpacked, "acetate pull and run": pulled,
                       "acetate run --lazy, no index": lambda: lazily(plain), "acetate run --lazy, an index beside it": lambda: lazily(indexed),
                       "acetate run --lazy, and what an earlier run read": lambda: lazily(traced),
                       "acetate run --lazy, eStargz": lambda: lazily(estargz), "acetate run --lazy, zstd:chunked": lambda: lazily(chunked)}
        taken: dict[str, list[tuple[float, int]]] = {name: [] for name in contestants}
        for _ in range(options.rounds):
            for name, action in contestants.items():
                begin()
                before = link.received()
                spent = seconds(action)
                taken[name].append((spent, link.received() - before))
        begin()
        print(f"\n{' '.join(options.command)}, a layer of {size / 1e6:.0f} MB, {options.mbytes:g} MB/s, round trip {options.delay:g} ms\n\n| | median s | range | ratio | MB over the link |\n|---|---|---|---|---|")
        first = statistics.median(each[0] for each in taken[next(iter(taken))])
        for name, rows in taken.items():
            times = [each[0] for each in rows]
            middle = statistics.median(times)
            print(f"| {name} | {middle:.2f} | {min(times):.2f}–{max(times):.2f} | {middle / first:.2f} | {statistics.median(each[1] for each in rows) / 1e6:.1f} |")


if __name__ == "__main__":
    main()
