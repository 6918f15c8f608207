#!/bin/sh
# Kept containers: run --keep NAME, then ps, diff, commit, export, run NAME and rm, as root, with a subordinate range and
# with one id. What commit makes is run by us, and read by skopeo and umoci where they are installed.
#
# usage: keep_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv

mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/dir/sub" "$scratch/base/full"
busybox_in "$scratch/base" sh ls cat echo rm mkdir touch chown chmod stat id sleep true
echo one >"$scratch/base/dir/one"
echo two >"$scratch/base/dir/two"
echo three >"$scratch/base/full/three"
tar -C "$scratch/base" --owner=0 --group=0 -czf "$scratch/base.tar.gz" .
chmod 644 "$scratch/base.tar.gz"
base=$scratch/base.tar.gz

suite() { # AS NAME
  as=$1 name=$2
  say "$name"
  $as acetate run --keep box --label job=7 "$base" sh -c 'echo changed >/dir/one; rm /dir/two; echo new >/dir/new; mkdir /made; rm -r /full; mkdir /full; echo four >/full/four; exit 3' || true
  expect "$name: is listed" "box exited (3)" "$($as acetate ps --noheading | sed 's/  */ /g' | sed 's/^\(box\) .* \(exited (3)\).*/\1 \2/')"
  expect "$name: with its label" '"job": "7"' "$($as acetate ps --format json | grep -o '"job": "7"')"
  expect "$name: what changed" "C /dir,A /dir/new,C /dir/one,D /dir/two,C /full,A /full/four,D /full/three,A /made" \
    "$($as acetate diff box | tr '\n' ',' | sed 's/,$//')"
  expect "$name: mount points are none of it" "" "$($as acetate diff box | grep -E ' /(proc|dev|sys|etc)(/|$)' || true)"
  expect "$name: and as JSON" "/dir/two" "$($as acetate diff --format json box | sed -n '/deleted/,/]/p' | grep -o '/dir/two')"
  expect "$name: goes on" "changed new" "$($as acetate run box sh -c 'echo $(cat /dir/one /dir/new)' 2>&1)"
  expect "$name: by --keep too" "changed" "$($as acetate run --keep box "$base" cat /dir/one 2>&1)"
  expect_failure "$name: not on another image" 125 "acetate rm box" $as acetate run --keep box "$scratch/base" true
  expect "$name: commit says an id" 64 "$($as acetate commit -m 'a word' -a me -c 'ENV A=b' -c 'CMD ["cat","/dir/one"]' box made:1 | tr -d '\n' | wc -c)"
  expect "$name: the image runs" changed "$($as acetate run made:1 2>&1)"
  expect "$name: with what was added and without what was removed" "new one sub four" "$($as acetate run made:1 sh -c 'echo $(ls /dir) $(ls /full)' 2>&1)"
  expect "$name: and what was changed of it" b "$($as acetate run made:1 sh -c 'echo $A' 2>&1)"
  $as acetate commit -o committed.tar box >/dev/null
  home=$($as sh -c 'pwd')
  if command -v skopeo >/dev/null; then
    expect "$name: skopeo reads it" 2 "$($as skopeo inspect "oci-archive:$home/committed.tar" | sed -n '/"Layers"/,/]/p' | grep -c sha256:)"
  fi
  $as acetate export -o files.tar box
  expect "$name: export has all of it" "changed" "$(tar -xOf "$home/files.tar" dir/one)"
  expect "$name: and not what is gone" "" "$(tar -tf "$home/files.tar" | grep -E 'dir/two|full/three|\.wh\.' || true)"
  expect "$name: also into a pipe" "new" "$($as acetate export box | tar -xO dir/new)"
  expect_failure "$name: nobody of that name" 125 "acetate ps" $as acetate diff nobody
  expect "$name: rm says whom" box "$($as acetate rm box)"
  expect "$name: and it is gone" "" "$($as acetate ps -q)"
  expect_failure "$name: and cannot be removed again" 1 "no container" $as acetate rm box
  expect "$name: unless that is ignored" "" "$($as acetate rm --ignore box)"
  expect "$name: its image is still there" changed "$($as acetate run made:1 2>&1)"
}

# One that was killed is kept as far as it came, and told as interrupted, whatever an earlier command of it came to.
interrupted() { # NAME-OR-OPTIONS...
  rm -f "$scratch/up"
  mkfifo "$scratch/up"
  acetate run -v "$scratch/up:/up" "$@" sh -c 'echo half >/dir/half; echo up >/up; exec sleep 86398' &
  pid=$!
  read -r _ <"$scratch/up"
  expect "while it runs it is told so" running "$(acetate ps --noheading | sed 's/  */ /g' | cut -d' ' -f3)"
  expect_failure "and is nobody else's" 125 "in use" acetate run cut true
  acetate run --keep idle "$base" true
  expect "rm --all leaves it" "0 idle" "$(acetate rm --all >"$scratch/removed" 2>&1; echo $? $(cat "$scratch/removed"))"
  expect_failure "rm of it does not" 2 "in use" acetate rm --all cut
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || true
  # The kernel ends the rest; whoever is last lets go of the lock.
  tries=0
  while acetate ps --noheading | grep -q running && [ $tries -lt 200 ]; do tries=$((tries + 1)); sleep 0.05; done
  expect "killed, it is interrupted" interrupted "$(acetate ps --noheading | sed 's/  */ /g' | cut -d' ' -f3)"
  expect "with the command that was" yes "$(acetate ps --format json | grep -q 86398 && echo yes)"
  expect "and goes on" half "$(acetate run cut cat /dir/half 2>/dev/null)"
  expect "to an end" "exited (0)" "$(acetate ps --noheading | grep -o 'exited (0)')"
}

make_users
plain() { (cd "$HOME" && "$@"); }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
suite plain plain
suite ranged ranged
suite single single
say "killed"
interrupted --keep cut "$base"
interrupted cut
acetate rm cut >/dev/null
finish
