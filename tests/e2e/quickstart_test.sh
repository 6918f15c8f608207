#!/bin/sh
# The half of scripts/quickstart that is not root's: what the README promises is shown, with the programs at hand, and nothing is
# left behind.
#
# usage: quickstart_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_to_build
need_tools acetate fuse-overlay tar gzip setpriv
make_users
cp "$here/../../scripts/quickstart" "$scratch/quickstart"
chmod 755 "$scratch/quickstart"

for who in ranged single; do
  home=$(eval echo "\$scratch/home-\${${who}_user}")
  "$who" mkdir -p "$home/sample"
  code=0
  "$who" "$scratch/quickstart" --as-user "$1" "$home/sample" >"$scratch/said" 2>&1 || code=$?
  expect "$who: it succeeds" 0 $code
  [ $code = 0 ] || tail -n 20 "$scratch/said"
  expect_match "$who: how long the mount took" 'mounted sample.tar.gz on mnt, read-only, 1 layer, in [0-9]+ ms' "$(cat "$scratch/said")"
  expect_match "$who: what was read from the tarball" 'so far [1-9][0-9]* bytes were decoded' "$(cat "$scratch/said")"
  expect_match "$who: the copy-up" 'and one line of mine' "$(cat "$scratch/said")"
  expect_match "$who: the deletion" '39 of 40 files left' "$(cat "$scratch/said")"
  expect_match "$who: the shell" 'hello from Linux, user 0' "$(cat "$scratch/said")"
  expect "$who: the build, run" "BUILT WITHOUT ROOT" "$(grep -x 'BUILT WITHOUT ROOT' "$scratch/said")"
  expect "$who: nothing is left mounted" "" "$(grep " $scratch" /proc/self/mountinfo || true)"
done
"$scratch/quickstart" --as-user "$1" /nowhere >"$scratch/said" 2>&1 && code=0 || code=$?
expect "a directory that is not there is an error" yes "$([ $code != 0 ] && echo yes)"
finish
