#!/bin/sh
# Part of a real Debian tree (10,000 names and more, hard links, devices, capabilities), however it is packed: what is shown of it in
# place is what GNU tar, bsdtar and umoci unpack, and the same by a table of contents that skopeo made.
#
# usage: equality_debian_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 tar bsdtar umoci skopeo gzip zstd split setcap

export ACETATE_CACHE="$scratch/cache"
list() { python3 "$here/tree_listing.py" "$1"; }
shown() { # WHAT WANTED-FILE IMAGE-OR-LAYER
  mkdir -p "$scratch/mnt"
  acetate mount "$3" "$scratch/mnt" >/dev/null
  list "$scratch/mnt" >"$scratch/got"
  acetate unmount "$scratch/mnt" >/dev/null
  compare "$1" "$2" "$scratch/got"
}
compare() { # WHAT WANTED-FILE GOT-FILE
  if [ ! -s "$2" ]; then fail "$1: nothing to compare with"
  elif diff "$2" "$3" >"$scratch/diff"; then pass "$1"
  else fail "$1: $(head -n 6 "$scratch/diff" | cut -c1-300)"; fi
}

debian_rootfs
mkdir "$scratch/tree"
tar -xpf "$scratch/debian.tar.gz" -C "$scratch/tree" --wildcards ./dev ./etc ./usr/bin/perl ./usr/bin/perl5\* ./usr/bin/git\* ./usr/lib/python3\* ./usr/lib/git-core \
  ./usr/share/perl ./usr/share/doc ./usr/share/vim ./usr/include/boost/mpl ./usr/include/boost/fusion ./usr/include/linux ./var/lib/dpkg
mkdir -p "$scratch/tree/dev"
[ -c "$scratch/tree/dev/null" ] || mknod "$scratch/tree/dev/null" c 1 3
ln "$scratch/tree/etc/passwd" "$scratch/tree/etc/passwd.same"
cp "$scratch/tree/usr/bin/perl" "$scratch/tree/usr/bin/ping"
setcap cap_net_raw+ep "$scratch/tree/usr/bin/ping" || skip "file capabilities cannot be set here"
names=$(find "$scratch/tree" | wc -l)
say "$names names, $(find "$scratch/tree" -type f -links +1 | wc -l) of them hard links, $(find "$scratch/tree" -type c -o -type b | wc -l) devices"
[ "$names" -ge 10000 ] || fail "the tree is too small"

layer=$scratch/layer.tar
tar --format=pax --xattrs --xattrs-include='*' -cf "$layer" -C "$scratch/tree" .
rm -rf "$scratch/tree"

unpacked() { # WHAT OUTPUT DIRECTORY
  list "$3" >"$2"
  rm -rf "$scratch/x"
}
mkdir "$scratch/x"
tar --xattrs --xattrs-include='*' --numeric-owner -xpf "$layer" -C "$scratch/x"
unpacked tar "$scratch/want" "$scratch/x"
mkdir "$scratch/x"
LC_ALL=C.UTF-8 bsdtar --xattrs --numeric-owner -xpf "$layer" -C "$scratch/x"
unpacked bsdtar "$scratch/want-bsdtar" "$scratch/x"
umoci init --layout "$scratch/oci" >/dev/null
umoci new --image "$scratch/oci:x" >/dev/null
umoci raw add-layer --image "$scratch/oci:x" "$layer" >/dev/null
umoci unpack --image "$scratch/oci:x" "$scratch/x" >/dev/null 2>&1
unpacked umoci "$scratch/want-umoci" "$scratch/x/rootfs"

say "the layer itself"
shown "uncompressed: what GNU tar unpacks" "$scratch/want" "$layer"
compare "and what bsdtar unpacks" "$scratch/want-bsdtar" "$scratch/got"
compare "and what umoci unpacks" "$scratch/want-umoci" "$scratch/got"

say "packed"
packed=$scratch/packed
gzip -1 <"$layer" >"$packed"
shown "gzip, one member" "$scratch/want" "$packed"
split -b 5000001 --filter='gzip -1' "$layer" >"$packed"
shown "gzip, many members" "$scratch/want" "$packed"
zstd -q -1 <"$layer" >"$packed"
shown "zstd, one frame" "$scratch/want" "$packed"
split -b 5000001 --filter='zstd -q -1' "$layer" >"$packed"
shown "zstd, many frames" "$scratch/want" "$packed"

say "by a table of contents"
skopeo copy -q --dest-compress --dest-compress-format zstd:chunked --dest-compress-level 1 "oci:$scratch/oci:x" "oci:$scratch/chunked:x"
rm -rf "$ACETATE_CACHE"
mkdir -p "$scratch/mnt"
ACETATE_LOG=info acetate -v mount "oci:$scratch/chunked:x" "$scratch/mnt" >"$scratch/log" 2>&1
expect_match "skopeo's zstd:chunked is shown by its table" 'index not needed, its table of contents read' "$(cat "$scratch/log")"
list "$scratch/mnt" >"$scratch/got"
compare "and is the same tree" "$scratch/want" "$scratch/got"
# The tar is read behind it; that its index is kept says that the two tell one tree, and a layer whose table lies is an error.
until [ -n "$(find "$ACETATE_CACHE" -name '*.lix')" ] || ! cat "$scratch/mnt/etc/passwd" >/dev/null 2>&1; do :; done
cat "$scratch/mnt/etc/passwd" >/dev/null && pass "and its tar says the same"
acetate unmount "$scratch/mnt" >/dev/null
rm -rf "$ACETATE_CACHE"
export ACETATE_TOC=off
shown "as it is by its tar" "$scratch/want" "oci:$scratch/chunked:x"
unset ACETATE_TOC
finish
