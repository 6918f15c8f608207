#!/bin/sh
# A layer read in place shows the tree that GNU tar, bsdtar and umoci make when they unpack it: types, modes, owners, times, hard
# links, targets, devices, attributes and every byte. Of a tree with something of everything, packed by both tars, plain and
# compressed.
#
# usage: equality_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 tar bsdtar umoci gzip zstd

export ACETATE_CACHE="$scratch/cache"
# Not on a tmpfs: that has no user attributes everywhere.
list() { python3 "$here/tree_listing.py" "$1"; }
shown() { # LAYER: the listing of our mount of it
  mkdir -p "$scratch/mnt"
  acetate mount "$1" "$scratch/mnt" >/dev/null
  list "$scratch/mnt"
  acetate unmount "$scratch/mnt" >/dev/null
}
ordinary() { LC_ALL=C grep -v '\\x'; } # names of ASCII only
compare() { # WHAT WANTED-FILE GOT-FILE
  if [ ! -s "$2" ]; then fail "$1: nothing to compare with"
  elif diff "$2" "$3" >"$scratch/diff"; then pass "$1 ($(wc -l <"$2") names)"
  else fail "$1: $(head -n 6 "$scratch/diff" | cut -c1-300)"; fi
}

python3 - "$scratch/tree" <<'P'
import os, stat, sys
root = sys.argv[1]
os.makedirs(root + "/d/" + "n" * 120)
def put(name, body=b"text", mode=0o644, uid=0, gid=0):
    path = os.fsencode(root) + b"/" + (name if isinstance(name, bytes) else name.encode())
    with open(path, "wb") as file:
        file.write(body)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path
put("d/plain"), put("d/empty", b""), put("d/" + "n" * 120 + "/" + "m" * 200), put(b"d/\xff\xfe raw"), put("d/e\u0301")
put("suid", mode=0o4755), put("nothing", mode=0), put("owned", uid=1000, gid=70000), put("large", uid=3_000_000, gid=4_000_000)
put("big", bytes(range(256)) * 20_000)
os.link(root + "/d/plain", root + "/aa-link"), os.link(root + "/d/plain", root + "/zz-link")
os.symlink("../nowhere/" + "l" * 150, root + "/symlink")
os.mkfifo(root + "/fifo", 0o640)
os.mknod(root + "/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
os.mknod(root + "/block", stat.S_IFBLK | 0o600, os.makedev(8, 17))
os.makedirs(root + "/sticky"), os.chmod(root + "/sticky", 0o3777)
capability = put("capable", mode=0o755)
os.setxattr(capability, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
try:
    os.setxattr(put("attributes"), "user.a", b"v\0\n=")
except OSError:
    pass
times = [0, 1, 1_600_000_000_123_456_789, 5_000_000_000_000_000_000]
everything = [os.path.join(folder, name) for folder, dirs, files in os.walk(os.fsencode(root)) for name in dirs + files]
for number, path in enumerate(sorted(everything, reverse=True)):
    os.utime(path, ns=(0, times[number % len(times)]), follow_symlinks=False)
P
list "$scratch/tree" >"$scratch/want"

pack() { # TAR OUTPUT
  case $1 in
    tar) tar --format=pax --xattrs --xattrs-include='*' --sort=name -cf "$2" -C "$scratch/tree" . ;;
    # It warns of the name that is no UTF-8, and packs it.
    bsdtar) LC_ALL=C.UTF-8 bsdtar --format=pax --xattrs -cf "$2" -C "$scratch/tree" . 2>/dev/null || true ;;
  esac
}
for tar in tar bsdtar; do
  say "packed by $tar"
  layer=$scratch/$tar.tar
  pack "$tar" "$layer"
  mkdir "$scratch/x"
  tar --warning=no-timestamp --warning=no-unknown-keyword --xattrs --xattrs-include='*' --numeric-owner -xpf "$layer" -C "$scratch/x"
  list "$scratch/x" >"$scratch/want-tar"
  gzip -kn "$layer" && zstd -q "$layer" -o "$layer.zst"
  for packing in "" .gz .zst; do
    shown "$layer$packing" >"$scratch/got"
    compare "$tar.tar$packing is what GNU tar unpacks" "$scratch/want-tar" "$scratch/got"
  done
  [ "$tar" = bsdtar ] || compare "and the tree that was packed" "$scratch/want" "$scratch/got"
  rm -rf "$scratch/x"
  mkdir "$scratch/x"
  # It normalises names, and cannot make those that are no UTF-8.
  LC_ALL=C.UTF-8 bsdtar --xattrs --numeric-owner -xpf "$layer" -C "$scratch/x" 2>/dev/null || true
  list "$scratch/x" | ordinary >"$scratch/want-bsdtar"
  ordinary <"$scratch/got" >"$scratch/got-ordinary"
  compare "and what bsdtar unpacks" "$scratch/want-bsdtar" "$scratch/got-ordinary"
  rm -rf "$scratch/x"

  umoci init --layout "$scratch/$tar.oci" >/dev/null
  umoci new --image "$scratch/$tar.oci:x" >/dev/null
  umoci raw add-layer --image "$scratch/$tar.oci:x" "$layer" >/dev/null
  umoci unpack --image "$scratch/$tar.oci:x" "$scratch/bundle" >/dev/null 2>&1
  list "$scratch/bundle/rootfs" >"$scratch/want-umoci"
  compare "and what umoci unpacks" "$scratch/want-umoci" "$scratch/got"
  rm -rf "$scratch/bundle"
done

finish
