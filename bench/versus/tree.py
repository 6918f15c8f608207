"""The tree under test: a root filesystem tarball, spread over N layers, as directories and as tarballs.

The same tarball gives the same layers everywhere, so that directories made in a user namespace (whose owners are
shifted) and tarballs made outside show one tree.
"""
import os
import shutil
import subprocess
import zlib

# Directories deeper than this stay together, as a package's files do.
DEPTH = 4
# What every package manager's run leaves in its layer again.
SHIPPED_AGAIN = ("var/lib/dpkg/status", "etc/ld.so.cache")
SMALL = 16 << 10


def sh(command, **kwargs):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, **kwargs)


def unpack(tarball, into):
    os.makedirs(into)
    # A user namespace cannot make devices; nobody here needs them.
    sh(f"tar -xf {tarball} -C {into} --exclude=./dev/* --exclude=dev/*")
    for folder, folders, files in os.walk(into):  # what even its owner may not read would stop a walk without privilege
        if not os.access(folder, os.R_OK | os.X_OK):
            os.chmod(folder, 0o755)


def add_extras(whole, entries, large_mib):
    """What no Debian has: a directory of many entries and a large file."""
    os.makedirs(f"{whole}/bench/many")
    os.makedirs(f"{whole}/bench/mib")
    for i in range(entries):
        os.close(os.open(f"{whole}/bench/many/entry{i}", os.O_CREAT, 0o644))
    block = os.urandom(1 << 20)
    for i in range(32):
        with open(f"{whole}/bench/mib/{i}", "wb") as file:
            file.write(block)
    if large_mib:
        with open(f"{whole}/bench/large", "wb") as file:
            for _ in range(large_mib):
                file.write(block)


def lists(whole, out):
    """Names of the tree, for workloads that must not walk it first: every entry, small files, 1 MiB files."""
    everything, small = [], []
    for folder, folders, files in os.walk(whole):
        relative = os.path.relpath(folder, whole)
        if relative.startswith("bench"):
            folders.clear()
            continue
        prefix = "" if relative == "." else relative + "/"
        everything += [prefix + name for name in folders + files]
        for name in files:
            st = os.lstat(os.path.join(folder, name))
            if os.path.stat.S_ISREG(st.st_mode) and 0 < st.st_size <= SMALL and st.st_nlink == 1:
                small.append(prefix + name)
    everything.sort()
    # Spread over the tree, always the same; three sets that do not meet, one for each kind of copy-up.
    small.sort(key=lambda name: zlib.crc32(name.encode()))
    stays = [name for name in small if not name.startswith(("usr/share/doc/", "usr/bin/", "usr/sbin/", "usr/lib/", "etc/", "var/"))]
    sets = {"all": everything, "small": sorted(small[:8000]), "mib": [f"bench/mib/{i}" for i in range(32)],
            "write": stays[:500], "chmod": stays[500:1000], "unlink": stays[1000:1500], "few": sorted(stays)[:100]}
    for name, paths in sets.items():
        with open(f"{out}/{name}.list", "w") as file:
            file.writelines(path + "\n" for path in paths)


def spread(whole, base, layers):
    """Moves `whole` over base/l0 (top) to base/lN; directories keep owner, mode and times in each."""
    names = [f"l{i}" for i in range(layers)]
    directories = []
    for folder, folders, files in os.walk(whole):
        relative = os.path.relpath(folder, whole)
        directories.append(relative)
        number = zlib.crc32("/".join(relative.split("/")[:DEPTH]).encode()) % layers
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        target = f"{base}/{names[number]}/{relative}"
        if files or links or not folders:
            os.makedirs(target, exist_ok=True)
        for name in files + links:
            os.rename(os.path.join(folder, name), f"{target}/{name}")
    for name in names:
        os.makedirs(f"{base}/{name}", exist_ok=True)
        for path in SHIPPED_AGAIN:
            source = next((f"{base}/{other}/{path}" for other in names if os.path.isfile(f"{base}/{other}/{path}")), None)
            if source and not os.path.exists(f"{base}/{name}/{path}"):
                os.makedirs(os.path.dirname(f"{base}/{name}/{path}"), exist_ok=True)
                shutil.copy2(source, f"{base}/{name}/{path}")
    for relative in reversed(directories):  # children first: making them changes the times of parents
        st = os.lstat(f"{whole}/{relative}")
        for name in names:
            target = f"{base}/{name}/{relative}"
            if os.path.isdir(target):
                os.chown(target, st.st_uid, st.st_gid)
                os.chmod(target, st.st_mode & 0o7777)
                os.utime(target, ns=(st.st_atime_ns, st.st_mtime_ns))
    shutil.rmtree(whole)
    return names


def pack(base, names):
    """base/lN.tar.gz of every layer."""
    for name in names:
        sh(f"tar --numeric-owner --xattrs -C {base}/{name} -cf - . | gzip -1 >{base}/{name}.tar.gz")


def prepare(job):
    """One privilege's copy of everything, below job['base']; run inside the namespace that will mount it."""
    base = job["base"]
    os.makedirs(base, exist_ok=True)
    os.chmod(base, 0o755)
    unpack(job["tree"], f"{base}/whole")
    add_extras(f"{base}/whole", job["entries"], job["large_mib"])
    lists(f"{base}/whole", base)
    if job["plain"]:
        sh(f"cp -a {base}/whole {base}/plain")
    names = spread(f"{base}/whole", base, job["layers"])
    if job["pack"]:
        pack(base, names)
    return names
