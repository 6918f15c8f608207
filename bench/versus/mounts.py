"""What is compared: mount commands, and one mount of one of them.

A command is a template with {lowers} (colon-separated, top first), {upper}, {work}, {target}, {tars} (the same layers as
tarballs) and {plain} (the unpacked tree, to be copied). Without {upper} the mount is read-only and only read. It may mount
anything else below {work}.
"""
import dataclasses
import os
import re
import shutil
import subprocess
import time


@dataclasses.dataclass(frozen=True)
class Mount:
    name: str
    command: str
    version: str = ""

    @property
    def writable(self):
        return "{upper}" in self.command or self.copies

    @property
    def copies(self):
        return "{plain}" in self.command

    @property
    def packed(self):
        return "{tars}" in self.command


def version_of(program):
    """"NAME: version N", among whatever fusermount3 says of itself."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    match = re.search(r"^fuse-overlay\S*: version \S+", said, re.M)
    return match[0] if match else ""


FLOOR = "FUSE floor"


def floor(passthrough_ll):
    """libfuse's example over one directory: hands on what it is asked, with every cache there is, and does nothing else."""
    return Mount(FLOOR, "[ -e {upper}/usr ] || cp -a {plain}/. {upper}; "
                 f"{passthrough_ll} -o allow_other,default_permissions,xattr,cache=always,timeout=86400,source={{upper}} {{target}}", passthrough_ll)


def kernel(rootless, lowers="{lowers}", work="{work}"):
    return f"mount -t overlay overlay -o lowerdir={lowers},upperdir={{upper}},workdir={work}{',userxattr' if rootless else ''} {{target}}"


def hybrid(ours, lowers, rootless):
    """Ours read-only, and the kernel's overlay above it: what `acetate run --upper=kernel` mounts."""
    below = "{work}/below"
    return f"mkdir -p {below} {{work}}/own; {ours} -o lowerdir={lowers},noxattrs=auto {below} && {kernel(rootless, below, '{work}/own')}"


def defaults(ours, peers, rootless, passthrough_ll=None):
    """Everything that is found; the first is what ratios are taken to."""
    layers = "-o lowerdir={lowers},upperdir={upper},workdir={work} {target}"
    found = [Mount("kernel overlayfs", kernel(rootless), f"Linux {os.uname().release}"), Mount("plain directory", "cp -a {plain}/. {target}")]
    if passthrough_ll:
        found.append(floor(passthrough_ll))
    paths = peers or [path for path in [shutil.which("fuse-overlayfs")] if path]
    for path in paths:
        said = version_of(path)
        found.append(Mount(f"fuse-overlayfs {said.split()[-1] if said else path}", f"{path} {layers}", said))
    said = version_of(ours)
    found += [Mount("fuse-overlay", f"{ours} {layers}", said),
              Mount("fuse-overlay, tarballs", f"{ours} {layers}".replace("{lowers}", "{tars}"), said),
              Mount("fuse-overlay, tarballs, read-only", f"{ours} -o lowerdir={{tars}} {{target}}", said),
              Mount("hybrid", hybrid(ours, "{lowers}", rootless), said),
              Mount("hybrid, tarballs", hybrid(ours, "{tars}", rootless), said)]
    return found


class Mounted:
    """A mount at `place`/target. The working directory is the layers': short names, since mount(2) has one page for them."""

    def __init__(self, mount, base, place, layers):
        self.mount, self.base, self.place = mount, base, place
        self.target = f"{place}/target"
        for part in ("upper", "work", "target"):
            os.makedirs(f"{place}/{part}", exist_ok=True)
        self.command = mount.command.format(lowers=":".join(layers), tars=":".join(f"{name}.tar.gz" for name in layers),
                                            upper=f"{place}/upper", work=f"{place}/work", target=self.target, plain="plain")
        self.open()

    def open(self):
        begin = time.perf_counter()
        subprocess.run(self.command, shell=True, check=True, cwd=self.base, stdout=subprocess.DEVNULL)
        self.seconds = time.perf_counter() - begin

    def close(self):
        for point in self.points():
            for attempt in range(50):
                if subprocess.run(["umount", point], stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.1)  # whoever worked in it may still be ending
            else:
                subprocess.run(["umount", "-l", point], check=True)
        while self.daemon():  # so that it is not in the next one's way
            time.sleep(0.01)

    def points(self):
        """What is mounted of it, the last first."""
        with open("/proc/self/mountinfo") as file:
            points = [line.split()[4] for line in file]
        return [point for point in reversed(points) if point.startswith(self.place + "/")]

    def reopen(self):
        """Nothing is known any more to the kernel or a daemon; the disk's pages still are."""
        if self.points():
            self.close()
            self.open()

    def daemon(self):
        """The process that serves it, or None."""
        served = [point.encode() for point in self.points()] or [self.target.encode(), f"{self.place}/work/below".encode()]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if any(point in words for point in served) and os.path.basename(words[0]) not in (b"umount", b"mount", b"python3"):
                    return int(pid)
            except OSError:
                continue
        return None

    def memory(self):
        """Resident KiB and open descriptors of the daemon."""
        pid = self.daemon()
        if not pid:
            return None
        with open(f"/proc/{pid}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return {"resident_kib": resident, "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}
