#!/usr/bin/env python3
"""What holds on a real mount while files go from the lower to the upper: mappings, locks and handles; overlays on our
overlay; the mount shown with other owners; a full disk.

usage: coherence.py FUSE-OVERLAY       in a mount namespace of its own, where tmpfs can be mounted
"""

import ctypes
import errno
import fcntl
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

PAGE = mmap.PAGESIZE


class Mount:
    """One daemon over directories of its own below `base`."""

    def __init__(self, daemon, base, lower, upper=None):
        self.daemon, self.base, self.lower = daemon, base, lower
        self.upper = upper or f"{base}/upper"
        self.work = f"{self.upper}.work"
        self.at = f"{base}/merged"
        for path in (self.upper, self.work, self.at):
            os.makedirs(path, exist_ok=True)
        self.mount()

    def mount(self):
        options = f"lowerdir={self.lower},upperdir={self.upper},workdir={self.work}"
        self.process = subprocess.Popen([self.daemon, "-f", "-o", options, self.at])
        while not os.path.ismount(self.at):
            assert self.process.poll() is None, "the daemon ended before it had mounted"
            time.sleep(0.01)

    def unmount(self):
        """Until the daemon has ended: its descriptors keep what lies below it busy."""
        subprocess.run(["umount", self.at], check=True)
        assert self.process.wait() == 0

    def remount(self):
        self.unmount()
        self.mount()

    def __truediv__(self, name):
        return f"{self.at}/{name}"


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def code(call):
    try:
        call()
        return 0
    except OSError as error:
        return error.errno


def tree(at):
    told = {}
    for where, dirs, files in os.walk(at):
        for name in dirs + files:
            path = os.path.join(where, name)
            st = os.lstat(path)
            of_file = (st.st_nlink, get(path)) if name in files else ()
            told[os.path.relpath(path, at)] = (oct(st.st_mode), *of_file)
    return told


def mappings(m):
    before, after = b"a" * 4 * PAGE, b"B" * 4 * PAGE
    file = os.open(m / "mapped", os.O_RDONLY)
    shared = mmap.mmap(file, 4 * PAGE, mmap.MAP_SHARED, mmap.PROT_READ)
    private = mmap.mmap(file, 4 * PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    assert shared[0:1] == b"a" and private[PAGE:PAGE + 1] == b"a"  # other pages are not in memory yet
    private[0:4] = b"mine"
    with open(m / "mapped", "r+b", buffering=0) as writer:
        writer.write(after)
    assert shared[:] == after, "a mapping of the lower shows what was written after copy-up"
    assert os.pread(file, 4 * PAGE, 0) == after, "an old handle reads what was written after copy-up"
    assert private[0:4] == b"mine", "a private page stays whose it is"
    with open(m / "mapped", "r+b", buffering=0) as writer:
        with mmap.mmap(writer.fileno(), 4 * PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as stored:
            stored[2 * PAGE:2 * PAGE + 6] = b"stored"
            assert shared[2 * PAGE:2 * PAGE + 6] == b"stored", "all mappings of a file are one"
            os.unlink(m / "mapped")
            stored[3 * PAGE:3 * PAGE + 4] = b"gone"
            stored.flush()
        assert os.pread(file, 4, 3 * PAGE) == b"gone", "a mapping outlives the name"
        assert os.fstat(file).st_nlink == 0
    shared.close()
    private.close()
    os.close(file)
    assert code(lambda: os.stat(m / "mapped")) == errno.ENOENT
    assert get(f"{m.lower}/mapped") == before, "the lower is not written"


def in_child(call):
    """What `call` answers in another process."""
    pid = os.fork()
    if pid == 0:
        os._exit(code(call))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def locks(m):
    def conflicts(lock):
        file = os.open(m / "locked", os.O_RDWR)  # copies up
        try:
            return in_child(lambda: lock(os.open(m / "locked", os.O_RDWR)))
        finally:
            os.close(file)

    reader = os.open(m / "locked", os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_EX)
    assert conflicts(lambda file: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)) == errno.EWOULDBLOCK, "flock over copy-up"
    os.close(reader)
    file = os.open(m / "locked2", os.O_RDONLY)
    fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 10, 0)
    with open(m / "locked2", "r+b", buffering=0) as writer:
        writer.write(b"up")
        busy = in_child(lambda: fcntl.lockf(os.open(m / "locked2", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 3))
        assert busy in (errno.EAGAIN, errno.EACCES), "a record lock over copy-up"
        free = in_child(lambda: fcntl.lockf(os.open(m / "locked2", os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 20))
        assert free == 0, "elsewhere in the file it is free"
    os.close(file)


def handles(m):
    reader, kept = os.open(m / "open", os.O_RDONLY), os.open(m / "dir/kept", os.O_RDONLY)
    number = os.fstat(reader).st_ino
    os.truncate(m / "open", 2)
    assert (os.fstat(reader).st_size, os.pread(reader, 10, 0)) == (2, b"op"), "truncation reaches an old handle"
    os.rename(m / "open", m / "renamed")
    put(m / "open", b"another")
    assert os.pread(reader, 10, 0) == b"op" and os.fstat(reader).st_ino == number
    os.fchmod(reader, 0o600)
    assert os.stat(m / "renamed").st_mode & 0o777 == 0o600, "a handle changes its own file"
    shutil.rmtree(m / "dir")
    assert os.read(kept, 10) == b"kept" and os.fstat(kept).st_nlink in (0, 1)
    assert not os.path.exists(m / "dir")
    os.close(reader)
    os.close(kept)


def nested(m, base, daemon):
    os.makedirs(m / "store/upper")
    lower = {"file": b"1", "sub/deep": b"2", "gone": b"3"}
    for name, data in lower.items():
        os.makedirs(os.path.dirname(m / f"image/{name}"), exist_ok=True)
        put(m / f"image/{name}", data)
    inner = Mount(daemon, f"{base}/inner", m / "image", m / "store/upper")
    put(inner / "file", b"changed")
    os.unlink(inner / "gone")
    shutil.rmtree(inner / "sub")
    os.mkdir(inner / "sub")
    put(inner / "sub/new", b"4")
    os.link(inner / "file", inner / "also")
    seen = tree(inner.at)
    assert set(seen) == {"file", "also", "sub", "sub/new"}, seen
    inner.unmount()
    m.remount()
    inner.mount()
    assert tree(inner.at) == seen, "an overlay whose upper lies in our overlay, mounted again"
    inner.unmount()
    assert get(m / "image/gone") == b"3" and get(m / "image/file") == b"1"


def on_top(m, base):
    """The kernel's overlayfs over our mount as its lower."""
    for name in ("kupper", "kwork", "kmerged"):
        os.makedirs(f"{base}/{name}")
    options = f"lowerdir={m.at},upperdir={base}/kupper,workdir={base}/kwork"
    for more in ("", ",userxattr"):
        command = ["mount", "-t", "overlay", "-o", options + more, "overlay", f"{base}/kmerged"]
        mounted = subprocess.run(command, capture_output=True, text=True)
        if mounted.returncode == 0:
            break
    else:
        print(f"note: the kernel's overlayfs cannot be mounted here: {mounted.stderr.strip()}")
        return
    assert tree(f"{base}/kmerged") == tree(m.at)
    put(f"{base}/kmerged/renamed", b"of the kernel")
    assert get(m / "renamed") == b"op"
    subprocess.run(["umount", f"{base}/kmerged"], check=True)


def idmapped(m, base):
    """Our mount shown with other owners, by mount_setattr(2): 0 on the disk is 1000 there."""
    open_tree, move_mount, mount_setattr = 428, 429, 442
    libc = ctypes.CDLL(None, use_errno=True)
    ready, release = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x" if libc.unshare(0x10000000) == 0 else b"-")  # CLONE_NEWUSER
        os.read(release[0], 1)
        os._exit(0)
    assert os.read(ready[0], 1) == b"x"
    for kind in ("uid_map", "gid_map"):
        put(f"/proc/{child}/{kind}", b"0 1000 1000")
    ids = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    tree = libc.syscall(open_tree, -100, m.at.encode(), 0x80001)  # OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    assert tree >= 0, os.strerror(ctypes.get_errno())
    wanted = struct.pack("QQQQ", 0x100000, 0, 0, ids)  # MOUNT_ATTR_IDMAP
    refused = libc.syscall(mount_setattr, tree, b"", 0x1000, wanted, len(wanted)) != 0
    error = ctypes.get_errno()
    os.write(release[1], b"x")
    os.waitpid(child, 0)
    if refused:
        release_of_kernel = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
        assert release_of_kernel < (6, 12), f"a mount of ours cannot be idmapped: {os.strerror(error)}"
        print("note: this kernel cannot idmap FUSE")
        return
    at = f"{base}/idmapped"
    os.makedirs(at)
    assert libc.syscall(move_mount, tree, b"", -100, at.encode(), 4) == 0  # MOVE_MOUNT_F_EMPTY_PATH
    os.close(tree)
    os.mkdir(m / "owned")
    put(m / "owned/old", b"old")
    assert os.stat(f"{at}/owned/old").st_uid == 1000 and os.stat(m / "owned/old").st_uid == 0

    def as_owner():
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
        put(f"{at}/owned/new", b"new")
        os.mkdir(f"{at}/owned/dir")
        os.chmod(f"{at}/owned/old", 0o600)
        with open(f"{at}/owned/old", "ab") as file:
            file.write(b" and more")
        os.rename(f"{at}/owned/old", f"{at}/owned/dir/old")

    assert in_child(as_owner) == 0, "who owns it there may change it"
    for name in ("owned/new", "owned/dir", "owned/dir/old"):
        st = os.stat(m / name)
        assert (st.st_uid, st.st_gid) == (0, 0), f"{name} belongs to {st.st_uid}:{st.st_gid}"
    os.chown(f"{at}/owned/new", 1007, 1008)
    assert (os.stat(m / "owned/new").st_uid, os.stat(m / "owned/new").st_gid) == (7, 8)
    assert get(m / "owned/dir/old") == b"old and more"
    subprocess.run(["umount", at], check=True)
    shutil.rmtree(m / "owned")


def full_disk(base, daemon):
    disk, lower = f"{base}/disk", f"{base}/big"
    os.makedirs(disk)
    os.makedirs(lower)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    big = os.urandom(3 << 20)
    put(f"{lower}/big", big)
    put(f"{lower}/small", b"small")
    m = Mount(daemon, f"{base}/full", lower, f"{disk}/upper")

    def overwrite():
        with open(m / "big", "r+b", buffering=0) as file:
            file.write(b"x")

    assert code(overwrite) == errno.ENOSPC, "a copy-up that does not fit"
    assert get(m / "big") == big and os.listdir(f"{m.work}/work") == [], "the lower shows, and nothing is left behind"

    def fill():
        with open(m / "filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))

    assert code(fill) == errno.ENOSPC
    assert os.stat(m / "filler").st_size > 512 << 10
    assert code(lambda: os.chmod(m / "big", 0o600)) == errno.ENOSPC
    assert get(m / "small") == b"small"
    os.unlink(m / "filler")
    # Its space is free when the kernel has told the daemon to forget it, which it does in its own time.
    while (room := os.statvfs(disk)).f_bavail * room.f_frsize < 512 << 10:
        time.sleep(0.01)
    os.truncate(m / "big", 10)  # copies what is left of it
    put(m / "small", b"fits again")
    os.unlink(m / "small")
    m.remount()
    assert get(m / "big") == big[:10] and os.listdir(m.at) == ["big"], "after a full disk all goes on"
    m.unmount()


def main():
    daemon = sys.argv[1]
    base = tempfile.mkdtemp(prefix="acetate-coherence.")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
    try:
        os.makedirs(f"{base}/lower/dir")
        put(f"{base}/lower/mapped", b"a" * 4 * PAGE)
        for name in ("locked", "locked2", "open"):
            put(f"{base}/lower/{name}", name.encode() * 4)
        put(f"{base}/lower/dir/kept", b"kept")
        m = Mount(daemon, base, f"{base}/lower")
        mappings(m)
        locks(m)
        handles(m)
        nested(m, base, daemon)
        on_top(m, base)
        idmapped(m, base)
        full_disk(base, daemon)
        m.unmount()
    finally:
        subprocess.run(["umount", "-R", "-l", base], check=False)
        os.rmdir(base)
    print("mappings, locks, handles, overlays on overlays, other owners, a full disk: as they should be")


if __name__ == "__main__":
    main()
