#!/bin/sh
# The differential oracle as root and as root of a user namespace (kernel side with userxattr), for a bounded count of
# operations with seeds that change from run to run; the seed is printed.
#
# usage: differential_test.sh BIN-DIRECTORIES(colon-separated) [OPERATIONS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 unshare setpriv
make_users
operations=${2:-4000}
daemon=$(command -v fuse-overlay)

ran=0
for index in "" "" --index; do
  code=0
  python3 "$here/differential.py" "$daemon" --ops "$operations" $index >"$scratch/log" 2>&1 || code=$?
  tail -n 6 "$scratch/log" | cut -c1-500
  [ $code = 77 ] && { say "as root: $(tail -n 1 "$scratch/log")"; break; }
  ran=1
  expect "as root${index:+ with an index}, $(sed -n 's/ (repeat.*//p' "$scratch/log" | head -n 1)" 0 $code
done
cp "$here/differential.py" "$scratch/differential.py"
for attempt in 1 2; do
  code=0
  if unshare -U --map-root-user true 2>/dev/null; then
    ranged unshare --user --map-auto --map-root-user --mount python3 "$scratch/differential.py" "$daemon" --ops "$operations" >"$scratch/log" 2>&1 || code=$?
    tail -n 6 "$scratch/log" | cut -c1-500
    [ $code = 77 ] && { say "in a user namespace: $(tail -n 1 "$scratch/log")"; break; }
    ran=1
    expect "in a user namespace, $(sed -n 's/ (repeat.*//p' "$scratch/log" | head -n 1)" 0 $code
  fi
done
[ $ran = 1 ] || skip "the kernel's overlayfs can be mounted neither as root nor in a user namespace"
finish
