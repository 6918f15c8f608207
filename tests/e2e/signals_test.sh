#!/bin/sh
# How often a signal reaches the command of acetate run: once, whoever else it was for. As root, as a user with a subordinate range and as one with
# one id, by an OCI runtime and by our own launcher.
#
# usage: signals_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay cc python3 setpriv

mkdir -p "$scratch/base"
cc -static -o "$scratch/base/count" "$here/count_signals.c" || skip "cc links nothing statically here"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod 644 "$scratch/base.tar"
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
# The checkout may lie where other users cannot look.
install -m 755 "$here/signals.py" "$scratch"

make_users
plain() { "$@"; }
for runtime in runc crun native; do
  if [ "$runtime" != native ] && ! command -v $runtime >/dev/null; then say "$runtime is not installed"; continue; fi
  for who in plain ranged single; do
    say "$who, $runtime"
    $who env ACETATE_RUNTIME=$runtime python3 "$scratch/signals.py" "$scratch/base.tar" >"$scratch/out" 2>&1 || true
    while read -r verdict what; do
      case $verdict in
        ok) pass "$who, $runtime: $what" ;;
        FAIL) fail "$who, $runtime: $what" ;;
        *) say "$verdict $what" ;;
      esac
    done <"$scratch/out"
    grep -q '^ok   over' "$scratch/out" || fail "$who, $runtime: did not come to its end"
  done
done
finish
