#!/bin/sh
# Commands without a pid namespace, as the host's pids are asked for (--pid host) or a container around us masks parts of /proc: what they leave running
# ends with them, and all of it with us, however we end.
#
# usage: shared_pids_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv script flock
need_runtime

mkdir -p "$scratch/base/bin" "$scratch/context"
busybox_in "$scratch/base" sh sleep echo kill setsid true touch
# Children, grandchildren in sessions of their own, and one that goes on making new ones.
cat >"$scratch/base/leave" <<'END'
sleep 86395 &
setsid sh -c "sleep 86395 & sleep 86395" &
(n=0; while [ $n -lt 300 ]; do n=$((n + 1)); (sleep 86395 &); done) &
sleep 0.2
exit $1
END
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
cp "$scratch/base.tar" "$scratch/context/base.tar"
cat >"$scratch/context/Dockerfile" <<'END'
FROM scratch
ADD base.tar /
RUN sleep 86395 & setsid sleep 86395 & touch /first
RUN touch /second
END
chmod -R a+rX "$scratch"/*.tar "$scratch/context"
base=$scratch/base.tar

# What is left of a sleep of so many seconds; what is ending has no arguments to be seen by.
left() { ps -eo pid=,args= | grep -F "sleep $1" | grep -v grep || true; }
# In the end, that is: a process ends a moment after it was killed.
gone() {
  tries=0
  while [ -n "$(left "$1")" ] && [ $tries -lt 400 ]; do tries=$((tries + 1)); sleep 0.05; done
  left "$1"
}

# ended NAME SECONDS WANTED COMMAND...: the exit code, and that nothing is left when it is there
ended() {
  what=$1 seconds=$2 wanted=$3
  shift 3
  got=0
  "$@" >"$scratch/out" 2>&1 </dev/null || got=$?
  expect "$what: exit code" "$wanted" "$got"
  expect "$what: nothing is left" "" "$(left "$seconds")"
  [ "$got" = "$wanted" ] || head -c 400 "$scratch/out"
}

suite() { # AS NAME
  as=$1 name=$2
  ended "$name: what a command leaves" 86395 3 $as acetate run $pids "$base" sh /leave 3
  ended "$name: one that is killed" 86395 137 $as acetate run $pids "$base" sh -c 'sh /leave 0; kill -9 $$'
  ended "$name: with an init" 86395 4 $as acetate run $pids --init "$base" sh /leave 4
  ended "$name: on a terminal" 86395 5 $as script -qec "acetate run $pids -t $base sh /leave 5" /dev/null
  ended "$name: what takes too long" 86395 137 $as acetate run $pids --timeout 1 --stop-signal KILL "$base" sh -c 'sh /leave 0; sleep 86395'
  ended "$name: what is asked to end" 86395 143 $as acetate run $pids --timeout 1 "$base" sh -c 'trap "exit 143" TERM; sh /leave 0; while :; do sleep 0.1; done'
}

# Ours killed: the one that was started, the holder's first process and its second.
killed() { # AS NAME
  mkfifo "$scratch/up"
  chmod 666 "$scratch/up"
  for victim in outer first second; do
    $1 acetate run $pids -v "$scratch/up:/up" "$base" sh -c 'setsid sleep 86394 & echo up >/up; while :; do sleep 0.1; done' >"$scratch/out" 2>&1 &
    pid=$!
    read -r _ <"$scratch/up"
    ours=$(child_of "$pid")
    case $victim in
      first) ours=$(only_child "$ours") ;;
      second) ours=$(only_child "$(only_child "$ours")") ;;
    esac
    kill -KILL "$ours"
    got=0
    wait "$pid" 2>/dev/null || got=$?
    if [ "$got" != 0 ]; then pass "$2: $victim killed is no success"; else fail "$2: $victim killed, and exit code 0"; fi
    expect "$2: nothing outlives a killed $victim" "" "$(gone 86394)"
    for lock in "$scratch"/home-*/.local/share/acetate/run/run-*/.lock; do
      [ ! -e "$lock" ] || flock "$lock" true
    done
    expect "$2: and the next command runs" works "$($1 acetate run $pids "$base" echo works 2>/dev/null)"
  done
  rm "$scratch/up"
}

only_child() { cut -d ' ' -f 1 "/proc/$1/task/$1/children"; }

make_users
plain() { "$@"; }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
in_masked() { single unshare -Urm sh -c 'mount --bind /dev/null /proc/version && exec "$@"' sh "$@"; }
native="env ACETATE_RUNTIME=native"
for who in plain ranged single in_masked; do
  pids="--pid host"
  [ "$who" != in_masked ] || pids=
  suite "$who" "$who"
  suite "$who $native" "$who, native"
  killed "$who" "$who"
  killed "$who $native" "$who, native"
done

say "builds"
ended "in_masked: what a step leaves" 86395 0 in_masked acetate build -q -o type=tar,dest=/dev/null "$scratch/context"

say "left behind"
for who in plain ranged single in_masked; do $who acetate run "$base" true 2>/dev/null; done
expect "no mounts" "" "$(grep -F "$scratch" /proc/self/mountinfo || true)"
expect "no daemons" "" "$(ps -eo pid=,args= | grep -F "$scratch" | grep fuse-overlay | grep -v grep || true)"
expect "no scratch directories" "" "$(ls -d "$scratch"/home-*/.local/share/acetate/run/run-* 2>/dev/null || true)"
finish
