#!/bin/sh
# acetate run with the options people are used to from docker, podman and clusters: ports that lead into the container, the person's own
# home and name (--hpc), environments from files, rights given and taken, a directory as the root, signals and labels; as root, as a user
# with subordinate ids and as one without, by an OCI runtime and by our own launcher.
#
# usage: run_habits_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv python3
need_runtime
# As every distribution has it.
[ ! -c /dev/net/tun ] || chmod 666 /dev/net/tun

mkdir -p "$scratch/base/etc" "$scratch/base/www"
busybox_in "$scratch/base" sh cat echo id pwd env httpd grep sleep true ls mount mkdir touch cut stat
udp=yes
cc -static -o "$scratch/base/udp_echo" "$here/udp_echo.c" || udp=
cc -static -o "$scratch/base/prober_ping" "$here/may_ping.c" || skip "cc links nothing statically here"
echo "out of the container" >"$scratch/base/www/index.html"
echo "of the image" >"$scratch/base/etc/hosts"
printf 'root:x:0:0::/root:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\nstaff:x:50:\n' >"$scratch/base/etc/group"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod -R a+rX "$scratch/base" "$scratch/base.tar"
printf '# what the job needs\nFROM_FILE=a b\n\n  TAKEN_OVER\r\n' >"$scratch/env"
chmod 644 "$scratch/env"
base=$scratch/base.tar

# fetch PORT: what the server behind it says, once it is there
fetch() {
  python3 - "$1" <<'END'
import sys, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for _ in range(600):
    try:
        print(opener.open(f"http://127.0.0.1:{sys.argv[1]}/", timeout=5).read().decode(), end="")
        break
    except OSError:
        time.sleep(0.1)
END
}

# ask ADDRESS PORT: what the server behind this UDP port answers, once it is there
ask() {
  python3 - "$1" "$2" <<'END'
import socket, sys, time
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.connect((sys.argv[1], int(sys.argv[2])))
asking.settimeout(0.2)
for _ in range(300):
    try:
        asking.send(b"hello")
        print(asking.recv(100).decode())
        break
    except TimeoutError:  # lost on the way, or slow
        pass
    except OSError:  # nobody is there yet
        time.sleep(0.1)
END
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

published() { # AS NAME NETWORK
  port=$(free_port)
  $1 acetate run --init --network "$3" -p "127.0.0.1:$port:8080" "$base" httpd -f -p 8080 -h /www >"$scratch/said" 2>&1 &
  server=$!
  expect "$2: a port that $3 leads in" "out of the container" "$(fetch "$port")"
  kill -TERM "$(child_of "$server")"
  wait "$server" || true
  code=0
  python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 5)" 2>/dev/null || code=$?
  expect "$2: and with the container it is gone ($3)" 1 "$code"
}

# By an address of this machine's that is not 127.0.0.1: to that slirp4netns 1.2 sends no answer (its guest may not reach the host's loopback), and the pasta of 2022
# only where both ports have one number (acetate(1), --publish).
published_udp() { # AS NAME NETWORK
  address=$(ip -4 -o address show scope global | sed -n 's,.* inet \([0-9.]*\)/.*,\1,p' | head -1)
  if [ -z "$udp" ]; then say "cc links nothing statically here: no UDP port is asked"; return; fi
  if [ -z "$address" ]; then say "this machine has no address but its loopback's: no UDP port is asked"; return; fi
  port=$(free_port)
  $1 acetate run --init --network "$3" -p "$address:$port:5353/udp" "$base" /udp_echo 5353 >"$scratch/said" 2>&1 &
  server=$!
  expect "$2: a UDP port that $3 leads in" "out of the container: hello" "$(ask "$address" "$port")"
  kill -TERM "$(child_of "$server")"
  wait "$server" || true
  code=0
  python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('$address', $port))" 2>/dev/null || code=$?
  expect "$2: and with the container it is free again ($3)" 0 "$code"
}

suite() { # AS NAME
  say "$2"
  for network in slirp4netns pasta; do
    if [ ! -c /dev/net/tun ]; then say "there is no /dev/net/tun, which $network needs"
    elif command -v "$network" >/dev/null; then
      published "$1" "$2" "$network"
      published_udp "$1" "$2" "$network"
    else say "$network is not installed"; fi
  done
  # A socket's path has 108 bytes.
  if [ -c /dev/net/tun ] && command -v slirp4netns >/dev/null; then
    published "$1 env ACETATE_ROOT=$($1 sh -c 'echo "$HOME/$0"' "$(printf %0100d 0)")" "$2, below a long path" slirp4netns
  fi
  expect_failure "$2: a port of the host's own network" 125 "every port is the host's already" $1 acetate run --network host -p 80 "$base" true

  # A job on a cluster node: who, where and with what one is outside.
  expect "$2: --hpc is the same user" "$($1 id -u):$($1 id -g) $($1 sh -c 'echo $HOME')" \
    "$($1 acetate run --hpc "$base" sh -c 'echo $(id -u):$(id -g) $HOME' 2>&1)"
  work=$($1 sh -c 'mkdir -p "$HOME/job"; echo "$HOME/job"')
  expect "$2: and in the same directory" "$work" "$($1 sh -c "cd $work && acetate run --hpc $base pwd" 2>&1)"
  $1 sh -c "cd $work && acetate run --hpc $base sh -c 'echo result >out'" >"$scratch/said" 2>&1 || fail "$2: --hpc: $(cat "$scratch/said")"
  expect "$2: what it writes there is the person's" "result $($1 id -u)" "$(cat "$work/out") $(stat -c %u "$work/out")"
  expect "$2: and the environment is the same, but for PATH" "set /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    "$($1 env IT_IS=set acetate run --hpc "$base" sh -c 'echo $IT_IS $PATH' 2>&1)"

  printf 'me:x:%s:%s::/home/me:/bin/sh\n' "$($1 id -u)" "$($1 id -g)" >"$scratch/passwd"
  chmod 644 "$scratch/passwd"
  expect "$2: keep-id and a passwd that is given" "me /home/me" \
    "$($1 acetate run --userns keep-id -v "$scratch/passwd:/etc/passwd:ro" "$base" sh -c 'echo $(id -un) $(cut -d: -f6 /etc/passwd)' 2>&1)"

  # Directories that are mounted, and what is below them.
  $1 rm -rf v1 v2
  $1 mkdir v1 v2
  $1 ln -sfn /made/by/link v1/link
  expect "$2: a working directory that is made on a volume" "/v/new/x" "$($1 acetate run -v ./v1:/v:cached -w /v/new/x "$base" pwd 2>&1)"
  expect "$2: and on a tmpfs" "/t/x" "$($1 acetate run --tmpfs /t -w /t/x "$base" pwd 2>&1)"
  expect "$2: a volume below a volume is where that says" "found" \
    "$($1 acetate run -v ./v1:/www -v ./v2:/www/link "$base" sh -c 'echo found >/made/by/link/f; cat /www/link/f' 2>&1)"
  expect "$2: with --read-only a volume has what the image has" "out of the container x" \
    "$($1 acetate run --read-only -v /www "$base" sh -c 'echo x >/www/x; echo $(cat /www/index.html /www/x)' 2>&1)"

  # What only a group of the caller's may read.
  for how in "" "--userns keep-id"; do
    expect "$2: our groups are kept ${how:+with $how }with keep-groups" "for the group" "$($1 acetate run $how --group-add keep-groups -v "$scratch/shared:/shared" "$base" cat /shared/file 2>&1)"
    case $1 in
      ranged*) expect_failure "$2: and not otherwise ${how:+with $how}" 1 "Permission denied" $1 acetate run $how -v "$scratch/shared:/shared" "$base" cat /shared/file ;;
    esac
  done
  expect "$2: --hpc keeps them" "for the group" "$($1 acetate run --hpc -v "$scratch/shared:/shared" "$base" cat /shared/file 2>&1)"
  expect_failure "$2: no other group beside ours" 125 "no other group" $1 acetate run --group-add keep-groups --group-add 7 "$base" true
  case $1 in
    single*) expect_match "$2: with one id there is none" "with one id there is no other group" "$($1 acetate run --group-add 7 "$base" true 2>&1)" ;;
    *) expect "$2: groups of the image" "0 7 50" "$($1 acetate run --group-add staff --group-add 7 "$base" id -G 2>&1)"
      expect_failure "$2: nor one that is not there" 125 "no-such" $1 acetate run --group-add no-such "$base" true ;;
  esac
  expect "$2: --env-host" set "$($1 env IT_IS=set acetate run --env-host -e PATH=/bin "$base" sh -c 'echo $IT_IS' 2>&1)"
  expect "$2: --env-file" "a b|here" "$($1 env TAKEN_OVER=here acetate run --env-file "$scratch/env" "$base" sh -c 'echo "$FROM_FILE|$TAKEN_OVER"' 2>&1)"
  expect_failure "$2: no such file of them" 125 "/no/such" $1 acetate run --env-file /no/such "$base" true

  # bits: CAP_CHOWN is 0, CAP_SYS_ADMIN 21
  has() { $who acetate run "$@" "$base" sh -c 'grep CapBnd /proc/self/status | cut -f2' 2>"$scratch/said" |
    python3 -c 'import sys; bits = int(sys.stdin.read() or "0", 16); print(bits & 1, bits >> 21 & 1)'; }
  who=$1
  expect "$2: rights by default" "1 0" "$(has)"
  expect "$2: rights given and taken" "0 1" "$(has --cap-drop chown --cap-add SYS_ADMIN)"
  expect "$2: all of them taken" "0 0" "$(has --cap-drop all)"
  expect "$2: --privileged" "1 1" "$(has --privileged)"
  expect "$2: which may mount" "mounted" "$($1 acetate run --privileged "$base" sh -c 'mkdir /m && mount -t tmpfs none /m && echo mounted' 2>&1)"
  if [ -c /dev/net/tun ]; then expect "$2: which has devices in directories too" "there" "$($1 acetate run --privileged "$base" sh -c '[ -c /dev/net/tun ] && echo there' 2>&1)"; fi
  expect_failure "$2: and nobody else" any . $1 acetate run "$base" sh -c 'mkdir /m && mount -t tmpfs none /m'
  expect "$2: no new privileges" 1 "$($1 acetate run --security-opt no-new-privileges "$base" sh -c 'grep NoNewPrivs /proc/self/status | cut -f2' 2>&1)"
  # With one id a filter plays root, whatever is asked.
  expect "$2: without a filter of calls" "$3" "$($1 acetate run --security-opt seccomp=unconfined "$base" sh -c 'grep "^Seccomp:" /proc/self/status | cut -f2' 2>&1)"

  expect "$2: a directory is the root" "out of the container" "$($1 acetate run --rootfs "$scratch/base" cat /www/index.html 2>&1)"
  $1 acetate run --rootfs "$scratch/base" touch /written >"$scratch/said" 2>&1 || fail "$2: --rootfs: $(cat "$scratch/said")"
  expect "$2: and stays as it is" "" "$(ls "$scratch/base/written" 2>/dev/null || true)"
  got=0
  $1 acetate run --stop-signal INT --timeout 1 "$base" sh -c 'trap "exit 7" INT; while :; do sleep 0.1; done' >"$scratch/said" 2>&1 || got=$?
  expect "$2: the signal that ends it" 7 "$got"
  expect_failure "$2: a signal that is none" 125 "WIBBLE" $1 acetate run --stop-signal WIBBLE "$base" true
  $1 acetate run --keep labelled --label tier=test --label empty "$base" true
  expect "$2: labels go into what is made of it" "test" "$($1 sh -c 'acetate commit -q labelled from-labelled >/dev/null && acetate inspect --format "{{.Config.Labels.tier}}" from-labelled' 2>&1)"
  $1 acetate rm labelled >/dev/null
  expect "$2: our shared memory" "shared $(readlink /proc/self/ns/ipc)" \
    "$(echo shared >/dev/shm/act-$$ && $1 acetate run --ipc host "$base" sh -c "cat /dev/shm/act-$$; readlink /proc/self/ns/ipc" 2>&1 | paste -sd' '; rm -f /dev/shm/act-$$)"
  if [ -d /dev/mqueue ]; then there=there; else there=; fi  # where the machine has one
  expect "$2: queues of ours are seen" "$there" "$($1 acetate run --ipc=host "$base" sh -c 'grep -q " /dev/mqueue " /proc/self/mounts && echo there; true' 2>&1)"
  expect "$2: a resolver as it is wished" "nameserver 9.9.9.9 search a.test b.test options ndots:2" \
    "$($1 acetate run --dns 9.9.9.9 --dns-search a.test --dns-search=b.test --dns-opt ndots:2 "$base" grep -E '^(nameserver|search|options)' /etc/resolv.conf 2>&1 | paste -sd' ')"
  # The equals signs of pflag.
  expect "$2: a short option with an equals sign" "box A=B" "$($1 acetate run -h=box -e=WHAT=A=B --entrypoint= "$base" sh -c 'echo $HOSTNAME $WHAT' 2>&1)"
  expect "$2: and a flag with one" "" "$(echo in | $1 acetate run -i=false "$base" cat 2>&1)"
  expect "$2: no words of the command" "-h=box" "$($1 acetate run "$base" echo -h=box 2>&1)"

  # Settings of namespaces that are its own, and of no others.
  ttl=$(cat /proc/sys/net/ipv4/ip_default_ttl)
  for network in none private; do
    [ "$network" = none ] || [ -c /dev/net/tun ] || continue
    [ "$network" = none ] || command -v pasta >/dev/null || command -v slirp4netns >/dev/null || continue
    expect "$2: --sysctl, --network $network" "44 0" \
      "$($1 acetate run --network $network --sysctl net.ipv4.ip_default_ttl=44 "$base" cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/net/ipv4/ip_unprivileged_port_start 2>&1 | paste -sd' ')"
    expect_failure "$2: one that is not there, --network $network" 125 "net.acetate.wibble|net/acetate/wibble" $1 acetate run --network $network --sysctl net.acetate.wibble=1 "$base" true
    for how in "" "--userns keep-id"; do
      expect "$2: everybody may ping, --network $network $how" "may" "$($1 acetate run --network $network $how "$base" /prober_ping 2>&1)"
    done
  done
  expect "$2: and the machine's is as it was" "$ttl" "$(cat /proc/sys/net/ipv4/ip_default_ttl)"
  expect_failure "$2: not of the machine's network" 125 "the network is the machine's" $1 acetate run --sysctl net.ipv4.ip_default_ttl=44 "$base" true
  expect_failure "$2: nor of the machine's memory" 125 "is all of the machine's" $1 acetate run --sysctl vm.swappiness=1 "$base" true
  expect_failure "$2: nor of the machine's queues" 125 "with --ipc host" $1 acetate run --ipc host --sysctl fs.mqueue.msg_max=1 "$base" true
  expect "$2: --uts host" "$(uname -n) $(readlink /proc/self/ns/uts)" "$($1 acetate run --uts host --network none "$base" sh -c 'echo $HOSTNAME; readlink /proc/self/ns/uts' 2>&1 | paste -sd' ')"
  expect_failure "$2: which has no other name" 125 "its names are the machine's" $1 acetate run --uts host -h box "$base" true
  expect "$2: --domainname" acetate.test "$($1 acetate run --domainname acetate.test "$base" cat /proc/sys/kernel/domainname 2>&1)"
  expect "$2: --ipc none" "no /dev/shm" "$($1 acetate run --ipc none "$base" sh -c '[ -e /dev/shm ] || echo no /dev/shm' 2>&1)"

  # What goes where, and for how long.
  expect "$2: only what is attached" "err" "$($1 acetate run -a STDERR "$base" sh -c 'echo out; echo err >&2' 2>&1)"
  expect_failure "$2: to one of three" 125 "stdin, stdout or stderr" $1 acetate run -a wibble "$base" true
  expect "$2: --umask" 0077 "$($1 acetate run --umask 77 "$base" sh -c umask 2>&1)"
  expect "$2: --oom-score-adj" 500 "$($1 acetate run --oom-score-adj 500 "$base" cat /proc/self/oom_score_adj 2>&1)"
  got=0 begun=$(date +%s)
  $1 acetate run --timeout 1 --stop-timeout 1 "$base" sh -c 'trap "" TERM; while :; do sleep 0.1; done' >"$scratch/said" 2>&1 || got=$?
  expect "$2: --stop-timeout" "137 soon" "$got $([ $(($(date +%s) - begun)) -lt 10 ] && echo soon || echo late)"
  $1 rm -f id
  expect "$2: --cidfile" "acetate-" "$($1 acetate run --cidfile ./id "$base" true 2>&1; $1 cut -c1-8 id)"
  expect_failure "$2: which must be new" 125 "--cidfile" $1 acetate run --cidfile ./id "$base" true
  printf '# a comment\nfrom=file\n' >"$scratch/labels"
  chmod 644 "$scratch/labels"
  $1 acetate run --keep labelled -l short=yes --label-file "$scratch/labels" --annotation not=one "$base" true
  expect "$2: -l and --label-file" "file yes" "$($1 sh -c 'acetate commit -q labelled from-labelled >/dev/null && acetate inspect --format "{{.Config.Labels.from}} {{.Config.Labels.short}}" from-labelled' 2>&1)"
  expect "$2: an annotation is no label" "" "$($1 acetate inspect --format '{{index .Config.Labels "not"}}' from-labelled 2>&1)"
  $1 acetate rm labelled >/dev/null
  expect "$2: --http-proxy" "proxy" "$($1 env http_proxy=proxy acetate run --unsetenv-all --http-proxy "$base" sh -c 'echo "$http_proxy"' 2>&1)"
  expect "$2: --no-hosts" "of the image" "$($1 acetate run --no-hosts "$base" cat /etc/hosts 2>&1)"
  if [ -e /usr/share/zoneinfo/Asia/Tokyo ]; then
    expect "$2: --tz" "$(sha256sum </usr/share/zoneinfo/Asia/Tokyo)" "$($1 acetate run --tz Asia/Tokyo "$base" cat /etc/localtime 2>&1 | sha256sum)"
  fi
  expect_failure "$2: no such zone" 125 "no time zone" $1 acetate run --tz ../../../etc/passwd "$base" true
  expect "$2: --runtime native" here "$($1 acetate run --runtime native "$base" echo here 2>&1)"
  expect_failure "$2: a runtime that is none" 125 "--gpus all" $1 acetate run --runtime nvidia "$base" true
  expect_failure "$2: parts of a platform" 125 "linux/s390x" $1 acetate run --pull never --arch s390x from-labelled true
  expect_failure "$2: refused with a way out" 125 "the shell's &" $1 acetate run -d "$base" true
  expect_failure "$2: a volume at /proc" 125 "nothing can be mounted at /proc/sys" $1 acetate run -v /proc/sys "$base" true
  expect "$2: a volume below /dev" x "$($1 acetate run -v /dev/mine "$base" sh -c 'echo x >/dev/mine/x && cat /dev/mine/x' 2>&1)"
  expect "$2: -v /dev leaves its devices" "/dev/null" "$($1 acetate run -v /dev "$base" ls /dev/null 2>&1)"
  expect "$2: --read-only-tmpfs=false" refused "$($1 acetate run --read-only --read-only-tmpfs=false "$base" sh -c 'touch /run/x 2>/dev/null || echo refused' 2>&1)"
  expect "$2: habits without effect" "here" "$($1 acetate run --rm --name web --expose 80 --restart no --log-driver none --no-healthcheck --detach-keys=x --sig-proxy=true "$base" echo here 2>&1)"
  expect_failure "$2: two at one place" 125 'duplicate mount point: /run' $1 acetate run --tmpfs /run -v "$scratch:/run" "$base" true
  expect "$2: the host's processes" "$($1 cat /proc/1/comm)" "$($1 acetate run --pid host "$base" cat /proc/1/comm 2>&1)"
}

# What is mounted below the host's /sys is not written to from a container that shows it.
below_sys() { # AS NAME
  for place in /sys/kernel/debug /sys/fs/fuse/connections; do
    [ -d "$place" ] || continue
    expect "$2: nothing is written at $place" over \
      "$(AS="$1" PLACE=$place BASE=$base unshare -m sh -c '. "$0" && mount -t tmpfs -o mode=1777 tmpfs "$PLACE" && $AS acetate run "$BASE" sh -c "(echo x >$PLACE/file) 2>/dev/null && echo wrote; echo over"' "$scratch/as.sh" 2>&1)"
  done
}

make_users
test_groups=act-g$$
one_by_one groupadd "act-g$$" || skip "could not make a group"
one_by_one usermod -aG "act-g$$" "$ranged_user"
one_by_one usermod -aG "act-g$$" "$single_user"
mkdir -m 750 "$scratch/shared"
echo "for the group" >"$scratch/shared/file"
chmod 640 "$scratch/shared/file"
chgrp -R "act-g$$" "$scratch/shared"
# The users again, for a shell in other namespaces.
cat >"$scratch/as.sh" <<END
scratch=$scratch PATH=$PATH
$(sed -n '/^as_user()/,/^}/p' "$here/lib.sh")
ranged() { as_user $ranged_user "\$@"; }
single() { as_user $single_user "\$@"; }
plain() { "\$@"; }
END
# As many subordinate group ids as there need be, and fewer than user ids.
few_user=act-f$$
make_user "$few_user" with
one_by_one sed -i "s/^$few_user:1500000:65536/$few_user:1500000:1100/" /etc/subgid
few() { as_user "$few_user" "$@"; }
# Two ranges each, of which the first ends before their own id.
parts_user=act-p$$
make_user "$parts_user" with
one_by_one sed -i "s/^$parts_user:1500000:65536/$parts_user:1500000:600\n$parts_user:1600000:65536/" /etc/subuid /etc/subgid
parts() { as_user "$parts_user" "$@"; }
plain() { (cd "$HOME" && "$@"); }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
for each in plain ranged single; do
  filter=$(sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status)
  [ "$each" != single ] || filter=2
  suite "$each" "$each" "$filter"
  suite "$each env ACETATE_RUNTIME=native" "$each, native" "$filter"
  below_sys "$each" "$each"
  below_sys "$each env ACETATE_RUNTIME=native" "$each, native"
  $each acetate run -v secret:/s "$base" true
  expect "$each: nobody else enters the volumes" 700 "$($each sh -c 'stat -c %a "$HOME/.local/share/acetate/volumes"')"
done
for runtime in "" native; do
  expect "keep-id with fewer groups than users, by ${runtime:-an OCI runtime}" "$(few id -u):$(few id -g) 0:0" \
    "$(few env ACETATE_RUNTIME=$runtime acetate run --userns keep-id "$base" sh -c 'echo $(id -u):$(id -g) $(stat -c %u:%g /www/index.html)' 2>&1)"
done
for runtime in "" native; do
  expect "keep-id with several subordinate ranges, by ${runtime:-an OCI runtime}" "$(parts id -u):$(parts id -g) 0:0 7:5000" \
    "$(parts env ACETATE_RUNTIME=$runtime acetate run --userns keep-id "$base" sh -c 'echo $(id -u):$(id -g) $(stat -c %u:%g /www/index.html)' 2>&1) $(
    parts env ACETATE_RUNTIME=$runtime acetate run -u 7:5000 --userns keep-id "$base" sh -c 'echo $(id -u):$(id -g)' 2>&1)"
done
# CAP_SYS_RESOURCE is 24.
raised=100
if python3 -c 'import sys; sys.exit(not [l for l in open("/proc/self/status") if l.startswith("CapEff") and int(l.split()[1], 16) >> 24 & 1])'; then raised=unlimited; fi
for runtime in "" native; do
  expect "a limit above our own, by ${runtime:-an OCI runtime}, is for real root to raise, with the right to" "$raised" \
    "$( (ulimit -t 100; ACETATE_RUNTIME=$runtime acetate run --ulimit cpu=-1 "$base" sh -c 'ulimit -Ht') 2>/dev/null)"
done
expect "no mounts are left" "" "$(grep -F "$scratch" /proc/self/mountinfo || true)"
for each in ranged single; do
  expect "$each: without HOME the one of passwd(5) serves" "hello" "$($each env -u HOME acetate run "$base" echo hello 2>&1)"
done
finish
