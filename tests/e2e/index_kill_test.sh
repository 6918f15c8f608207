#!/bin/sh
# Whoever writes an index or a mirror is killed before each call that puts bytes or a name there, and while others read and
# build; a full disk takes the rest. After each the same bytes are read as ever, and nothing half-made is used or left.
#
# usage: index_kill_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_tools python3 sha256sum

layer=$scratch/layer.tar.gz
python3 - "$layer" <<'P'
import io, random, sys, tarfile
random.seed(7)
with tarfile.open(sys.argv[1], "w:gz", compresslevel=1) as tar:
    for number in range(200):
        info = tarfile.TarInfo(f"dir{number % 7}/file{number}")
        body = bytes([number]) * 3000
        info.size = len(body)
        tar.addfile(info, io.BytesIO(body))
    # Several spans of it, so that a mirror is written piece by piece.
    info = tarfile.TarInfo("big")
    body = b"".join(random.randbytes(300_000) + bytes(700_000) for _ in range(10))
    info.size = len(body)
    tar.addfile(info, io.BytesIO(body))
P
wanted=$(tar xzOf "$layer" big | sha256sum)

in_cache() { # DIRECTORY COMMAND...
  dir=$1
  shift
  env ACETATE_CACHE="$dir" "$@"
}
bytes() { in_cache "$1" acetate cat "$layer" big | sha256sum; } # CACHE
indexes() { find "$1" -name '*.lix' | wc -l; }
# What is in a cache and is neither an index, nor a lock, nor a mirror, nor an identity.
strays() { find "$1" -type f ! -name '*.lix' ! -name '*.lock' ! -name '*.mirror' ! -path '*identit*' | wc -l; }

# kill_at CACHE CALL N COMMAND...: killed before the N-th such call; 1 when there was none.
kill_at() {
  where=$1 call=$2 number=$3
  shift 3
  code=0
  env ACETATE_CACHE="$where" ACETATE_FAULT="$call#$number=kill" "$@" >/dev/null 2>"$scratch/err" || code=$?
  [ "$code" = 137 ] && return 0
  [ "$code" = 0 ] && return 1
  fail "$call#$number: exit $code: $(head -c 200 "$scratch/err")"
  return 1
}

say "killed while the index is made"
killed=0
for call in openat pwrite write ftruncate fsync fdatasync linkat renameat2 mkdirat; do
  number=1
  while [ "$number" -le 4 ]; do
    cache=$scratch/cache-$call-$number
    mkdir "$cache"
    kill_at "$cache" "$call" "$number" acetate index "$layer" || { rm -rf "$cache"; break; }
    killed=$((killed + 1))
    [ "$(bytes "$cache")" = "$wanted" ] || fail "after a kill before $call#$number other bytes are read"
    [ "$(indexes "$cache")" = 1 ] || fail "after a kill before $call#$number there are $(indexes "$cache") indexes"
    [ "$(strays "$cache")" = 0 ] || fail "after a kill before $call#$number something is left: $(find "$cache" -type f)"
    rm -rf "$cache"
    number=$((number + 1))
  done
done
if [ "$killed" -ge 6 ]; then pass "$killed kills, the same bytes, one index, nothing left"; else fail "only $killed kills took place"; fi

say "killed while decoded bytes are kept, and while some are taken away"
cache=$scratch/cache-mirror
mkdir "$cache"
in_cache "$cache" acetate index "$layer" >/dev/null
killed=0
for fault in pwrite fallocate fcntl ftruncate; do
  number=1
  while [ "$number" -le 8 ]; do
    rm -rf "$cache/index/v1/mirror"
    # So small that what is kept is taken away as it goes on.
    ACETATE_MIRROR_BYTES=3000000 kill_at "$cache" "$fault" "$number" acetate cat "$layer" big || break
    killed=$((killed + 1))
    [ "$(bytes "$cache")" = "$wanted" ] || fail "after a kill before $fault#$number other bytes are read"
    # Now from what is in the mirror.
    [ "$(bytes "$cache")" = "$wanted" ] || fail "after a kill before $fault#$number the mirror gives other bytes"
    number=$((number + 1))
  done
done
if [ "$killed" -ge 6 ]; then pass "$killed kills, the same bytes from the layer and from the mirror"; else fail "only $killed kills took place"; fi

say "many at once, some of them killed"
cache=$scratch/cache-many
mkdir "$cache"
pids=
for reader in 1 2 3 4 5 6; do
  fault=
  [ $((reader % 3)) = 0 ] && fault=pwrite#$reader=kill
  (ACETATE_FAULT=$fault; [ -z "$fault" ] || export ACETATE_FAULT; in_cache "$cache" acetate cat "$layer" big 2>/dev/null | sha256sum >"$scratch/reader$reader") &
  pids="$pids $!"
done
for pid in $pids; do wait "$pid"; done
for reader in 1 2 4 5; do expect "reader $reader" "$wanted" "$(cat "$scratch/reader$reader")"; done
expect "one index is there" 1 "$(indexes "$cache")"
expect "and nothing else" 0 "$(strays "$cache")"

say "a full disk"
if [ "$(id -u)" = 0 ] && mkdir "$scratch/small" && mount -t tmpfs -o size=16k tmpfs "$scratch/small" 2>/dev/null; then
  expect "the same bytes are read" "$wanted" "$(bytes "$scratch/small")"
  expect "no index is half there" 0 "$(indexes "$scratch/small")"
  expect "nor anything of a mirror" 0 "$(find "$scratch/small" -name '*.mirror' | wc -l)"
  umount "$scratch/small"
else
  say "left out: no tmpfs can be mounted here"
fi
finish
