#!/usr/bin/env python3
"""What a mount acknowledged is there after a power cut, and after kill -9 of the daemon.

The layers of writing lie on ext4 on a loop device. At the moment of the cut the device's file is copied as it is: what is only in the kernel's memory is
not in it, as it is not on a disk. The copy is mounted, its journal replayed, and mounted as an upper again.

usage: power_cut.py FUSE-OVERLAY       as root, in a mount namespace of its own; below $TMPDIR
"""

import os
import random
import subprocess
import sys
import tempfile
import time


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, data, sync=False):
    with open(path, "wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def sync_dir(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


class Disk:
    """ext4 in a file, mounted."""

    def __init__(self, image, at):
        self.image, self.at = image, at
        os.makedirs(at, exist_ok=True)

    @staticmethod
    def made(image, at):
        with open(image, "wb") as file:
            file.truncate(96 << 20)
        # Commits of its own would hide what nobody asked for.
        run("mkfs.ext4", "-q", "-F", image)
        return Disk(image, at).mounted()

    def mounted(self):
        run("mount", "-o", "loop,commit=3000", self.image, self.at)
        return self

    def cut(self, name):
        """What is on the disk now."""
        run("cp", "--sparse=always", self.image, f"{self.image}.{name}")
        return Disk(f"{self.image}.{name}", f"{self.at}.{name}").mounted()

    def gone(self):
        run("umount", self.at)
        os.unlink(self.image)


class Mount:
    running = []

    def __init__(self, daemon, lower, disk, at, options=""):
        self.upper, self.work = f"{disk.at}/upper", f"{disk.at}/work"
        for path in (self.upper, self.work, at):
            os.makedirs(path, exist_ok=True)
        self.at = at
        self.process = subprocess.Popen([daemon, "-f", "-o", f"lowerdir={lower},upperdir={self.upper},workdir={self.work}{options}", at], stderr=subprocess.PIPE)
        Mount.running.append(self.process)
        while not os.path.ismount(at):
            if self.process.poll() is not None:
                raise RuntimeError(self.process.stderr.read().decode())
            time.sleep(0.01)

    def __truediv__(self, name):
        return f"{self.at}/{name}"

    def unmount(self):
        run("umount", self.at)
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()
        run("umount", "-l", self.at)


class Checks:
    def __init__(self, daemon, base):
        self.daemon, self.base = daemon, base
        self.lower = f"{base}/lower"
        os.makedirs(f"{self.lower}/dir/sub")
        os.makedirs(f"{self.lower}/gone")
        self.big = random.Random(7).randbytes(3 << 20)
        put(f"{self.lower}/dir/sub/big", self.big)
        for name in ("dir/one", "dir/two", "dir/three", "gone/file"):
            put(f"{self.lower}/{name}", name.encode())
        self.disk = Disk.made(f"{base}/disk", f"{base}/mounted")
        run("sync", "-f", self.disk.at)
        self.failures = self.count = 0

    def expect(self, what, good):
        self.count += 1
        self.failures += 0 if good else 1
        print(f"{'ok  ' if good else 'FAIL'} {what}")

    def over(self, disk, options=""):
        return Mount(self.daemon, self.lower, disk, f"{self.base}/merged", options)

    def after_a_cut(self, mount, name, check):
        """The daemon goes on with the disk that was; what is looked at is the one that the cut left."""
        cut = self.disk.cut(name)
        again = Mount(self.daemon, self.lower, cut, f"{self.base}/again")
        check(again)
        again.unmount()
        cut.gone()

    def all_that_is_acknowledged(self):
        mount = self.over(self.disk)
        with open(mount / "dir/sub/big", "r+b") as file:
            file.seek(1 << 20)
            file.write(b"acknowledged")
            file.flush()
            os.fsync(file.fileno())
        wanted = self.big[: 1 << 20] + b"acknowledged" + self.big[(1 << 20) + 12 :]
        self.after_a_cut(mount, "copied", lambda m: self.expect("a copy that was written to and synced", get(m / "dir/sub/big") == wanted))

        os.makedirs(mount / "made/deep/er")
        put(mount / "made/deep/er/new", b"new", sync=True)
        self.after_a_cut(mount, "new", lambda m: self.expect("a new file below new directories", get(m / "made/deep/er/new") == b"new"))

        os.rename(mount / "dir/one", mount / "dir/renamed")
        os.unlink(mount / "dir/two")
        sync_dir(mount / "dir")
        self.after_a_cut(mount, "names", lambda m: self.expect(
            "a rename and a removal, after a sync of their directory", sorted(os.listdir(m / "dir")) == ["renamed", "sub", "three"]
            and get(m / "dir/renamed") == b"dir/one"))

        # rpm, dpkg and databases: written anew beside it, synced, and put in its place.
        put(mount / "dir/three.new", b"3" * 100000, sync=True)
        os.rename(mount / "dir/three.new", mount / "dir/three")
        sync_dir(mount / "dir")
        self.after_a_cut(mount, "replaced", lambda m: self.expect("a file that replaced the lower's", get(m / "dir/three") == b"3" * 100000))

        os.unlink(mount / "gone/file")
        os.rmdir(mount / "gone")
        os.mkdir(mount / "gone")
        put(mount / "gone/else", b"else", sync=True)
        self.after_a_cut(mount, "opaque", lambda m: self.expect("a directory made anew over the lower's", os.listdir(m / "gone") == ["else"]))
        mount.unmount()

    def before_or_after(self):
        """Nobody syncs: whenever the power goes, a name shows the lower's or all that is written, and never a copy with holes."""
        mount = self.over(self.disk)
        good = True
        for i in range(8):
            name = f"dir/sub/copy{i}"
            put(f"{self.lower}/{name}", self.big)
        mount.unmount()
        mount = self.over(self.disk)
        for i in range(8):
            os.chmod(mount / f"dir/sub/copy{i}", 0o600)
            def look(m):
                nonlocal good
                for j in range(8):
                    st = os.stat(m / f"dir/sub/copy{j}")
                    good = good and get(m / f"dir/sub/copy{j}") == self.big and st.st_mode & 0o777 in (0o600, 0o644)
            self.after_a_cut(mount, f"copy{i}", look)
        self.expect("a copy is there with all its bytes, or the lower's shows", good)
        mount.unmount()

    def killed(self):
        mount = self.over(self.disk)
        put(mount / "dir/sub/killed", b"k" * 200000, sync=True)
        with open(mount / "dir/sub/copy0", "r+b") as file:
            file.write(b"killed")
            os.fsync(file.fileno())
            mount.kill()
        mount = self.over(self.disk)
        self.expect("kill -9: what was synced is there", get(mount / "dir/sub/killed") == b"k" * 200000 and get(mount / "dir/sub/copy0") == b"killed" + self.big[6:])
        self.expect("and nothing is left in the work directory", os.listdir(f"{mount.work}/work") == [])
        mount.unmount()

    def volatile(self):
        mount = self.over(self.disk, ",volatile")
        put(mount / "fast", b"fast", sync=True)
        mount.kill()
        mount = self.over(self.disk, ",volatile")
        self.expect("volatile: kill -9 loses nothing, and it can be mounted again", get(mount / "fast") == b"fast")
        mount.unmount()
        mark = f"{self.disk.at}/work/work/incompat/volatile"
        self.expect("volatile: its mark stays", os.path.isdir(mark))
        # As after a crash of the machine: it was another run of it.
        put(f"{mark}/dirty", b"00000000-0000-0000-0000-000000000000\n")
        try:
            self.over(self.disk).unmount()
            self.expect("volatile: after a crash of the machine it is refused", False)
        except RuntimeError as error:
            self.expect("volatile: after a crash of the machine it is refused in words", "work/incompat/volatile" in str(error))
        run("rm", "-r", mark)
        mount = self.over(self.disk)
        self.expect("volatile: and mounted when somebody has removed the mark", get(mount / "fast") == b"fast")
        mount.unmount()


def main():
    base = tempfile.mkdtemp(prefix="acetate-cut.")
    checks = Checks(sys.argv[1], base)
    try:
        checks.all_that_is_acknowledged()
        checks.before_or_after()
        checks.killed()
        checks.volatile()
    finally:
        # With an exception there may be mounts and disks, which go with our mount namespace.
        for process in Mount.running:
            process.kill()
            process.wait()
        subprocess.run(["umount", "-l", checks.disk.at], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", base], check=False, stderr=subprocess.DEVNULL)
    print(f"{checks.count} checks, {checks.failures} failed")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
