#!/bin/sh
# acetate run at a real pseudo terminal, with -t and without: echo, size and its change, ^C, ^Z, the mode given back, input and output
# that nobody reads, the terminal going away; by an OCI runtime and by our own launcher.
#
# usage: terminal_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox python3

mkdir -p "$scratch/base/bin"
busybox_in "$scratch/base" sh cat echo sleep stty test trap seq tty yes
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
HOME=$scratch/home
export HOME
mkdir "$HOME"

for runtime in runc native; do
  if [ "$runtime" != native ] && ! command -v $runtime >/dev/null; then say "$runtime is not installed"; continue; fi
  say "$runtime"
  ACETATE_RUNTIME=$runtime python3 "$here/terminal.py" "$scratch/base.tar" >"$scratch/out" 2>&1 || true
  while read -r verdict what; do
    case $verdict in
      ok) pass "$runtime: $what" ;;
      FAIL) fail "$runtime: $what" ;;
      *) say "$verdict $what" ;;
    esac
  done <"$scratch/out"
  grep -q '^ok   over' "$scratch/out" || fail "$runtime: did not come to its end"
done
finish
