#!/bin/sh
# What a mount acknowledged is there after a power cut, and after kill -9 of the daemon; a volatile mount says when it may not be.
#
# usage: power_cut_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 unshare mkfs.ext4
truncate -s 16M "$scratch/probe"
mkfs.ext4 -q -F "$scratch/probe"
mkdir "$scratch/probed"
unshare --mount mount -o loop "$scratch/probe" "$scratch/probed" 2>/dev/null || skip "no loop devices here"

code=0
TMPDIR=$scratch unshare --mount python3 "$here/power_cut.py" "$(command -v fuse-overlay)" >"$scratch/log" 2>&1 || code=$?
cat "$scratch/log"
expect "all of it" 0 $code
finish
