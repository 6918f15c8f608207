#!/usr/bin/env python3
"""What users of overlays in userspace were burnt by (docs/conformance.md), each as a few calls on a real mount, so that any daemon can be
asked for them. Says of each whether it is as it should be.

usage: troubles.py DAEMON        as root, in a mount namespace of its own; below $TMPDIR on a file system with attributes and lists
"""

import errno
import fcntl
import os
import stat
import struct
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20


class Mount:
    """A daemon over `lower`, which the test has filled; gone with the block."""

    def __init__(self, daemon, base, options=""):
        self.daemon, self.base, self.options = daemon, base, options
        self.lower, self.upper, self.work, self.at = (f"{base}/{name}" for name in ("lower", "upper", "work", "merged"))
        for path in (self.lower, self.upper, self.work, self.at):
            os.makedirs(path, exist_ok=True)

    def start(self, work=None, at=None, upper=None):
        line = f"lowerdir={self.lower},upperdir={upper or self.upper},workdir={work or self.work}{self.options}"
        daemon = subprocess.Popen([self.daemon, "-f", "-o", line, at or self.at], stderr=subprocess.DEVNULL)
        while not os.path.ismount(at or self.at):
            if daemon.poll() is not None:
                return None
            time.sleep(0.01)
        return daemon

    def __enter__(self):
        self.process = self.start()
        assert self.process is not None, "the daemon did not mount"
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.at], check=False)
        self.process.wait()

    def __truediv__(self, name):
        return f"{self.at}/{name}"

    def in_upper(self, name):
        return f"{self.upper}/{name}"

    def written(self):
        """Bytes the daemon has written, or had copied, since it began."""
        os.sync()
        return sum(st.st_blocks * 512 for st in (os.lstat(os.path.join(at, name)) for top in (self.upper, self.work)
                                                 for at, _, names in os.walk(top) for name in names))


def put(path, data=b"text"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def append(path, data=b"!"):
    with open(path, "ab", buffering=0) as file:
        file.write(data)


def code(call, *arguments):
    try:
        call(*arguments)
        return 0
    except OSError as error:
        return error.errno


def an_old_descriptor_follows_a_copy_up(m):
    put(f"{m.lower}/f", b"old" * 5000)
    with m, open(m / "f", "rb", buffering=0) as reader:
        reader.read(1)
        with open(m / "f", "r+b", buffering=0) as writer:
            writer.write(b"NEW" * 5000)
        os.posix_fadvise(reader.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(reader.fileno(), 15000, 0) == b"NEW" * 5000


def a_write_lands_at_the_name_it_was_made_by(m):
    put(f"{m.lower}/a")
    os.link(f"{m.lower}/a", f"{m.lower}/b")
    with m:
        os.stat(m / "b"), os.stat(m / "a")
        append(m / "a")
        assert os.path.exists(m.in_upper("a")) and get(m / "a") == b"text!"
        assert not os.path.exists(m.in_upper("b"))


def a_link_count_is_that_of_the_names(m):
    put(f"{m.lower}/a")
    os.link(f"{m.lower}/a", f"{m.lower}/b")
    os.link(f"{m.lower}/a", f"{m.lower}/c")
    with m:
        assert os.stat(m / "a").st_nlink == 3


def the_number_survives_a_copy_up(m):
    put(f"{m.lower}/f")
    with m:
        before = os.stat(m / "f").st_ino
        append(m / "f")
    with m:
        assert os.stat(m / "f").st_ino == before
        assert {entry.name: entry.inode() for entry in os.scandir(m.at)}["f"] == before


def nothing_is_copied_to_be_deleted(m):
    put(f"{m.lower}/big", os.urandom(8 * MIB))
    with m, open(m / "big", "rb"):
        os.unlink(m / "big")
        assert m.written() < MIB


def nothing_is_copied_to_be_emptied(m):
    put(f"{m.lower}/big", os.urandom(8 * MIB))
    with m:
        os.truncate(m / "big", 10)
        assert os.stat(m.in_upper("big")).st_size == 10
        with open(m / "big", "rb") as file:
            assert len(file.read()) == 10


def holes_stay_holes(m):
    with open(f"{m.lower}/sparse", "wb") as file:
        file.truncate(64 * MIB)
        file.seek(32 * MIB)
        file.write(b"x")
    with m:
        os.chmod(m / "sparse", 0o600)
        assert os.stat(m.in_upper("sparse")).st_blocks * 512 < MIB


def a_default_acl_is_inherited(m):
    os.makedirs(f"{m.lower}/d")
    entries = ((1, 7, -1), (2, 7, 4711), (4, 5, -1), (16, 7, -1), (32, 0, -1))  # user::, user:4711:, group::, mask::, other::
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(f"{m.lower}/d", "system.posix_acl_default", acl)
    with m:
        put(m / "d/f")
        os.mkdir(m / "d/sub")
        assert "system.posix_acl_access" in os.listxattr(m / "d/f")
        assert os.getxattr(m / "d/sub", "system.posix_acl_default") == acl


def nothing_is_inherited_from_the_work_directory(m):
    """xfstests' overlay/023: what is made there and moved away, copies above all, would take its default ACL and its group along."""
    entries = ((1, 7, -1), (2, 7, 4711), (4, 5, -1), (16, 7, -1), (32, 7, -1))
    os.setxattr(m.work, "system.posix_acl_default", struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries))
    os.chown(m.work, 0, 4711)
    os.chmod(m.work, 0o2755)
    for name in ("f", "dir/x", "gone/x"):
        put(f"{m.lower}/{name}")
    with m:
        append(m / "f")
        os.chmod(m / "dir", 0o700)
        os.unlink(m / "gone/x"), os.rmdir(m / "gone")
        os.mkdir(m / "gone")  # over a whiteout
        for name in ("f", "dir", "gone"):
            assert not [each for each in os.listxattr(m / name) if "posix_acl" in each], name
            st = os.stat(m / name)
            assert (st.st_gid, st.st_mode & stat.S_ISGID) == (0, 0), name


def a_directory_that_may_not_change_is_not_merely_full(m):
    """overlay/030"""
    def flag(path, value):
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, 0x40086602, struct.pack("l", value))  # FS_IOC_SETFLAGS
        finally:
            os.close(fd)
    for name in ("immutable/dir/f", "append/dir/f"):
        put(m.in_upper(name))
    flags = {m.in_upper("immutable"): 0x10, m.in_upper("append"): 0x20}
    try:
        for path, value in flags.items():
            flag(path, value)
        with m:
            for name in ("immutable", "append"):
                assert code(os.rmdir, m / name) == errno.EPERM, name
                assert code(os.rmdir, m / f"{name}/dir") == errno.EPERM, name
                os.mkdir(m / "new")
                assert code(os.rename, m / "new", m / f"{name}/dir") == errno.EPERM, name
                os.rmdir(m / "new")
    finally:
        for path in flags:
            flag(path, 0)


def a_copy_made_below_is_another_file(m):
    """overlay/059: two files of one number are one file for diff(1)."""
    put(f"{m.lower}/f")
    with m:
        append(m / "f")
    subprocess.run(["cp", "-a", m.in_upper("f"), m.in_upper("copied")], check=True)
    with m:
        assert os.stat(m / "copied").st_ino != os.stat(m / "f").st_ino


def a_setgid_directory_hands_its_group_down(m):
    os.makedirs(f"{m.lower}/d")
    os.chown(f"{m.lower}/d", 0, 4711)
    os.chmod(f"{m.lower}/d", 0o2777)
    with m:
        put(m / "d/f")
        os.mkdir(m / "d/sub")
        assert os.stat(m / "d/f").st_gid == 4711
        assert os.stat(m / "d/sub").st_gid == 4711 and os.stat(m / "d/sub").st_mode & stat.S_ISGID


def a_symlink_is_copied_up_with_its_owner_and_times(m):
    os.symlink("target", f"{m.lower}/l")
    os.chown(f"{m.lower}/l", 7, 8, follow_symlinks=False)
    os.utime(f"{m.lower}/l", (1000, 2000), follow_symlinks=False)
    with m:
        os.link(m / "l", m / "also", follow_symlinks=False)
        st = os.lstat(m / "also")
        assert (st.st_uid, st.st_gid, st.st_mtime) == (7, 8, 2000)


def a_fifo_is_copied_up_as_a_fifo(m):
    os.mkfifo(f"{m.lower}/p")
    with m:
        os.chmod(m / "p", 0o600)
        assert stat.S_ISFIFO(os.lstat(m / "p").st_mode)


def an_unlinked_file_has_no_link(m):
    put(f"{m.lower}/f")
    with m, open(m / "f", "r+b") as file:
        os.unlink(m / "f")
        assert os.fstat(file.fileno()).st_nlink == 0


def what_was_renamed_over_a_whiteout_and_unlinked_is_gone(m):
    put(f"{m.lower}/f")
    with m:
        os.unlink(m / "f")
        put(m / "new")
        os.rename(m / "new", m / "f")
        os.unlink(m / "f")
        assert not os.path.exists(m / "f")
    with m:
        assert not os.path.exists(m / "f")


def a_new_directory_hides_nothing(m):
    with m:
        os.mkdir(m / "d")
        assert os.listdir(m.in_upper("d")) == [] and not [name for name in os.listxattr(m.in_upper("d")) if "opaque" in name]


def a_work_directory_is_one_mounts(m):
    with m:
        for name in ("second", "upper2"):
            os.makedirs(f"{m.base}/{name}")
        again = m.start(at=f"{m.base}/second", upper=f"{m.base}/upper2")
        subprocess.run(["umount", "-l", f"{m.base}/second"], check=False, stderr=subprocess.DEVNULL)
        assert again is None


def a_moved_directory_of_the_kernels_overlay_is_followed(m):
    put(f"{m.lower}/was/f")
    os.makedirs(m.in_upper("is"))
    os.setxattr(m.in_upper("is"), "trusted.overlay.redirect", b"/was")
    os.setxattr(m.upper, "trusted.overlay.impure", b"y")
    os.setxattr(m.in_upper("is"), "trusted.overlay.origin", b"")
    with m:
        assert os.listdir(m / "is") == ["f"]


def a_name_and_its_whiteout_in_one_layer_is_the_name(m):
    put(f"{m.lower}/x")
    put(f"{m.lower}/.wh.x", b"")
    with m:
        assert os.path.exists(m / "x")


def an_overlay_inside_has_its_attributes(m):
    with m:
        os.mkdir(m / "d")
        assert code(os.setxattr, m / "d", "trusted.overlay.opaque", b"y") == 0
        assert os.getxattr(m / "d", "trusted.overlay.opaque") == b"y"


def nobody_makes_himself_a_file_of_roots(m):
    m.options = ",xattr_permissions=2"
    for directory in (m.lower, m.upper):
        os.setxattr(directory, "user.containers.override_stat", b"0:0:0755")
    put(f"{m.lower}/f")
    os.setxattr(f"{m.lower}/f", "user.containers.override_stat", b"1000:1000:0644")
    with m:
        code(os.setxattr, m / "f", "user.containers.override_stat", b"0:0:4755")
    with m:
        st = os.stat(m / "f")
        assert (st.st_uid, st.st_mode & 0o7777) == (1000, 0o644)


def suid_does_not_survive_a_truncation(m):
    put(f"{m.lower}/f")
    os.chmod(f"{m.lower}/f", 0o4777)
    with m:
        pid = os.fork()
        if pid == 0:
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)
            os._exit(code(os.truncate, m / "f", 1))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert os.stat(m / "f").st_mode & stat.S_ISUID == 0


def an_error_is_not_absence(m):
    """A name that is too long for the disk is no name that is not there."""
    with m:
        assert code(os.stat, m / ("n" * 256)) == errno.ENAMETOOLONG
        put(m / ("n" * 255))
        assert os.listdir(m.at) == ["n" * 255]


TROUBLES = [value for value in list(globals().values()) if callable(value) and getattr(value, "__code__", None)
            and value.__code__.co_varnames[:1] == ("m",) and value.__code__.co_argcount == 1]


def main():
    failed = 0
    for trouble in TROUBLES:
        with tempfile.TemporaryDirectory() as base:
            os.chmod(base, 0o755)
            try:
                trouble(Mount(sys.argv[1], base))
                print(f"ok   {trouble.__name__}", flush=True)
            except (AssertionError, OSError) as error:
                failed += 1
                print(f"FAIL {trouble.__name__}: {error}", flush=True)
    print(f"{len(TROUBLES)} troubles, {failed} of them there")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
