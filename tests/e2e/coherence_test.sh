#!/bin/sh
# Mappings, locks and handles over copy-up, overlays on our overlay and a full disk, on real mounts: as root and as root of
# a user namespace.
#
# usage: coherence_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 unshare setpriv
make_users
daemon=$(command -v fuse-overlay)
cp "$here/coherence.py" "$scratch/coherence.py"

# coherence WHO COMMAND...
coherence() {
  who=$1 code=0
  shift
  "$@" python3 "$scratch/coherence.py" "$daemon" >"$scratch/log" 2>&1 || code=$?
  tail -n 6 "$scratch/log" | cut -c1-500
  expect "$who" 0 $code
}
coherence "as root" unshare --mount
if ranged unshare --user --map-auto --map-root-user true 2>/dev/null; then
  coherence "in a user namespace" ranged unshare --user --map-auto --map-root-user --mount
else
  say "no user namespaces with a range of ids here"
fi
finish
