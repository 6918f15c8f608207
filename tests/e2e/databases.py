#!/usr/bin/env python3
"""Databases that builds rewrite (rpm's and dnf's are SQLite's, with a rollback journal and with a write-ahead log; dpkg's is text), over
many steps: in each the layers below are those of the steps before, so that every database begins in a lower layer. After each round
all who read it, also those that had it open or mapped before it was copied up, see byte for byte what the same rounds make of it on the
plain disk; so does the upper directory after each step.

usage: databases.py FUSE-OVERLAY [--rounds 200] [--seed N] [-o OPTION[,OPTION]]...
"""

import argparse
import mmap
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time

ROUNDS_A_STEP = 10
ROWS = 300


def get(path):
    with open(path, "rb") as file:
        return file.read()


def whatever(dice):
    """A value: most fit into a page, some take a dozen."""
    return dice.randbytes(dice.choice((40, 300, 900, 900, 5000, 50000)))


def make(directory, dice):
    for name, journal in (("rpmdb.sqlite", "delete"), ("history.sqlite", "wal")):
        database = sqlite3.connect(f"{directory}/{name}")
        database.execute(f"pragma journal_mode={journal}")
        database.execute("pragma synchronous=off")
        database.execute("create table packages (hnum integer primary key, blob blob)")
        database.execute("create table names (name text, hnum integer)")
        database.execute("create index by_name on names (name)")
        rows = [(number, whatever(dice)) for number in range(ROWS)]
        database.executemany("insert into packages values (?, ?)", rows)
        database.executemany("insert into names values (?, ?)", [(f"package-{dice.random()}", number) for number, _ in rows])
        database.commit()
        database.close()
    admin = f"{directory}/dpkg"
    for sub in ("info", "updates", "triggers"):
        os.makedirs(f"{admin}/{sub}")
    with open(f"{admin}/status", "w") as status:
        for number in range(ROWS):
            status.write(f"Package: package-{number}\nStatus: install ok installed\nMaintainer: nobody <nobody@example.org>\n"
                         f"Architecture: all\nVersion: {number}-1\nDescription: {'long ' * (1 + number % 90)}\n\n")
    open(f"{admin}/available", "w").close()


def rewrite_sqlite(path, seed, careful):
    """One transaction, always the same for a seed, and now and then everything anew."""
    dice = random.Random(seed)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"pragma synchronous={'full' if careful else 'off'}")
    database.execute("begin immediate")
    for _ in range(12):
        number = dice.randrange(ROWS)
        database.execute("delete from names where hnum = ?", (number,))
        database.execute("insert or replace into packages values (?, ?)", (number, whatever(dice)))
        database.execute("insert into names values (?, ?)", (f"package-{dice.random()}", number))
    for _ in range(3):
        database.execute("delete from packages where hnum = ?", (dice.randrange(ROWS),))
    database.execute("commit")
    if seed % 40 == 7:
        database.execute("vacuum")
    database.execute("pragma wal_checkpoint(truncate)")
    found = database.execute("pragma integrity_check").fetchone()[0]
    database.close()
    assert found == "ok", f"{path}: {found}"


def rewrite_dpkg(admin, seed):
    dice = random.Random(seed)
    wanted = "".join(f"package-{dice.randrange(ROWS)}\t{dice.choice(('hold', 'install', 'deinstall'))}\n" for _ in range(20))
    subprocess.run(["dpkg", f"--admindir={admin}", "--force-not-root", "--set-selections"], input=wanted, text=True, check=True)


class Reader:
    """Who has had a file open and mapped since before it was written."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb", buffering=0)
        self.map = mmap.mmap(self.file.fileno(), 0, prot=mmap.PROT_READ)
        self.map[0], self.map[len(self.map) // 2]  # some of its pages are there

    def look(self, wanted):
        """Asks the file system, not the cache: what comes back is in the cache of everybody then."""
        os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        found = os.pread(self.file.fileno(), len(wanted) + 1, 0)
        assert found == wanted, f"an old descriptor of {self.path}: {difference(found, wanted)}"

    def end(self, wanted):
        """Of a file that was made smaller the mapping's last pages are gone."""
        size = min(len(self.map), len(wanted))
        found = self.map[:size]
        assert found == wanted[:size], f"an old mapping of {self.path}: {difference(found, wanted[:size])}"
        self.map.close()
        self.file.close()


def difference(found, wanted):
    if len(found) != len(wanted):
        return f"{len(found)} bytes instead of {len(wanted)}"
    pages = [at // 4096 for at in range(0, len(wanted), 4096) if found[at:at + 4096] != wanted[at:at + 4096]]
    return f"pages {pages[:10]} of {len(wanted) // 4096} are wrong"


class Step:
    """One mount over all there is so far."""

    def __init__(self, daemon, base, lowers, number, options):
        self.upper, work, self.at = f"{base}/upper{number}", f"{base}/work{number}", f"{base}/merged"
        for path in (self.upper, work, self.at):
            os.makedirs(path, exist_ok=True)
        line = f"lowerdir={':'.join(lowers)},upperdir={self.upper},workdir={work}"
        self.process = subprocess.Popen([daemon, "-f", "-o", ",".join([line, *options]), self.at])
        while not os.path.ismount(self.at):
            assert self.process.poll() is None, "the daemon ended before it had mounted"
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:  # somebody may have something open
            subprocess.run(["umount", "-l", self.at])
            self.process.kill()
            self.process.wait()
        else:
            subprocess.run(["umount", self.at], check=True)
            assert self.process.wait() == 0


DATABASES = ("rpmdb.sqlite", "history.sqlite", "dpkg/status")


def rounds_of(step, plain, rounds, seed):
    """They are read by somebody old throughout, and by somebody new each time."""
    readers = [Reader(f"{step.at}/{name}") for name in DATABASES[:2]]  # dpkg's file is another one each time
    for number in rounds:
        for directory, careful in ((plain, False), (step.at, number % 5 == 0)):
            for name in DATABASES[:2]:
                rewrite_sqlite(f"{directory}/{name}", seed + number, careful)
            rewrite_dpkg(f"{directory}/dpkg", seed + number)
        for name in DATABASES:
            found, wanted = get(f"{step.at}/{name}"), get(f"{plain}/{name}")
            assert found == wanted, f"round {number}, {name}: {difference(found, wanted)}"
        for reader, name in zip(readers, DATABASES):
            reader.look(get(f"{plain}/{name}"))
    for reader, name in zip(readers, DATABASES):
        reader.end(get(f"{plain}/{name}"))


def run(daemon, base, count, seed, options):
    lower, plain = f"{base}/lower", f"{base}/plain"
    os.makedirs(lower)
    make(lower, random.Random(seed))
    shutil.copytree(lower, plain)
    lowers = [lower]
    for number, begin in enumerate(range(0, count, ROUNDS_A_STEP)):
        with Step(daemon, base, lowers, number, options) as step:
            rounds_of(step, plain, range(begin, min(begin + ROUNDS_A_STEP, count)), seed)
        for name in DATABASES:
            found, wanted = get(f"{step.upper}/{name}"), get(f"{plain}/{name}")
            assert found == wanted, f"after step {number}, {name} in the upper: {difference(found, wanted)}"
        lowers.insert(0, step.upper)
    print(f"{count} rounds in {len(lowers) - 1} steps with {','.join(options) or 'no options'}: no wrong page")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("daemon")
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    arguments.add_argument("-o", dest="options", action="append", default=[])
    asked = arguments.parse_args()
    print(f"seed {asked.seed}", flush=True)
    for options in asked.options or [""]:
        with tempfile.TemporaryDirectory() as base:
            run(asked.daemon, base, asked.rounds, asked.seed, [option for option in options.split(",") if option])


if __name__ == "__main__":
    main()
