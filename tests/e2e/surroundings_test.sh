#!/bin/sh
# What of `acetate run` works where: as root, as a user with a range of ids, as one without and inside unshare(1). Prints the table of
# docs/running.md; a cell is what really happened. Where nothing can work, a sentence says what is missing, and doctor what to do.
#
# usage: surroundings_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv
[ -c /dev/net/tun ] && chmod 666 /dev/net/tun 2>/dev/null || true

mkdir -p "$scratch/base/bin" "$scratch/base/etc"
busybox_in "$scratch/base" sh ls cat echo touch chown stat id ip wc ps
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod 644 "$scratch/base.tar"
base=$scratch/base.tar

# cell WANTED COMMAND...: what a cell says
cell() {
  wanted=$1
  shift
  if [ "$("$@" 2>"$scratch/said")" = "$wanted" ]; then printf ' yes |'; return; fi
  printf ' no |'
  { printf '%s: ' "$name, $column"; head -c 300 "$scratch/said"; echo; } >>"$scratch/why"
}

# row NAME AS...: a row of the table
row() {
  name=$1
  shift
  printf '| %s |' "$name"
  column="a command"; cell hello "$@" acetate run "$base" echo hello
  column="our launcher"; cell hello "$@" env ACETATE_RUNTIME=native acetate run "$base" echo hello
  column="chown"; cell done "$@" acetate run "$base" sh -c 'touch /x && chown 1:1 /x && echo done'
  column="real owners"; cell 1:1 "$@" acetate run "$base" sh -c 'touch /x && chown 1:1 /x && stat -c %u:%g /x'
  column="another user"; cell 7:8 "$@" acetate run -u 7:8 "$base" sh -c 'echo $(id -u):$(id -g)'
  column="keep-id"; cell "$("$@" id -u)" "$@" acetate run --userns keep-id "$base" id -u
  column="own pids"; cell 1 "$@" acetate run "$base" sh -c 'echo $$'
  column="none"; cell 1 "$@" acetate run --network none "$base" sh -c 'ip -o link | wc -l'
  column="pasta"; cell 2 "$@" acetate run --network pasta "$base" sh -c 'ip -o link | wc -l'
  column="slirp4netns"; cell 2 "$@" acetate run --network slirp4netns "$base" sh -c 'ip -o link | wc -l'
  echo
}

make_users
plain() { (cd "$HOME" && "$@"); }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
in_unshare() { single unshare -Urm "$@"; }
in_unshare_range() { ranged unshare -Urm --map-auto "$@"; }
# As most containers have it: a part of /proc is covered, so no new one may be mounted.
in_masked() { single unshare -Urm sh -c 'mount --bind /dev/null /proc/version && exec "$@"' sh "$@"; }

# A /dev with what every program needs and nothing else.
without_fuse() {
  ranged unshare -Urm sh -ec 'mkdir dev; for node in null zero urandom tty; do : >dev/$node; mount --bind /dev/$node dev/$node; done
    mount --rbind dev /dev; exec "$@"' sh "$@"
}
# The limit is of a user namespace and below, so the machine's own stays.
without_userns() { single unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all "$@"' sh "$@"; }

: >"$scratch/why"
{
  echo '| as | a command | our launcher | chown succeeds | owners are real | another user | keep-id | own pids | network none | pasta | slirp4netns |'
  echo '|---|---|---|---|---|---|---|---|---|---|---|'
  row "root" plain
  row "a user with subordinate ids" ranged
  row "a user without" single
  row "inside \`unshare -Ur\`" in_unshare
  row "where /proc is masked" in_masked
  if unshare --help | grep -q map-auto; then row "inside \`unshare -Ur --map-auto\`" in_unshare_range; fi
} >"$scratch/table"
cat "$scratch/table"
say "why not"
cat "$scratch/why"
while read -r line; do
  case $line in
    '| as'*|'|---'*) ;;
    *) expect "a command runs: $(echo "$line" | cut -d'|' -f2)" " yes " "$(echo "$line" | cut -d'|' -f3)" ;;
  esac
done <"$scratch/table"
for who in plain ranged single; do
  $who acetate doctor >"$scratch/doctor" 2>&1 || true
  expect_match "doctor, $who: a container ran" "native +ran a container" "$(cat "$scratch/doctor")"
  expect_match "doctor, $who: a mount was made" "mounting +a root file system was mounted" "$(cat "$scratch/doctor")"
done
expect_match "doctor tells a user without ids what to do" "usermod --add-subuids" "$(cat "$scratch/doctor")"
# lacking PROGRAMS USER COMMAND...: these are there for others, and not for us
: >"$scratch/nothing"
lacking() {
  programs=$1 user=$2
  shift 2
  unshare -m sh -ec 'for program in $1; do p=$(command -v "$program") && mount --bind "$0" "$p"; done; user=$2 home=$3; shift 3
    cd "$home"; exec setpriv --reuid="$user" --regid="$user" --init-groups env -i PATH="$PATH" HOME="$home" USER="$user" "$@"' \
    "$scratch/nothing" "$programs" "$user" "$scratch/home-$user" "$@"
}
without_newuidmap() { lacking "newuidmap newgidmap" "$ranged_user" "$@"; }
expect "without newuidmap a command runs with one id" 0 "$(without_newuidmap acetate run "$base" id -u 2>&1)"
expect_match "and another user is told why there is none" "played by root.*newuidmap is not installed .apt install uidmap" "$(without_newuidmap acetate run -u 7:8 "$base" true 2>&1)"
expect_match "doctor says so too" "user ids +one only: newuidmap is not installed .apt install uidmap" "$(without_newuidmap acetate doctor 2>&1 || true)"
# The same of the runtimes: our launcher takes their place.
without_runtimes() { lacking "runc crun" "$single_user" "$@"; }
expect "without any runtime a command runs all the same" hello "$(without_runtimes env ACETATE_ROOT="$scratch/home-$single_user/fresh" acetate run "$base" echo hello 2>&1)"
expect_failure "doctor without user namespaces" 2 "max_user_namespaces" without_userns acetate doctor
expect_failure "without /dev/fuse" 125 "/dev/fuse" without_fuse acetate run "$base" true
expect_failure "without user namespaces" 125 "user namespace" without_userns acetate run "$base" true
finish
