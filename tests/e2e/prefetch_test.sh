#!/bin/sh
# What one mount reads of a packed layer is decoded by the next before anybody asks, in the background; a trace that is damaged is as
# none, and whoever wants none has none.
#
# usage: prefetch_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_fuse
need_tools python3

# Nothing on disk: so that whatever is decoded shows.
export ACETATE_CACHE="$scratch/cache" ACETATE_MIRROR_BYTES=0
layer=$scratch/layer.tar.gz
python3 - "$layer" <<'P'
import io, random, sys, tarfile
random.seed(11)
with tarfile.open(sys.argv[1], "w:gz", compresslevel=1) as tar:
    for number in range(12):
        info = tarfile.TarInfo(f"file{number}")
        info.size = 4 << 20
        tar.addfile(info, io.BytesIO(random.randbytes(1 << 20) * 4))
P
mkdir "$scratch/mnt"
mounted() { acetate mount "$layer" "$scratch/mnt" >/dev/null; }
unmounted() { acetate unmount "$scratch/mnt" >/dev/null; }
count() { acetate stat "$scratch/mnt" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
traces() { find "$ACETATE_CACHE" -name '*.trace*' | wc -l; }
read_some() { for number in 9 2 6; do dd if="$scratch/mnt/file$number" of="$scratch/byte" bs=4096 skip=300 count=1 2>/dev/null; done; }

say "a mount that nobody reads from"
mounted
ls "$scratch/mnt" >/dev/null
unmounted
expect "is not remembered" 0 "$(traces)"

say "the first that is read from"
mounted
read_some
expect "nothing was known of it" 0 "$(count prefetched_spans)"
unmounted
expect "it is remembered" 1 "$(traces)"

say "the second"
mounted
# Decoded though nobody has read a byte.
until [ "$(count prefetched_spans)" -ge 3 ]; do :; done
expect "none of it was asked for yet" 0 "$(count prefetched_spans_used)"
ready=$(count prefetched_spans)
read_some
expect "and what was read was ready" "$ready" "$(count prefetched_spans_used)"
expect "nothing was decoded twice or besides" "$ready" "$(count prefetched_spans)"
python3 - "$scratch/mnt" "$layer" <<'P' && pass "the bytes are those of the tar" || fail "other bytes are read"
import sys, tarfile
with tarfile.open(sys.argv[2]) as tar:
    for member in tar:
        with open(f"{sys.argv[1]}/{member.name}", "rb") as file:
            assert file.read() == tar.extractfile(member).read(), member.name
P
unmounted

say "with a damaged trace"
printf 'x' | dd of="$(find "$ACETATE_CACHE" -name '*.trace')" bs=1 seek=60 conv=notrunc 2>/dev/null
mounted
read_some
expect "nothing is decoded ahead" 0 "$(count prefetched_spans)"
unmounted
mounted
until [ "$(count prefetched_spans)" -ge 3 ]; do :; done
pass "it is made again"
unmounted

say "ACETATE_PREFETCH"
rm "$(find "$ACETATE_CACHE" -name '*.trace')"
export ACETATE_PREFETCH=off
mounted
read_some
unmounted
expect "off: nothing is remembered" 0 "$(traces)"
ACETATE_PREFETCH=perhaps
expect_failure "another word is refused" any "'perhaps' is neither on nor off" acetate mount "$layer" "$scratch/mnt"
finish
