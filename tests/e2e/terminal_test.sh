#!/bin/sh
# acetate run at a real pseudo terminal, with -t and without: echo, size and its change, ^C, ^Z, the mode given back, input and output
# that nobody reads, the terminal going away, and a person at a shell's prompt with job control; as root, as a user with a subordinate range and
# as one with one id, by an OCI runtime and by our own launcher.
#
# usage: terminal_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox python3 setpriv

mkdir -p "$scratch/base/bin"
busybox_in "$scratch/base" sh cat echo sleep stty test trap seq tty yes
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod 644 "$scratch/base.tar"
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
# The checkout may lie where other users cannot look.
install -m 755 "$here/terminal.py" "$scratch"

make_users
plain() { "$@"; }
for runtime in runc native; do
  if [ "$runtime" != native ] && ! command -v $runtime >/dev/null; then say "$runtime is not installed"; continue; fi
  # They wait for the most part, so all users at once.
  for who in plain ranged single; do
    $who env ACETATE_RUNTIME=$runtime python3 "$scratch/terminal.py" "$scratch/base.tar" >"$scratch/out-$who" 2>&1 &
  done
  wait
  for who in plain ranged single; do
    say "$who, $runtime"
    while read -r verdict what; do
      case $verdict in
        ok) pass "$who, $runtime: $what" ;;
        FAIL) fail "$who, $runtime: $what" ;;
        *) say "$verdict $what" ;;
      esac
    done <"$scratch/out-$who"
    grep -q '^ok   over' "$scratch/out-$who" || fail "$who, $runtime: did not come to its end"
  done
done
finish
