#!/bin/sh
# SQLite's and dpkg's databases, rewritten step after step as builds do: never a wrong page, whether the kernel gathers writes or not,
# whether files are opened or not.
#
# usage: databases_test.sh BIN-DIRECTORIES(colon-separated) [ROUNDS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 dpkg unshare
rounds=${2:-100}
daemon=$(command -v fuse-overlay)

for options in writeback=0,volatile writeback=1,volatile no_open,volatile; do
  code=0
  TMPDIR="$scratch" unshare --mount python3 "$here/databases.py" "$daemon" --rounds "$rounds" -o "$options" >"$scratch/log" 2>&1 || code=$?
  tail -n 4 "$scratch/log" | cut -c1-500
  expect "$options, $(head -n 1 "$scratch/log")" 0 $code
done
finish
