#!/bin/sh
# An image that is mounted before it is here, on a disk that is full: what is read comes from memory, nothing wrong is left behind, and
# when there is room it becomes whole.
#
# usage: lazy_full_disk_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools busybox python3
stop() {
  exec 8>&-
  cleanup
}
trap stop EXIT
export HOME="$scratch/home" XDG_RUNTIME_DIR="$scratch/run" XDG_CONFIG_HOME="$scratch/config"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ACETATE_ROOT ACETATE_CACHE ACETATE_FETCH_REST 2>/dev/null || true
mkdir -p "$HOME" "$XDG_RUNTIME_DIR" "$scratch/mnt" "$scratch/large" "$scratch/context"
in_store() { store=$1; shift; ACETATE_ROOT="$scratch/$store" ACETATE_CACHE="$scratch/$store/cache" acetate "$@"; }

say "an image of 14 MB that does not pack, plain gzip with an index and as eStargz"
head -c 12000000 /dev/urandom >"$scratch/context/big"
head -c 2000000 /dev/urandom >"$scratch/context/medium"
cp "$(command -v busybox)" "$scratch/context/busybox"
printf 'FROM scratch\nCOPY . /\n' >"$scratch/Dockerfile"
mkfifo "$scratch/out" "$scratch/in"
python3 "$here/../support/misbehaving_registry.py" <"$scratch/in" >"$scratch/out" &
exec 8>"$scratch/in"
read -r _ home _ elsewhere <"$scratch/out"
tell() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=sys.argv[2].encode(), method="POST"))' "http://127.0.0.1:$elsewhere/_control/$1" "$2"; }
for kind in gzip estargz; do
  in_store large build -q -o "type=oci,dest=$scratch/$kind,compression=$kind" -f "$scratch/Dockerfile" "$scratch/context" >/dev/null
  in_store large copy -q "oci:$scratch/$kind" "docker://127.0.0.1:$home/$kind:1" >/dev/null
done
in_store large pull -q "127.0.0.1:$home/gzip:1" >/dev/null
in_store large push -q --index "127.0.0.1:$home/gzip:1"
sum=$(sha256sum <"$scratch/context/big") medium=$(sha256sum <"$scratch/context/medium")
count() { acetate stat "$scratch/mnt" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
mounted() { in_store small mount --lazy "$name" "$scratch/mnt"; }
left_free() { df --output=avail -B 1 "$scratch/small" | tail -n 1; }
fill() { head -c "$(($(left_free) - $1))" /dev/zero >"$scratch/small/ballast" 2>/dev/null || true; }

for kind in gzip estargz; do
  name=127.0.0.1:$home/$kind:1
  mkdir -p "$scratch/small"
  mount -t tmpfs -o size=64m small "$scratch/small"
  say "$kind: a disk that gets full while it is mounted"
  ACETATE_FETCH_REST=0 mounted
  fill 1000000
  expect "all of a file is read" "$sum" "$(sha256sum <"$scratch/mnt/big")"
  expect "and another one" "$medium" "$(sha256sum <"$scratch/mnt/medium")"
  expect "a program runs" "hi" "$("$scratch/mnt/busybox" echo hi)"
  lent=$(count lent_bytes)
  [ "$lent" -gt 10000000 ] && pass "from memory ($lent bytes)" || fail "$lent bytes were read from memory"
  log="$scratch/small/images/.acetate-lazy/log"
  # It has what room there was left for it.
  [ "$(grep -c 'until there is room' "$log")" -le 1 ] && pass "the fetcher says it no more than once" || fail "the fetcher's log: $(cat "$log")"
  in_store small unmount "$scratch/mnt"
  ACETATE_FETCH_REST=0 mounted
  expect "a mount on the full disk" "$sum" "$(sha256sum <"$scratch/mnt/big")"
  tell fault '{"path": "/blobs/", "do": "status", "status": 503, "times": -1}'
  in_store small unmount "$scratch/mnt"
  ACETATE_FETCH_SECONDS=2 ACETATE_FETCH_REST=0 mounted
  if cp "$scratch/mnt/big" "$scratch/copy" 2>/dev/null; then cmp "$scratch/context/big" "$scratch/copy" && pass "without the registry what memory had is right"
  else cmp -n "$(stat -c %s "$scratch/copy")" "$scratch/context/big" "$scratch/copy" && pass "without the registry it is an error, and nothing wrong"; fi || fail "wrong bytes"
  in_store small unmount "$scratch/mnt"
  tell reset null

  say "$kind: with room again"
  rm "$scratch/small/ballast"
  mounted
  expect "all of it is read" "$sum" "$(sha256sum <"$scratch/mnt/big")"
  expect "from the disk" 0 "$(count lent_bytes)"
  until in_store small history "$name" >/dev/null 2>&1; do sleep 0.1; done
  pass "and it becomes an image like others"
  in_store small unmount "$scratch/mnt"
  in_store small verify "$name" >/dev/null && pass "which is what it says it is" || fail "verify"
  tell fault '{"path": "/", "do": "status", "status": 503, "times": -1}'
  in_store small mount "$name" "$scratch/mnt"
  expect "without the registry" "$sum" "$(sha256sum <"$scratch/mnt/big")"
  in_store small unmount "$scratch/mnt"
  tell reset null
  umount_left "$scratch/small"
done

say "nobody asks for all of it again: it comes when there is room"
name=127.0.0.1:$home/gzip:1
mount -t tmpfs -o size=64m small "$scratch/small"
ACETATE_FETCH_REST=0 mounted
fill 1000000
in_store small unmount "$scratch/mnt"
mounted
log=$scratch/small/images/.acetate-lazy/log
until grep -q 'tried again when there may be room' "$log"; do sleep 0.1; done
expect "it is read meanwhile" "$sum" "$(sha256sum <"$scratch/mnt/big")"
rm "$scratch/small/ballast"
until in_store small history "$name" >/dev/null 2>&1; do sleep 0.1; done
pass "it came"
expect "the fetcher said once that it could not" 1 "$(grep -c 'tried again when there may be room' "$log")"
in_store small unmount "$scratch/mnt"
umount_left "$scratch/small"

say "no index, and no room for the layer: what is said"
mount -t tmpfs -o size=64m small "$scratch/small"
fill 6000000
if in_store small mount --lazy --index=never "$name" "$scratch/mnt" 2>"$scratch/err"; then
  expect "it is read from memory" "$sum" "$(sha256sum <"$scratch/mnt/big")"
  in_store small unmount "$scratch/mnt"
else
  expect_match "it cannot be mounted, in words" "room|space" "$(cat "$scratch/err")"
fi
umount_left "$scratch/small"
finish
