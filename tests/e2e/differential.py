#!/usr/bin/env python3
"""Thousands of random operations, the same on ours and on the kernel's overlayfs: equal answers, equal trees.

Both mounts share their lower layers and have an upper of their own. Every operation is done on both and must
give the same result or the same errno; at the end the trees are compared, and then each upper is mounted by the
other implementation and compared again. The seed is printed; --seed repeats a run.

With --index both keep an index of hard links (index=on), of which the lower layers have more, and each upper is mounted
again by the implementation that wrote it: neither reads the other's index.

Needs to be root, or root in a user namespace (then the kernel's side is mounted with userxattr).
Exit code 77: what the comparison needs is not there (the last line says what).
"""
import argparse
import ctypes
import errno
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE = 1, 2
AT_FDCWD = -100


def skip(why):
    print(why)
    sys.exit(77)


def renameat2(old, new, flags):
    if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


class Side:
    """One of the two mounts: its root, and the handles it has open."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.files = {}

    def path(self, relative):
        return os.path.join(self.root, relative)


# --- what an operation answers: a value to compare, or an errno

def describe(st, with_mtime):
    kind = stat.S_IFMT(st.st_mode)
    told = {"mode": oct(st.st_mode), "uid": st.st_uid, "gid": st.st_gid}
    if kind != stat.S_IFDIR:
        told["nlink"] = st.st_nlink
        told["size"] = st.st_size
    if with_mtime:
        told["mtime"] = st.st_mtime_ns
    return told


OPERATIONS = {}


def operation(weight):
    def register(function):
        OPERATIONS[function.__name__] = (function, weight)
        return function
    return register


@operation(6)
def create(side, path, mode, data):
    fd = os.open(side.path(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        return os.write(fd, data)
    finally:
        os.close(fd)


@operation(8)
def write_at(side, path, offset, data):
    fd = os.open(side.path(path), os.O_WRONLY)
    try:
        return os.pwrite(fd, data, offset), os.fstat(fd).st_size
    finally:
        os.close(fd)


@operation(4)
def append(side, path, data):
    fd = os.open(side.path(path), os.O_WRONLY | os.O_APPEND)
    try:
        return os.write(fd, data), os.fstat(fd).st_size
    finally:
        os.close(fd)


@operation(3)
def rewrite(side, path, data):
    fd = os.open(side.path(path), os.O_WRONLY | os.O_TRUNC)
    try:
        return os.write(fd, data), os.fstat(fd).st_size
    finally:
        os.close(fd)


@operation(3)
def truncate(side, path, size):
    os.truncate(side.path(path), size)
    return os.stat(side.path(path)).st_size


@operation(6)
def read(side, path):
    with open(side.path(path), "rb") as file:
        return file.read()


@operation(6)
def look(side, path):
    return describe(os.lstat(side.path(path)), with_mtime=False)


@operation(5)
def names(side, path):
    return sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in os.scandir(side.path(path)))


@operation(5)
def inode_numbers(side, path):
    """d_ino equals st_ino, for each entry."""
    return [e.name for e in os.scandir(side.path(path)) if e.inode() != os.lstat(e.path).st_ino and not e.is_dir()]


@operation(5)
def mkdir(side, path, mode):
    os.mkdir(side.path(path), mode)


@operation(4)
def rmdir(side, path):
    os.rmdir(side.path(path))


@operation(7)
def unlink(side, path):
    os.unlink(side.path(path))


@operation(8)
def rename(side, path, other):
    os.rename(side.path(path), side.path(other))


@operation(3)
def rename_noreplace(side, path, other):
    renameat2(side.path(path), side.path(other), NOREPLACE)


@operation(3)
def rename_exchange(side, path, other):
    renameat2(side.path(path), side.path(other), EXCHANGE)


@operation(4)
def link(side, path, other):
    os.link(side.path(path), side.path(other), follow_symlinks=False)


@operation(3)
def symlink(side, path, target):
    os.symlink(target, side.path(path))


@operation(2)
def readlink(side, path):
    return os.readlink(side.path(path))


@operation(1)
def mkfifo(side, path, mode):
    os.mkfifo(side.path(path), mode)


@operation(5)
def chmod(side, path, mode):
    os.chmod(side.path(path), mode)
    return oct(os.stat(side.path(path)).st_mode)


@operation(3)
def chown(side, path, uid, gid):
    os.lchown(side.path(path), uid, gid)
    return describe(os.lstat(side.path(path)), with_mtime=False)


@operation(3)
def utime(side, path, ns):
    os.utime(side.path(path), ns=(ns, ns), follow_symlinks=False)
    return os.lstat(side.path(path)).st_mtime_ns


@operation(4)
def setxattr(side, path, name, value):
    os.setxattr(side.path(path), name, value, follow_symlinks=False)


@operation(2)
def removexattr(side, path, name):
    os.removexattr(side.path(path), name, follow_symlinks=False)


@operation(3)
def xattrs(side, path):
    full = side.path(path)
    found = (n for n in os.listxattr(full, follow_symlinks=False) if n.startswith(("user.", "security.cap")))
    return sorted((n, os.getxattr(full, n, follow_symlinks=False)) for n in found)


@operation(4)
def open_handle(side, path, slot, flags):
    old = side.files.pop(slot, None)
    if old is not None:
        os.close(old)
    side.files[slot] = os.open(side.path(path), flags)


@operation(6)
def handle_read(side, slot, offset, size):
    return os.pread(side.files[slot], size, offset) if slot in side.files else "closed"


@operation(6)
def handle_write(side, slot, offset, data):
    return os.pwrite(side.files[slot], data, offset) if slot in side.files else "closed"


@operation(3)
def handle_stat(side, slot):
    return describe(os.fstat(side.files[slot]), with_mtime=False) if slot in side.files else "closed"


@operation(2)
def handle_truncate(side, slot, size):
    return os.ftruncate(side.files[slot], size) if slot in side.files else "closed"


@operation(2)
def handle_chmod(side, slot, mode):
    if slot not in side.files:
        return "closed"
    # What was removed from a lower while it was open the kernel's overlay wants to copy up: ENOTDIR of a directory, and EEXIST of a file,
    # whose name a whiteout has by then.
    if os.readlink(f"/proc/self/fd/{side.files[slot]}").endswith(" (deleted)"):
        return "gone"
    return os.fchmod(side.files[slot], mode)


@operation(1)
def handle_sync(side, slot):
    return os.fsync(side.files[slot]) if slot in side.files else "closed"


@operation(3)
def list_while_changing(side, path, extra):
    """Names that were there all the time come exactly once while others come and go."""
    full = side.path(path)
    before = {name for name in os.listdir(full)}
    seen = []
    with os.scandir(full) as entries:
        for count, entry in enumerate(entries):
            seen.append(entry.name)
            if count == 1:
                for i in range(3):
                    os.close(os.open(os.path.join(full, f"{extra}{i}"), os.O_CREAT | os.O_WRONLY, 0o600))
    for i in range(3):
        os.unlink(os.path.join(full, f"{extra}{i}"))
    old = [name for name in seen if name in before]
    return sorted(old) == sorted(before), len(old) == len(set(old))


# --- making arguments

class Maker:
    NAMES = ["a", "b", "c", "d", "e", "f", "sub", "x1", "x2", "ü", "long" * 20]

    def __init__(self, rng, privileged_ids):
        self.rng = rng
        self.ids = [0, 0, 1, 1000] if privileged_ids else [0]

    def path(self, depth=3):
        return "/".join(self.rng.choice(self.NAMES) for _ in range(self.rng.randint(1, depth)))

    def directory(self):
        return "/".join(self.rng.choice(self.NAMES) for _ in range(self.rng.randint(0, 2))) or "."

    def data(self):
        size = self.rng.choice([0, 1, 7, 100, 4096, 5000, 70000])
        return self.rng.randbytes(size)

    def arguments(self, name):
        r = self.rng
        mode = r.choice([0o600, 0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o000, 0o444, 0o700])
        offset = r.choice([0, 1, 4095, 4096, 10000, 200000])
        return {
            "create": lambda: (self.path(), mode, self.data()),
            "write_at": lambda: (self.path(), offset, self.data()),
            "append": lambda: (self.path(), self.data()),
            "rewrite": lambda: (self.path(), self.data()),
            "truncate": lambda: (self.path(), r.choice([0, 1, 3000, 4096, 123456])),
            "names": lambda: (self.directory(),),
            "inode_numbers": lambda: (self.directory(),),
            "mkdir": lambda: (self.path(), mode | 0o700),
            "rename": lambda: (self.path(), self.path()),
            "rename_noreplace": lambda: (self.path(), self.path()),
            "rename_exchange": lambda: (self.path(), self.path()),
            "link": lambda: (self.path(), self.path()),
            "symlink": lambda: (self.path(), r.choice(["a", "../b", "/nowhere/absolute", "x" * 200, "dangling"])),
            "mkfifo": lambda: (self.path(), mode),
            "chmod": lambda: (self.path(), mode),
            "chown": lambda: (self.path(), r.choice(self.ids), r.choice(self.ids)),
            "utime": lambda: (self.path(), r.choice([0, 1, 10**9, 1700000000123456789, -5 * 10**9])),
            "setxattr": lambda: (self.path(), r.choice(["user.a", "user.b"]), self.data()[:200]),
            "removexattr": lambda: (self.path(), r.choice(["user.a", "user.b"])),
            "open_handle": lambda: (self.path(), r.randint(0, 5),
                                    r.choice([os.O_RDONLY, os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND,
                                              os.O_RDWR | os.O_TRUNC]) | os.O_NONBLOCK),
            "handle_read": lambda: (r.randint(0, 5), offset, 5000),
            "handle_write": lambda: (r.randint(0, 5), offset, self.data()),
            "handle_stat": lambda: (r.randint(0, 5),),
            "handle_truncate": lambda: (r.randint(0, 5), r.choice([0, 1, 3000, 4096, 123456])),
            "handle_chmod": lambda: (r.randint(0, 5), mode),
            "handle_sync": lambda: (r.randint(0, 5),),
            "list_while_changing": lambda: (self.directory(), f".new{r.randint(0, 9)}-"),
        }.get(name, lambda: (self.path(),))()


def attempt(function, side, arguments):
    try:
        return function(side, *arguments)
    except OSError as error:
        return f"errno {errno.errorcode.get(error.errno, error.errno)}"


# Opening a fifo nobody reads blocks or says ENXIO; both sides would, but a blocked test tells nobody anything.
OPENING = {"write_at", "append", "rewrite", "read", "truncate"}


def same_file(side, path, other):
    try:
        return os.path.samestat(os.lstat(side.path(path)), os.lstat(side.path(other)))
    except OSError:
        return False


def is_fifo(side, path):
    try:
        return stat.S_ISFIFO(os.stat(side.path(path)).st_mode)
    except OSError:
        return False


# --- trees

def tree(root, lower_times):
    """Everything a stat, a read and a listing tell. Times only of what nobody touched: the two sides differ in
    the moment of every change."""
    told = {}
    links = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            full = os.path.join(folder, name)
            relative = os.path.relpath(full, root)
            st = os.lstat(full)
            entry = describe(st, with_mtime=relative in lower_times and lower_times[relative] == st.st_mtime_ns)
            if stat.S_ISREG(st.st_mode):
                with open(full, "rb") as file:
                    entry["data"] = hash(file.read())
                if st.st_nlink > 1:
                    links.setdefault(st.st_ino, []).append(relative)
            elif stat.S_ISLNK(st.st_mode):
                entry["target"] = os.readlink(full)
            entry["xattrs"] = sorted((n, os.getxattr(full, n, follow_symlinks=False))
                                     for n in os.listxattr(full, follow_symlinks=False) if n.startswith("user."))
            told[relative] = entry
    return told


def differences(a, b):
    out = []
    for path in sorted(set(a) | set(b)):
        if a.get(path) != b.get(path):
            out.append(f"{path}: kernel {a.get(path)} ours {b.get(path)}")
    return out


def populate(lowers, rng, privileged_ids, linked):
    """Lower layers with everything an image has, the same name often in several."""
    maker = Maker(rng, privileged_ids)
    for layer in lowers:
        os.makedirs(layer)
        for _ in range(60):
            path = os.path.join(layer, maker.path(3))
            try:
                kind = rng.randint(0, 9)
                if kind < 4:
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "wb") as file:
                        file.write(maker.data())
                    os.chmod(path, rng.choice([0o644, 0o755, 0o4755, 0o600, 0o444]))
                    if rng.random() < 0.3:
                        os.setxattr(path, "user.a", b"from the lower")
                elif kind < 7:
                    os.makedirs(path, exist_ok=True)
                elif kind == 7:
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    os.symlink(rng.choice(["a", "../b", "nowhere"]), path)
                elif kind == 8 and os.path.isfile(path) and not (linked and os.path.islink(path)):  # our index is of files
                    os.link(path, path + "-link")
                os.utime(path, ns=(10**18, 10**18 + rng.randint(0, 10**9)), follow_symlinks=False)
                os.lchown(path, rng.choice(maker.ids), rng.choice(maker.ids))
            except OSError:
                pass  # the name is taken by another kind: the next draw will do
        files = [os.path.join(folder, name) for folder, _, names in os.walk(layer) for name in sorted(names)]
        for _ in range(linked):
            path, of = os.path.join(layer, maker.path(3)), rng.choice(files)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if os.path.isfile(of) and not os.path.islink(of):
                    os.link(of, path)
            except OSError:
                pass


def times_of(root):
    return {os.path.relpath(os.path.join(folder, name), root): os.lstat(os.path.join(folder, name)).st_mtime_ns
            for folder, folders, files in os.walk(root) for name in folders + files}


class Mounts:
    def __init__(self, program, base, lowers, userxattr, index):
        self.program, self.base, self.lowers, self.userxattr = program, base, lowers, userxattr
        self.index = "on" if index else "off"
        self.daemons = []

    def kernel(self, upper, work, target):
        os.makedirs(target, exist_ok=True)
        options = f"lowerdir={':'.join(self.lowers)},upperdir={upper},workdir={work}"
        options += ",userxattr" if self.userxattr else ",redirect_dir=off,metacopy=off,xino=off"
        options += f",index={self.index}"
        done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, target], capture_output=True, text=True)
        if done.returncode != 0:
            skip(f"the kernel's overlayfs cannot be mounted here: {done.stderr.strip()}")

    def ours(self, upper, work, target):
        os.makedirs(target, exist_ok=True)
        options = f"lowerdir={':'.join(self.lowers)},upperdir={upper},workdir={work},index={self.index}"
        subprocess.run([self.program, "-o", options, target], check=True)

    def unmount(self, target):
        subprocess.run(["umount", target], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", help="fuse-overlay")
    parser.add_argument("--ops", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--index", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0:
        skip("needs to be root, or root in a user namespace")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse cannot be opened")
    with open("/proc/self/uid_map") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    in_userns = mapped < 2**32 - 1
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed} (repeat with --seed {seed} --ops {options.ops})", flush=True)
    rng = random.Random(seed)
    os.umask(0o022)

    base = tempfile.mkdtemp(prefix="acetate-differential.")
    failed = []
    mounted = []
    try:
        lowers = [f"{base}/lower{i}" for i in range(options.layers)]
        populate(lowers, rng, privileged_ids=mapped > 1000, linked=40 if options.index else 0)
        mounts = Mounts(options.program, base, lowers, in_userns, options.index)
        for side in ("kernel", "ours"):
            os.makedirs(f"{base}/{side}/upper")
            os.makedirs(f"{base}/{side}/work")
        mounts.kernel(f"{base}/kernel/upper", f"{base}/kernel/work", f"{base}/kernel/merged")
        mounted.append(f"{base}/kernel/merged")
        mounts.ours(f"{base}/ours/upper", f"{base}/ours/work", f"{base}/ours/merged")
        mounted.append(f"{base}/ours/merged")
        lower_times = times_of(f"{base}/kernel/merged")
        kernel = Side("kernel", f"{base}/kernel/merged")
        ours = Side("ours", f"{base}/ours/merged")
        failed += [f"before any operation: {d}" for d in differences(tree(kernel.root, lower_times), tree(ours.root, lower_times))]

        maker = Maker(rng, mapped > 1000)
        functions = list(OPERATIONS)
        weights = [OPERATIONS[name][1] for name in functions]
        for number in range(options.ops):
            if failed:
                break
            name = rng.choices(functions, weights)[0]
            arguments = maker.arguments(name)
            if name in OPENING and is_fifo(kernel, arguments[0]):
                continue
            function = OPERATIONS[name][0]
            to_itself = name.startswith("rename") and same_file(ours, *arguments)
            theirs, mine = attempt(function, kernel, arguments), attempt(function, ours, arguments)
            shown = tuple(a if not isinstance(a, bytes) else f"<{len(a)} bytes>" for a in arguments)
            if options.verbose:
                print(number, name, shown, theirs if not isinstance(theirs, bytes) else f"<{len(theirs)} bytes>", flush=True)
            if name == "inode_numbers":  # the kernel without xino need not keep this promise; we do
                theirs = [] if isinstance(theirs, list) else theirs
            # Of two links to one file the kernel's overlay may hold two inodes, and then cannot rename one to the other.
            if to_itself and theirs == "errno ESTALE":
                theirs = mine
            if theirs != mine:
                failed.append(f"operation {number} {name}{shown}: kernel {theirs!r:.300} ours {mine!r:.300}")
            elif number % 500 == 499:
                failed += [f"after {number + 1} operations: {d}" for d in
                           differences(tree(kernel.root, lower_times), tree(ours.root, lower_times))]
        for side in (kernel, ours):
            for fd in side.files.values():
                os.close(fd)
        final_kernel, final_ours = tree(kernel.root, lower_times), tree(ours.root, lower_times)
        if not failed:
            failed += [f"at the end: {d}" for d in differences(final_kernel, final_ours)]
        while mounted:
            mounts.unmount(mounted.pop())

        if not failed and options.index:  # each at its next mount
            mounts.kernel(f"{base}/kernel/upper", f"{base}/kernel/work", f"{base}/again-kernel")
            mounted.append(f"{base}/again-kernel")
            mounts.ours(f"{base}/ours/upper", f"{base}/ours/work", f"{base}/again-ours")
            mounted.append(f"{base}/again-ours")
            failed += [f"mounted again: {d}" for d in
                       differences(tree(f"{base}/again-kernel", lower_times), tree(f"{base}/again-ours", lower_times))]
        elif not failed:  # each upper under the other implementation
            mounts.kernel(f"{base}/ours/upper", f"{base}/ours/work", f"{base}/crossed-kernel")
            mounted.append(f"{base}/crossed-kernel")
            failed += [f"our upper under the kernel: {d}" for d in differences(tree(f"{base}/crossed-kernel", lower_times), final_ours)]
            mounts.ours(f"{base}/kernel/upper", f"{base}/kernel/work", f"{base}/crossed-ours")
            mounted.append(f"{base}/crossed-ours")
            failed += [f"the kernel's upper under ours: {d}" for d in differences(final_kernel, tree(f"{base}/crossed-ours", lower_times))]
    finally:
        for target in reversed(mounted):
            subprocess.run(["umount", "-l", target], check=False)
        if not failed:
            shutil.rmtree(base, ignore_errors=True)
    for line in failed[:20]:
        print(line)
    print(f"{options.ops} operations, {len(failed)} differences" + (f"; kept {base}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
