#!/bin/sh
# acetate bench on a small tree: both tables, every figure in the JSON, plots, counts; and nothing left mounted.
#
# usage: bench_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools python3 strace

# Small, but with what the workloads look for.
mkdir -p "$scratch/tree/usr/lib" "$scratch/tree/usr/include/linux"
for i in $(seq 1 60); do
  mkdir -p "$scratch/tree/opt/d$((i % 7))"
  echo "content $i" >"$scratch/tree/opt/d$((i % 7))/file$i"
  echo "#define N $i" >"$scratch/tree/usr/include/linux/header$i.h"
done
tar -C "$scratch/tree" -cf "$scratch/tree.tar" .
# The namespace without privilege must reach it.
chmod 755 "$scratch"; chmod 644 "$scratch/tree.tar"

run() { acetate bench "$scratch/tree.tar" --layers 3 --rounds 1 --scratch "$scratch" "$@"; }
run --quick --out "$scratch/out" >"$scratch/table" 2>"$scratch/log" || { cat "$scratch/log"; fail "acetate bench"; }
for half in root rootless; do
  expect_match "a table for $half" "^3 layers, $half, 1 rounds" "$(cat "$scratch/table")"
  expect "a plot for $half" yes "$([ -s "$scratch/out/ratios-3-$half.svg" ] && echo yes)"
done
figures=$(python3 -c '
import json, sys
results = json.load(open(sys.argv[1]))["results"]
print(sum(1 for r in results for m in ("kernel overlayfs", "fuse-overlay", "fuse-overlay, tarballs") if r["seconds"][m].get("walk, fresh mount")))' "$scratch/out/results.json")
expect "a figure for each of three mounts, twice" 6 "$figures"

run --count --privilege root >"$scratch/counts" 2>"$scratch/log" || { cat "$scratch/log"; fail "acetate bench --count"; }
expect_match "counts" '^\| walk, an entry \| .*statx' "$(cat "$scratch/counts")"
expect "nothing is left" "" "$(ls -d "$scratch"/acetate-versus.* 2>/dev/null || true)"
expect_failure "a tree that is not there" any "no-such" acetate bench "$scratch/no-such.tar" --scratch "$scratch" --rounds 1
finish
