#!/bin/sh
# Random input and output on files that begin in a lower layer, as root and as root of a user namespace, in each way that files are
# reached by; seeds change from run to run and are printed.
#
# usage: random_io_test.sh BIN-DIRECTORIES(colon-separated) [OPERATIONS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 unshare
operations=${2:-3000}
daemon=$(command -v fuse-overlay)

trial() { # WHERE OPTIONS UNSHARE-OPTIONS
  code=0
  TMPDIR="$scratch" unshare $3 python3 "$here/random_io.py" "$daemon" --ops "$operations" -o "$2" >"$scratch/log" 2>&1 || code=$?
  [ $code = 0 ] || tail -n 3 "$scratch/log" | cut -c1-800
  expect "$1, ${2:-by default}, $(sed -n 's/ (repeat.*//p' "$scratch/log")" 0 $code
}
for options in "" passthrough=off writeback=1 no_open timeout=0; do trial "as root" "$options" --mount; done
if unshare -Urm true 2>/dev/null; then
  for options in "" writeback=1 no_open; do trial "in a user namespace" "$options" "--user --map-root-user --mount"; done
else
  say "user namespaces are not to be had here: left out"
fi
finish
