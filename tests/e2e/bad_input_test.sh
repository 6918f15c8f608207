#!/bin/sh
# What the world does wrong, each answered by a sentence that names the thing and the way out, a non-zero exit code, and
# nothing half-made left behind.
#
# usage: bad_input_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools busybox setpriv tar gzip unshare

export ACETATE_CACHE=$scratch/cache ACETATE_ROOT=$scratch/data
mkdir -p "$scratch/tree/bin" "$scratch/tree/etc" "$scratch/mnt" "$scratch/up" "$scratch/work"
cp "$(command -v busybox)" "$scratch/tree/bin/busybox"
ln -s busybox "$scratch/tree/bin/sh"
head -c 3000000 /dev/urandom >"$scratch/tree/etc/random"
tar -C "$scratch/tree" -czf "$scratch/good.tar.gz" .
size=$(stat -c %s "$scratch/good.tar.gz")
no_mount() { if grep -q " $scratch/mnt " /proc/self/mountinfo; then fail "$1: something is mounted"; umount -l "$scratch/mnt"; else pass "$1: nothing is mounted"; fi; }
no_debris() { # WHAT: no temporary file in the caches
  left=$(find "$scratch/cache" \( -name '*.tmp*' -o -name '.*.part*' \) 2>/dev/null || true)
  expect "$1: no debris" "" "$left"
}

# --- archives
head -c $((size / 2)) "$scratch/good.tar.gz" >"$scratch/short.tar.gz"
expect_failure "a truncated .tar.gz says so and where" any '(truncated|ends).*[0-9]' acetate mount "$scratch/short.tar.gz" "$scratch/mnt"
no_mount "truncated"; no_debris "truncated"
cp "$scratch/good.tar.gz" "$scratch/corrupt.tar.gz"
printf '\377\377\377\377\377\377\377\377' | dd of="$scratch/corrupt.tar.gz" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect_failure "a corrupt .tar.gz says so and where" any '(corrupt|damaged|invalid|wrong|does not match).*bytes? [0-9]+' acetate mount "$scratch/corrupt.tar.gz" "$scratch/mnt"
no_mount "corrupt"; no_debris "corrupt"
echo "just text, and not very much of it" >"$scratch/text"
expect_failure "what is no tarball is named" any "$scratch/text.*(not a|neither|no )" acetate mount "$scratch/text" "$scratch/mnt"
gzip -c "$scratch/text" >"$scratch/text.gz"
expect_failure "a gzip that holds no tar is named" any "text.gz.*(not a|neither|no )" acetate mount "$scratch/text.gz" "$scratch/mnt"
: >"$scratch/empty"
expect_failure "an empty file is named" any "$scratch/empty" acetate mount "$scratch/empty" "$scratch/mnt"
expect_failure "a missing image is named" any 'nowhere.*No such file' acetate mount "$scratch/nowhere.tar.gz" "$scratch/mnt"

# --- a damaged index is made again, with a line in the log
acetate mount "$scratch/good.tar.gz" "$scratch/mnt"
acetate unmount "$scratch/mnt"
index=$(find "$scratch/cache" -name '*.lix' | head -n 1)
if [ -n "$index" ]; then
  dd if=/dev/zero of="$index" bs=1 seek=64 count=200 conv=notrunc 2>/dev/null
 fuse-overlay -o "lowerdir=$scratch/good.tar.gz" "$scratch/mnt" 2>"$scratch/log" || true
  expect_match "a damaged index is made again, and the log says so" 'index.*damaged, making it again' "$(cat "$scratch/log")"
  expect "and the mount is right" "$(sha256sum <"$scratch/tree/etc/random")" "$(sha256sum <"$scratch/mnt/etc/random")"
  umount "$scratch/mnt"
else
  fail "no layer index was found below the cache"
fi

# --- directories
overlay() { fuse-overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"; }
expect_failure "a missing lower is named" 1 'nowhere' overlay "$scratch/nowhere" "$scratch/up" "$scratch/work" "$scratch/mnt"
expect_failure "a missing upper is named" 1 'noup' overlay "$scratch/tree" "$scratch/noup" "$scratch/work" "$scratch/mnt"
expect_failure "a missing work directory is named" 1 'nowork' overlay "$scratch/tree" "$scratch/up" "$scratch/nowork" "$scratch/mnt"
expect_failure "a missing mountpoint is named" 1 'nomnt' overlay "$scratch/tree" "$scratch/up" "$scratch/work" "$scratch/nomnt"
mkdir -p "$scratch/tree/upper-in-lower" "$scratch/tree/mnt-in-lower" "$scratch/up/work-in-upper"
expect_failure "an upper inside a lower is refused" 1 '(inside|within|below)' overlay "$scratch/tree" "$scratch/tree/upper-in-lower" "$scratch/work" "$scratch/mnt"
expect_failure "a mountpoint inside a lower is refused" 1 '(inside|within|below)' overlay "$scratch/tree" "$scratch/up" "$scratch/work" "$scratch/tree/mnt-in-lower"
expect_failure "a work directory inside the upper is refused" 1 '(inside|within|below)' overlay "$scratch/tree" "$scratch/up" "$scratch/up/work-in-upper" "$scratch/mnt"
rmdir "$scratch/up/work-in-upper" "$scratch/tree/upper-in-lower" "$scratch/tree/mnt-in-lower"
overlay "$scratch/tree" "$scratch/up" "$scratch/work" "$scratch/mnt"
mkdir "$scratch/mnt2"
expect_failure "a work directory in use is refused" 1 '(use|busy)' overlay "$scratch/tree" "$scratch/up" "$scratch/work" "$scratch/mnt2"
umount "$scratch/mnt"
no_mount "after all these"

# --- what the machine lacks
without() { unshare -m sh -c "$1"; }
expect_failure "no /dev/fuse: says what to do" any '/dev/fuse' without "mount -t tmpfs tmpfs /dev; fuse-overlay -o lowerdir=$scratch/tree $scratch/mnt"
chmod 755 "$scratch"; chmod 644 "$scratch/good.tar.gz"
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$scratch/nobody" ACETATE_CACHE="$scratch/nobody/cache" ACETATE_ROOT="$scratch/nobody/data" "$@"; }
mkdir "$scratch/nobody"; chown 65534:65534 "$scratch/nobody"
if nobody unshare -Ur true 2>/dev/null; then
  # A limit of its own for a namespace of ours: in it nobody makes another one.
  no_namespaces() { nobody unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all acetate run $scratch/good.tar.gz true"; }
  expect_failure "no user namespaces: says which setting" 125 'user.*namespaces' no_namespaces
  # Programs that others find, and nothing in their place: as on a machine that lacks them.
  lacking() { # PROGRAM COMMAND...
    unshare -m sh -c 'p=$(command -v "$0") && touch "$1/empty" && mount --bind "$1/empty" "$p"; shift; exec "$@"' "$1" "$scratch" "$@"
  }
  expect_failure "a home that is not there: says where else to keep things" 125 'nothing can be kept in /nonexistent/.local/share/acetate .*set ACETATE_ROOT' \
    setpriv --reuid=65534 --regid=65534 --clear-groups env -u ACETATE_ROOT -u ACETATE_CACHE -u XDG_DATA_HOME -u XDG_CACHE_HOME HOME=/nonexistent acetate run "$scratch/good.tar.gz" true
  expect_failure "no runtime: names what was tried" 125 '(runtime|no-such-runtime)' nobody env ACETATE_RUNTIME=/no-such-runtime acetate run "$scratch/good.tar.gz" sh -c true
else
  skip_rest="this kernel lets nobody make user namespaces"
  say "left out: $skip_rest"
fi
expect_failure "a command that is not there is 127" 127 'nothing-here' acetate run "$scratch/good.tar.gz" nothing-here
expect_failure "an unknown option is a usage error" any 'no-such-option' acetate mount --no-such-option x y

# --- full disks
mkdir "$scratch/small"
mount -t tmpfs -o size=1m tmpfs "$scratch/small"
mkdir "$scratch/small/up" "$scratch/small/work"
overlay "$scratch/tree" "$scratch/small/up" "$scratch/small/work" "$scratch/mnt"
expect_failure "a full disk during copy-up is ENOSPC" any 'No space left' dd if=/dev/zero of="$scratch/mnt/etc/random" bs=1 count=1 conv=notrunc
expect "and the lower still shows" "$(sha256sum <"$scratch/tree/etc/random")" "$(sha256sum <"$scratch/mnt/etc/random")"
expect "and nothing half-made is left" "" "$(find "$scratch/small/up" "$scratch/small/work/work" -type f)"
umount "$scratch/mnt"
umount_left "$scratch/small"
mount -t tmpfs -o size=8k tmpfs "$scratch/small"
ACETATE_CACHE=$scratch/small fuse-overlay -o "lowerdir=$scratch/good.tar.gz" "$scratch/mnt" 2>"$scratch/log" && mounted=yes || mounted=no
if [ $mounted = yes ]; then
  expect_match "a full disk while the index is written is said" 'cannot keep a layer index.*make room.*No space left' "$(cat "$scratch/log")"
  expect "and the mount is right all the same" "$(sha256sum <"$scratch/tree/etc/random")" "$(sha256sum <"$scratch/mnt/etc/random")"
  umount "$scratch/mnt"
else
  expect_match "a full disk while the index is written is a clear error" 'No space left' "$(cat "$scratch/log")"
fi
# What may be there are small records of their own: which file has which digest, and what the mount read.
expect "and no half-made index is left" "" "$(find "$scratch/small" -type f ! -name '*.lock' ! -name '*.trace' ! -path '*/identity/*')"
umount_left "$scratch/small"
finish
