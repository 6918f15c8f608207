#!/usr/bin/env python3
"""Random reads, writes, truncations, allocations and copies of files that begin in a lower layer, through descriptors and mappings of which some were
there before the copy-up; every byte that is read is compared with what it has to be. At the end the upper's files are, and those of the next mount.

usage: random_io.py DAEMON [--ops N] [--seed S] [-o OPTIONS]        in a mount namespace of its own
"""

import argparse
import ctypes
import mmap
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

LARGEST = 1 << 18
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, offset, length) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class File:
    """One file, what it has to hold, and the ways to it."""

    def __init__(self, path, rng):
        self.path, self.rng = path, rng
        with open(path, "rb") as file:
            self.right = bytearray(file.read())
        # From before anybody writes: these must see what is written all the same.
        self.old = os.open(path, os.O_RDONLY)
        self.old_map = mmap.mmap(self.old, len(self.right), prot=mmap.PROT_READ)
        self.old_map[: len(self.right)]
        self.fd = os.open(path, os.O_RDWR)
        self.done = []

    def span(self, inside):
        """A place and a length; `inside` what there is, or anywhere a file may reach."""
        end = len(self.right) if inside else LARGEST
        offset = self.rng.randrange(end) if end else 0
        return offset, min(self.rng.choice([1, 7, 512, 4096, 5000, 65536, 131072]), end - offset)

    def check(self, got, offset, length, by):
        wanted = bytes(self.right[offset : offset + length])
        if got == wanted:
            return
        where = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        raise AssertionError(f"{self.path} by {by}: {len(got)} bytes of {len(wanted)}, different from {offset + where:#x} on; before: {self.done[-12:]}")

    def grow(self, end):
        if end > len(self.right):
            self.right.extend(bytes(end - len(self.right)))

    def read(self):
        offset, length = self.span(True)
        self.check(os.pread(self.fd, length, offset), offset, length, "the descriptor that writes")

    def read_old(self):
        offset, length = self.span(True)
        self.check(os.pread(self.old, length, offset), offset, length, "the descriptor from before")

    def read_anew(self):
        with open(self.path, "rb") as file:
            self.check(file.read(), 0, len(self.right), "a new descriptor")

    def map_old(self):
        offset, length = self.span(True)
        length = min(length, max(len(self.old_map) - offset, 0))
        self.check(self.old_map[offset : offset + length], offset, length, "the mapping from before")

    def map_read(self):
        if self.right:
            offset, length = self.span(True)
            with mmap.mmap(self.fd, len(self.right), prot=mmap.PROT_READ) as at:
                self.check(at[offset : offset + length], offset, length, "a mapping")

    def map_write(self):
        if self.right:
            offset, length = self.span(True)
            data = self.rng.randbytes(length)
            with mmap.mmap(self.fd, len(self.right)) as at:
                at[offset : offset + length] = data
                if self.rng.random() < 0.3:
                    at.flush()
            self.right[offset : offset + length] = data

    def write(self):
        offset, length = self.span(False)
        data = self.rng.randbytes(length)
        assert os.pwrite(self.fd, data, offset) == length
        self.grow(offset + length)
        self.right[offset : offset + length] = data

    def truncate(self):
        size = self.rng.choice([0, self.rng.randrange(LARGEST), self.rng.randrange(LARGEST), self.rng.randrange(LARGEST)])
        if self.rng.random() < 0.5:
            os.ftruncate(self.fd, size)
        else:
            os.truncate(self.path, size)
        del self.right[size:]
        self.grow(size)

    def allocate(self):
        offset, length = self.span(False)
        mode = self.rng.choice([0, KEEP_SIZE])
        fallocate(self.fd, mode, offset, length)
        if mode == 0:
            self.grow(offset + length)

    def make_hole(self):
        offset, length = self.span(False)
        mode = self.rng.choice([PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE])
        fallocate(self.fd, mode, offset, length)
        if mode == ZERO_RANGE:
            self.grow(offset + length)
        end = min(offset + length, len(self.right))
        if end > offset:
            self.right[offset:end] = bytes(end - offset)

    def copy_range(self):
        offset, length = self.span(True)
        to = self.rng.randrange(LARGEST)
        length = min(length, LARGEST - to)
        if length == 0 or abs(to - offset) < length:
            return
        copied = os.copy_file_range(self.fd, self.fd, length, offset, to)
        assert 0 < copied <= length
        data = bytes(self.right[offset : offset + copied])
        self.grow(to + copied)
        self.right[to : to + copied] = data

    def reopen(self):
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    def sync(self):
        os.fsync(self.rng.choice([self.fd, self.old]))

    def drop_cache(self):
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def stat(self):
        for size in (os.fstat(self.fd).st_size, os.fstat(self.old).st_size, os.stat(self.path).st_size, os.lseek(self.fd, 0, os.SEEK_END)):
            assert size == len(self.right), f"{self.path}: {size} bytes, and not {len(self.right)}; before: {self.done[-12:]}"

    WEIGHTS = {"read": 6, "read_old": 6, "read_anew": 1, "map_old": 6, "map_read": 5, "map_write": 6, "write": 8, "truncate": 3, "allocate": 2, "make_hole": 3,
               "copy_range": 3, "reopen": 1, "sync": 1, "drop_cache": 2, "stat": 3}  # fmt: skip

    def step(self):
        name = self.rng.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
        self.done.append(name)
        getattr(self, name)()

    def close(self):
        self.old_map.close()
        os.close(self.old)
        os.close(self.fd)


def mount(daemon, base, options):
    words = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work" + (f",{options}" if options else "")
    process = subprocess.Popen([daemon, "-f", "-o", words, f"{base}/merged"])
    while not os.path.ismount(f"{base}/merged"):
        assert process.poll() is None, "the daemon ended before it had mounted"
        time.sleep(0.01)
    return process


def unmount(base, process):
    subprocess.run(["umount", f"{base}/merged"], check=True)
    assert process.wait() == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("daemon")
    parser.add_argument("--ops", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("-o", dest="options", default="")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed} (repeat with --seed {seed} --ops {asked.ops} -o '{asked.options}')", flush=True)
    rng = random.Random(seed)
    base = tempfile.mkdtemp(prefix="acetate-random-io.")
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{base}/{name}")
    for number in range(asked.files):
        with open(f"{base}/lower/{number}", "wb") as file:
            file.write(rng.randbytes(rng.randrange(1, LARGEST)))
    process, files = mount(asked.daemon, base, asked.options), []
    try:
        files = [File(f"{base}/merged/{number}", rng) for number in range(asked.files)]
        for _ in range(asked.ops):
            rng.choice(files).step()
        for file in files:
            file.read_anew()
            file.close()
        unmount(base, process)
        process = None
        for number, file in enumerate(files):
            if os.path.exists(f"{base}/upper/{number}"):
                with open(f"{base}/upper/{number}", "rb") as upper:
                    file.check(upper.read(), 0, len(file.right), "the upper")
        process = mount(asked.daemon, base, asked.options)
        for file in files:
            file.read_anew()
    finally:
        if process is not None:
            subprocess.run(["umount", "-l", f"{base}/merged"], check=False)
            process.wait()
        shutil.rmtree(base, ignore_errors=True)
    print(f"{asked.ops} operations on {asked.files} files: every byte as it has to be")


if __name__ == "__main__":
    sys.exit(main())
