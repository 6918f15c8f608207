"""What is compared: mount commands, and one mount of one of them.

A command is a template with {lowers} (colon-separated, top first), {upper}, {work}, {target}, {tars} (the same layers as
tarballs) and {plain} (the unpacked tree). Without {upper} the mount is read-only and only read.
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
        return "{upper}" in self.command or self.plain

    @property
    def plain(self):
        return "{plain}" in self.command

    @property
    def packed(self):
        return "{tars}" in self.command


def version_of(program):
    """"NAME: version N", among whatever fusermount3 says of itself."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    match = re.search(r"^fuse-overlay\S*: version \S+", said, re.M)
    return match[0] if match else ""


def defaults(ours, peers, rootless):
    """Everything that is found; the first is what ratios are taken to."""
    layers = "-o lowerdir={lowers},upperdir={upper},workdir={work} {target}"
    found = [Mount("kernel overlayfs", "mount -t overlay overlay " + layers.replace(" {target}", ",userxattr {target}" if rootless else " {target}"),
                   f"Linux {os.uname().release}"),
             Mount("plain directory", "cp -a {plain}/. {target}")]
    paths = peers or [path for path in [shutil.which("fuse-overlayfs")] if path]
    for path in paths:
        said = version_of(path)
        found.append(Mount(f"fuse-overlayfs {said.split()[-1] if said else path}", f"{path} {layers}", said))
    said = version_of(ours)
    found += [Mount("fuse-overlay", f"{ours} {layers}", said),
              Mount("fuse-overlay, tarballs", f"{ours} {layers}".replace("{lowers}", "{tars}"), said),
              Mount("fuse-overlay, tarballs, read-only", f"{ours} -o lowerdir={{tars}} {{target}}", said)]
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
        if self.mount.plain:
            return
        for attempt in range(50):
            if subprocess.run(["umount", self.target], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)  # whoever worked in it may still be ending
        else:
            subprocess.run(["umount", "-l", self.target], check=True)
        while self.daemon():  # so that it is not in the next one's way
            time.sleep(0.01)

    def reopen(self):
        """Nothing is known any more to the kernel or a daemon; the disk's pages still are."""
        if not self.mount.plain:
            self.close()
            self.open()

    def daemon(self):
        """The process that serves it, or None."""
        wanted = self.target.encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if wanted in words and words[0] not in (b"umount", b"mount") and b"overlay" in os.path.basename(words[0]):
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
