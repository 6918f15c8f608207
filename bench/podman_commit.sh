#!/bin/sh
# How long podman takes to commit, and to diff, one changed file in an image of many: it walks the merged tree twice, so this is
# how fast a mount is walked. One store for each mount_program, the rounds alternating between them; medians and the ratio.
#
# usage: podman_commit.sh FUSE-OVERLAY [FUSE-OVERLAYFS [FILES [ROUNDS]]]     default: the one in PATH, 36000 files, 3 rounds
set -eu
ours=$(realpath "$1") theirs=$(realpath "$(command -v "${2:-fuse-overlayfs}")") files=${3:-36000} rounds=${4:-3}
here=$(cd "$(dirname "$0")" && pwd)
set -- "$(dirname "$ours")"
. "$here/../tests/e2e/lib.sh"
need_root
need_fuse
need_tools podman runc busybox python3
. "$here/../tests/e2e/podman_lib.sh"
sample_image
python3 - "$scratch/tree/usr" "$files" <<'P'
import pathlib, sys
root, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
for i in range(count):
    path = root / f"d{i // 1000}" / f"s{i // 12 % 80}"
    path.mkdir(parents=True, exist_ok=True)
    (path / f"f{i}").write_bytes(b"x" * (i % 4096))
P
tar -C "$scratch/tree" --owner=0 --group=0 -cf "$scratch/root.tar" .

seconds() { # COMMAND...
  began=$(date +%s%N)
  "$@" >/dev/null
  echo $((($(date +%s%N) - began) / 1000)) | awk '{printf "%.3f\n", $1 / 1000000}'
}
round() { # NAME
  p() { in_store plain "$scratch/$1" podman "$@"; }
  store=$1
  in_store plain "$scratch/$store" podman run --network=none --name one sample sh -c 'echo more >>/etc/file'
  seconds in_store plain "$scratch/$store" podman diff one >>"$scratch/$store.diff"
  seconds in_store plain "$scratch/$store" podman commit -q one changed >>"$scratch/$store.commit"
  in_store plain "$scratch/$store" podman rm one >/dev/null
  in_store plain "$scratch/$store" podman rmi changed >/dev/null
}
for store in ours theirs; do
  eval "program=\$$store"
  store_config "$scratch/$store" "$program"
  in_store plain "$scratch/$store" podman import "$scratch/root.tar" sample >/dev/null || { complaint; exit 1; }
done
for _ in $(seq "$rounds"); do for store in ours theirs; do round $store; done; done
median() { sort -n "$1" | awk '{all[NR] = $1} END {print all[int((NR + 1) / 2)]}'; }
for what in diff commit; do
  a=$(median "$scratch/ours.$what") b=$(median "$scratch/theirs.$what")
  awk -v what=$what -v a="$a" -v b="$b" -v n="$files" 'BEGIN {printf "%-7s of 1 in %d files: %.2f s, fuse-overlayfs %.2f s, ratio %.2f\n", what, n, a, b, a / b}'
done
