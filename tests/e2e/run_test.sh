#!/bin/sh
# acetate run: a busybox out of two tarballs, as root, rootless with a subordinate range, and rootless with one id; by an
# OCI runtime and by our own launcher. Nothing stays behind, also when the command is killed.
#
# usage: run_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv openssl
need_runtime

mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/dir" "$scratch/base/owned" "$scratch/top/dir" "$scratch/top/srv"
busybox_in "$scratch/base" cut grep head sh ls cat echo rm mkdir touch chown chmod stat id env sleep pwd wc kill true test hostname
echo gone >"$scratch/base/dir/gone"
echo stays >"$scratch/base/dir/stays"
echo secret >"$scratch/base/owned/file"
printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\napp:x:1001:\nstaff:x:50:app\n' >"$scratch/base/etc/group"
echo 'not a program' >"$scratch/base/bin/plain"
printf '#!/no/such/interpreter\n' >"$scratch/base/bin/lost"
chmod 755 "$scratch/base/bin/lost"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
: >"$scratch/top/dir/.wh.gone"
echo added >"$scratch/top/dir/added"
tar -C "$scratch/top" --owner=0 --group=0 -czf "$scratch/top.tar.gz" .
mkdir "$scratch/data"
echo outside >"$scratch/data/file"
chmod 644 "$scratch"/*.tar* "$scratch/data/file"
base=$scratch/base.tar top=$scratch/top.tar.gz

# code WHAT WANTED COMMAND...: the exit code, and what was said when it is another
code() {
  what=$1 wanted=$2
  shift 2
  got=0
  "$@" >"$scratch/out" 2>&1 || got=$?
  if [ "$got" = "$wanted" ]; then pass "$what"; else fail "$what: exit code $got instead of $wanted: $(head -c 400 "$scratch/out")"; fi
}

suite() { # AS(a command that runs the rest) NAME
  as=$1 name=$2
  say "$name"
  expect "$name: echo" hello "$($as acetate run "$base" echo hello 2>&1)"
  code "$name: the exit code is the command's" 3 $as acetate run "$base" sh -c 'exit 3'
  code "$name: a command that is not there is 127" 127 $as acetate run "$base" no-such-command
  code "$name: a path that is not there is 127" 127 $as acetate run "$base" /no/such
  code "$name: a script without interpreter is 127" 127 $as acetate run "$base" lost
  code "$name: a file that is no program is 126" 126 $as acetate run "$base" /bin/plain
  code "$name: a directory is 126" 126 $as acetate run "$base" /bin
  code "$name: a killed command is 128 and the signal" 137 $as acetate run "$base" sh -c 'sh -c "kill -9 \$\$"; exit $?'
  expect "$name: ids" "0 0" "$($as acetate run "$base" sh -c 'echo $(id -u) $(id -g)' 2>&1)"
  expect "$name: the environment" "1 b c /bin here dumb" \
    "$($as env THERE=here acetate run -e A=1 -e 'B=b c' -e PATH=/bin -e THERE -e TERM=dumb "$base" sh -c 'echo $A $B $PATH $THERE $TERM' 2>&1)"
  expect "$name: HOME is the passwd's" /root "$($as acetate run "$base" sh -c 'echo $HOME' 2>&1)"
  expect "$name: the working directory is made" /new/place "$($as acetate run -w /new/place "$base" pwd 2>&1)"
  expect "$name: the hostname" box "$($as acetate run --hostname box "$base" hostname 2>&1)"
  expect "$name: an entrypoint" "-n x" "$($as acetate run --entrypoint '["echo","-n"]' "$base" -- x 2>&1 | sed 's/^x$/-n x/')"
  expect "$name: with our network our hostname" "$(uname -n) $(uname -n)" "$($as acetate run "$base" sh -c 'echo $(hostname) $HOSTNAME' 2>&1)"
  expect "$name: and our hosts, after what is added" "$(printf '10.0.0.9\tbox\n'; cat /etc/hosts)" \
    "$($as acetate run --add-host box:10.0.0.9 "$base" cat /etc/hosts 2>&1 | head -n $(($(grep -c '' /etc/hosts) + 1)))"
  expect "$name: in another one of its own" "12" "$($as acetate run --network none "$base" hostname 2>&1 | tr -d '\n' | wc -c)"
  expect "$name: standard input with -i" typed "$(echo typed | $as acetate run -i "$base" cat 2>&1)"
  expect "$name: none without" "" "$(echo typed | $as acetate run "$base" cat 2>&1)"
  expect "$name: layers over one another" "added stays" "$($as acetate run "$base" "$top" -- sh -c 'echo $(ls /dir)' 2>&1)"
  expect "$name: a lower file is removed" "stays" "$($as acetate run "$base" sh -c 'rm /dir/gone && echo $(ls /dir)' 2>&1)"
  expect "$name: and is back the next time" "gone stays" "$($as acetate run "$base" sh -c 'echo $(ls /dir)' 2>&1)"
  expect "$name: chown" "done" "$($as acetate run "$base" sh -c 'touch /x && chown 1:1 /x /owned/file && echo done' 2>&1)"
  expect "$name: files are root's" "0:0" "$($as acetate run "$base" stat -c %u:%g /owned/file 2>&1)"
  expect "$name: a volume is read" outside "$($as acetate run -v "$scratch/data:/data:ro" "$base" cat /data/file 2>&1)"
  code "$name: and not written" 1 $as acetate run -v "$scratch/data:/data:ro" "$base" sh -c 'echo x >/data/file'
  expect "$name: a file as a volume" outside "$($as acetate run -v "$scratch/data/file:/etc/one:ro" "$base" cat /etc/one 2>&1)"
  expect "$name: descriptors are 0, 1, 2 and that of ls" "0 1 2 3" "$($as acetate run "$base" sh -c 'echo $(ls /proc/self/fd)' 2>&1)"
  expect "$name: /proc is masked" 0 "$($as acetate run "$base" sh -c 'cat /proc/interrupts | wc -c' 2>&1)"
  code "$name: /proc/sys is read-only" 1 $as acetate run "$base" sh -c 'echo 1 >/proc/sys/kernel/printk'
  code "$name: no working directory in /proc" 125 $as acetate run -w /proc/self/fd/3 "$base" true
  code "$name: a read-only root" 1 $as acetate run --read-only "$base" sh -c 'echo x >/file'
  expect "$name: with a /tmp" x "$($as acetate run --read-only "$base" sh -c 'echo x >/tmp/f; cat /tmp/f' 2>&1)"
  expect "$name: without network one interface" lo "$($as acetate run --network none "$base" ls /proc/sys/net/ipv4/neigh 2>&1 | grep -v default)"
  expect_failure "$name: no image" 125 "no/such" $as acetate run "/no/such/image.tar" true
  expect_failure "$name: no command" 125 "command" $as acetate run "$base"
  expect_failure "$name: an unknown user" 125 "nobody-here" $as acetate run -u nobody-here "$base" true
  expect_failure "$name: an unknown option" 125 "wibble" $as acetate run --wibble "$base" true
  expect_failure "$name: no terminal" 125 "terminal" $as acetate run -t "$base" true
  expect_failure "$name: no runtime" 125 "nope" $as env ACETATE_RUNTIME=nope acetate run "$base" true
  $as acetate run -v data:/data "$base" sh -c 'echo kept >/data/file'
  expect "$name: a named volume is there again" kept "$($as acetate run -v data:/data "$base" cat /data/file 2>&1)"
  fresh=fresh-$(echo "$name" | tr -cd a-z)
  expect "$name: a new one begins with what the image has there" "stays" "$($as acetate run -v "$fresh:/dir" "$base" sh -c 'rm /dir/gone; echo $(ls /dir)' 2>&1)"
  expect "$name: and is filled once" "stays" "$($as acetate run -v "$fresh:/dir" "$base" sh -c 'echo $(ls /dir)' 2>&1)"
  expect "$name: nocopy leaves it empty" "" "$($as acetate run -v "$fresh-empty:/dir:nocopy" "$base" ls /dir 2>&1)"
  expect "$name: a volume's name is one" "cannot be a volume" "$($as acetate run -v 'a b:/data' "$base" true 2>&1 | grep -o 'cannot be a volume')"
  expect "$name: a file system in memory" "tmpfs" "$($as acetate run --tmpfs /t:size=64k "$base" sh -c 'while read d p t r; do [ $p = /t ] && echo $t; done </proc/mounts' 2>&1)"
  expect "$name: another image mounted" stays "$($as acetate run --mount "type=image,source=$base,target=/other" "$base" cat /other/dir/stays 2>&1)"
  expect "$name: hosts and nameservers" "9.9.9.9 box" "$($as acetate run --dns 9.9.9.9 --add-host box:10.0.0.9 "$base" sh -c 'read a b </etc/resolv.conf; while read ip n; do [ $ip = 10.0.0.9 ] && echo $b $n; done </etc/hosts' 2>&1)"
  expect "$name: a limit" "64 64" "$($as acetate run --ulimit nofile=64 "$base" sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)' 2>&1)"
  expect "$name: a smaller /dev/shm" 4 "$($as acetate run --shm-size 4k "$base" sh -c 'while read d p t o r; do [ $p = /dev/shm ] && echo $o; done </proc/mounts' 2>&1 | sed 's/.*size=\([0-9]*\)k.*/\1/')"
  expect "$name: a device" "crw" "$($as acetate run --device /dev/fuse "$base" sh -c 'ls -l /dev/fuse | cut -c1-3' 2>&1)"
  code "$name: init ends as its child does" 7 $as acetate run --init "$base" sh -c 'sleep 0.1 & exit 7'
  expect "$name: with init the command is not pid 1" "init" "$($as acetate run --init "$base" sh -c 'read n </proc/1/comm; echo $n' 2>&1 | sed 's/.*init.*/init/')"
  code "$name: what takes too long is ended" 143 $as acetate run --timeout 1 "$base" sh -c 'trap "exit 143" TERM; while :; do sleep 0.1; done'
  expect "$name: a shell" "shell here" "$(echo 'echo shell here' | $as acetate shell "$base" 2>&1 | tail -n 1)"
}

# As a user inside the container.
users() { # AS NAME
  expect "$2: a user of the image" "1000:1001 50 /home/app" \
    "$($1 acetate run -u app "$base" sh -c 'echo $(id -u):$(id -g) $(id -G | sed s/1001.//) $HOME' 2>&1)"
  expect "$2: a user by number" "7:8" "$($1 acetate run -u 7:8 "$base" sh -c 'echo $(id -u):$(id -g)' 2>&1)"
  expect "$2: and can enter, whatever our umask is" "in" "$(umask 077; $1 acetate run -u app "$base" echo in 2>&1)"
  expect "$2: owners are real" "1:2" "$($1 acetate run "$base" sh -c 'touch /x && chown 1:2 /x && stat -c %u:%g /x' 2>&1)"
}

processes_of() { ps -eo pid=,args= | grep -F "$1" | grep -v grep || true; }

# in_background FIFO COMMAND...: runs it and says "over" when it has ended, so that nobody waits for what never was.
in_background() {
  fifo=$1
  shift
  got=0
  "$@" || got=$?
  echo over 1<>"$fifo"
  exit "$got"
}

# A signal reaches the command; SIGKILL of ours takes everything along.
signals() { # AS NAME TAG
  mkfifo "$scratch/up-$3"
  chmod 666 "$scratch/up-$3"
  in_background "$scratch/up-$3" $1 acetate run -v "$scratch/up-$3:/up" "$base" sh -c 'trap "exit 9" TERM; echo up >/up; while :; do sleep 0.1; done' &
  pid=$!
  read -r _ <"$scratch/up-$3"
  kill -TERM "$(child_of "$pid")"
  got=0
  wait "$pid" || got=$?
  expect "$2: SIGTERM reaches the command" 9 "$got"

  in_background "$scratch/up-$3" $1 acetate run -v "$scratch/up-$3:/up" "$base" sh -c 'echo up >/up; exec sleep 86399' &
  pid=$!
  read -r _ <"$scratch/up-$3"
  kill -KILL "$(child_of "$pid")"
  wait "$pid" 2>/dev/null || true
  # The kernel ends the others; the last one to go closes the pipe they all hold.
  tries=0
  while [ -n "$(processes_of 'sleep 86399')" ] && [ $tries -lt 200 ]; do tries=$((tries + 1)); sleep 0.05; done
  expect "$2: nothing outlives SIGKILL" "" "$(processes_of 'sleep 86399')"
  # A process that is ending has no arguments to be seen by any more and still holds its lock: wait for the lock itself.
  for lock in "$scratch"/home-*/.local/share/acetate/run/run-*/.lock; do
    [ ! -e "$lock" ] || flock "$lock" true
  done
  expect_match "$2: the next command says what it removes" "an earlier command was killed" "$($1 acetate run "$base" true 2>&1)"
  expect "$2: and says it once" "" "$($1 acetate run "$base" true 2>&1 | grep killed || true)"
}

# What is killed beside us: the daemon below a running command and the runtime above it; with our launcher the daemon, the launcher itself and the holder's first process.
killed() { # AS NAME TAG
  for case in runc:fuse-overlay runc:runc native:fuse-overlay native:launcher native:holder; do
    runtime=${case%%:*} victim=${case#*:}
    [ "$runtime" = native ] || command -v runc >/dev/null || continue
    in_background "$scratch/up-$3" $1 env ACETATE_RUNTIME="$runtime" acetate run --init -v "$scratch/up-$3:/up" "$base" sh -c 'echo up >/up; exec sleep 86396' 2>"$scratch/said-$3" &
    pid=$!
    read -r _ <"$scratch/up-$3"
    ours=$(child_of "$pid")
    case $victim in
      holder) kill -KILL "$(only_child "$ours")" ;;
      launcher) kill -KILL "$(only_child "$(only_child "$ours")")" ;;
      *) kill -KILL "$(below_named "$ours" "$victim")" ;;
    esac
    [ "$victim" != fuse-overlay ] || kill -TERM "$ours"
    got=0
    wait "$pid" || got=$?
    if [ "$got" != 0 ]; then pass "$2, $runtime: $victim killed is no success"; else fail "$2, $runtime: $victim killed, and exit code 0"; fi
    case $victim in
      runc) expect "$2: and it is said who was killed" "137 runc was killed by SIGKILL" "$got $(grep -o 'runc was killed by SIGKILL' "$scratch/said-$3")" ;;
      fuse-overlay) expect "$2, $runtime: and it is said who was killed" "143 fuse-overlay was killed by SIGKILL" "$got $(grep -o 'fuse-overlay was killed by SIGKILL' "$scratch/said-$3")" ;;
      *) expect "$2, $runtime: as a shell says it" 137 "$got" ;;
    esac
    expect "$2, $runtime: nothing outlives a killed $victim" "" "$(gone 'sleep 86396')"
    expect "$2, $runtime: no mount either" "" "$(grep -F "$scratch" /proc/self/mountinfo || true)"
    # What is ending has no arguments to be seen by any more and still holds its lock.
    for lock in "$scratch"/home-*/.local/share/acetate/run/run-*/.lock; do
      [ ! -e "$lock" ] || flock "$lock" true
    done
    removed=
    case $victim in holder | launcher) removed="an earlier command was killed" ;; esac
    expect "$2, $runtime: the next command runs" works "$($1 acetate run "$base" echo works 2>"$scratch/next-$3")"
    expect "$2, $runtime: and says what it removes, if there is anything" "$removed" "$(grep -o 'an earlier command was killed' "$scratch/next-$3" || true)"
    expect "$2, $runtime: after which there is nothing" "" "$(ls -d "$scratch"/home-*/.local/share/acetate/run/run-* 2>/dev/null || true)"
  done
}

only_child() { cut -d ' ' -f 1 "/proc/$1/task/$1/children"; }
# gone TEXT: the processes with it in their arguments, in the end: one ends a moment after it was killed.
gone() {
  tries=0
  while [ -n "$(processes_of "$1")" ] && [ $tries -lt 200 ]; do tries=$((tries + 1)); sleep 0.05; done
  processes_of "$1"
}

# below_named PID COMM: the first process of that name below PID.
below_named() {
  for below in $(cat "/proc/$1/task"/*/children 2>/dev/null); do
    if [ "$(cat "/proc/$below/comm" 2>/dev/null)" = "$2" ]; then echo "$below"; return; fi
    found=$(below_named "$below" "$2")
    if [ -n "$found" ]; then echo "$found"; return; fi
  done
}

make_users
plain() { "$@"; }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
native="env ACETATE_RUNTIME=native"
for who in plain ranged single; do
  suite "$who" "$who"
  suite "$who $native" "$who, native"
  [ "$who" = single ] || users "$who" "$who"
  [ "$who" = single ] || users "$who $native" "$who, native"
  signals "$who" "$who" "$who"
  signals "$who $native" "$who, native" "$who-native"
  killed "$who" "$who" "$who"
done
# No two blocks are alike, so that what is lost, comes twice or in another order changes the sum. The bytes are the same each time.
gibibyte() { head -c 1073741824 /dev/zero | openssl enc -aes-256-ctr -K "$(printf %064d 1)" -iv "$(printf %032d 1)"; }
sum=$(gibibyte | openssl sha1 -r)
for how in "plain" "plain $native" "ranged" "ranged $native"; do
  expect "$how: a gibibyte goes in and comes out as it is" "$sum" "$(gibibyte | $how acetate run -i "$base" cat | openssl sha1 -r)"
done
# runc has pipes between.
for who in plain ranged single; do
  expect "$who $native: what was closed is /dev/null, and no file of ours" "1:3 1:3" "$($who $native acetate run "$base" sh -c 'echo $(stat -L -c %t:%T /proc/$$/fd/0 /proc/$$/fd/2)' <&- 2>&-)"
done
expect "single: devices are played" "done" "$(single acetate run "$base" sh -c 'busybox mknod /n c 1 3 && echo done' 2>&1)"
expect_match "single: who is played by root is told" "played by root" "$(single acetate run -u app "$base" true 2>&1)"

say "an administrator's indexes"
mkdir "$scratch/context"
cp "$base" "$scratch/context/base.tar"
printf 'FROM scratch\nADD base.tar /\nVOLUME /kept/here\n' >"$scratch/context/Dockerfile"
acetate build -q -o "type=oci,dest=$scratch/image.tar" "$scratch/context"
ACETATE_CACHE=$scratch/theirs acetate index "oci-archive:$scratch/image.tar" >/dev/null
chmod -R a+rX "$scratch/theirs" "$scratch/image.tar"
for who in ranged single; do
  $who env ACETATE_CACHE="$scratch/home-$(eval echo "\$${who}_user")/fresh" ACETATE_LOG=info ACETATE_SHARED_INDEXES="$scratch/theirs/index/v1" \
    acetate -v run "oci-archive:$scratch/image.tar" true 2>"$scratch/err" || fail "$who: $(cat "$scratch/err")"
  expect "$who: are believed, though a user namespace does not show whose they are" "" "$(grep 'shared layer index' "$scratch/err" || true)"
done

say "volumes without a source"
for how in "" --read-only; do
  expect "one that the image names ${how:+and $how}" "x y" \
    "$(plain acetate run $how -v /mine "oci-archive:$scratch/image.tar" sh -c 'touch /kept/here/x /mine/y && echo $(ls /kept/here /mine | grep -v :)' 2>&1)"
done

say "left behind"
expect "no mounts" "" "$(grep -F "$scratch" /proc/self/mountinfo || true)"
expect "no daemons" "" "$(processes_of "$scratch" | grep fuse-overlay || true)"
plain acetate run "$base" true
ranged acetate run "$base" true
single acetate run "$base" true
expect "no scratch directories, those of the killed included" "" \
  "$(ls -d "$scratch"/home-*/.local/share/acetate/run/run-* 2>/dev/null || true)"
finish
