#!/bin/sh
# What of `acetate run` works where: as root, as a user with a range of ids, as one without and inside unshare(1). Prints the table of
# docs/running.md; a cell is what really happened. Where nothing can work, a sentence says what is missing, and doctor what to do.
#
# usage: surroundings_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/cells.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv
[ -c /dev/net/tun ] && chmod 666 /dev/net/tun 2>/dev/null || true

mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/old/file"
busybox_in "$scratch/base" sh ls cat echo touch chown stat id ip wc ps rm mkdir test
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod 644 "$scratch/base.tar"
base=$scratch/base.tar

# networks NAME AS...: the cells of the helpers that carry packets
networks() {
  row "$@"
  shift
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
  ranged unshare -Urm sh -ec 'mkdir -p dev; mount -t tmpfs tmpfs dev; for node in null zero full random urandom tty; do : >dev/$node; mount --bind /dev/$node dev/$node; done
    mount --rbind dev /dev; exec "$@"' sh "$@"
}
# The limit is of a user namespace and below, so the machine's own stays.
without_userns() { single unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all "$@"' sh "$@"; }

: >"$scratch/why"
{
  echo "| as | $columns pasta | slirp4netns |"
  echo "|---|$rule---|---|"
  networks "root" plain
  networks "a user with subordinate ids" ranged
  networks "a user without" single
  networks "inside \`unshare -Ur\`" in_unshare
  networks "where /proc is masked" in_masked
  if unshare --help | grep -q map-auto; then networks "inside \`unshare -Ur --map-auto\`" in_unshare_range; fi
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
expect_match "doctor says so too" "user ids +one only: newuidmap is not installed -> apt install uidmap" "$(without_newuidmap acetate doctor 2>&1 | tr -s '\n ' ' ')"
# The same of the runtimes: our launcher takes their place.
without_runtimes() { lacking "runc crun" "$single_user" "$@"; }
expect "without any runtime a command runs all the same" hello "$(without_runtimes env ACETATE_ROOT="$scratch/home-$single_user/fresh" acetate run "$base" echo hello 2>&1)"
expect_failure "doctor without user namespaces" 2 "max_user_namespaces" without_userns acetate doctor
if in_unshare acetate run --upper=kernel "$base" echo >/dev/null 2>&1; then
  expect "without /dev/fuse a command runs on unpacked layers" "hello 0:0" "$(without_fuse acetate run "$base" sh -c 'echo hello >/bin/word && echo $(cat /bin/word) $(stat -c %u:%g /bin/word)' 2>&1)"
  expect "by our launcher too, and what another wrote is not there" hello "$(without_fuse env ACETATE_RUNTIME=native acetate run "$base" sh -c 'test ! -e /bin/word && echo hello' 2>&1)"
  mkdir "$scratch/steps"
  cp "$base" "$scratch/steps/base.tar"
  printf 'FROM scratch\nADD base.tar /\nRUN echo made >/made && rm /bin/ps\nRUN --mount=type=bind,target=/context test -e /context/Dockerfile && echo again >>/made\n' >"$scratch/steps/Dockerfile"
  chmod -R a+rX "$scratch/steps"
  without_fuse acetate build -q -o "type=tar,dest=$scratch/home-$ranged_user/without.tar" "$scratch/steps" >"$scratch/said" 2>&1 || fail "a build without /dev/fuse: $(cat "$scratch/said")"
  expect "and steps are built, each told from what is below" "made again gone" \
    "$(ranged acetate run without.tar sh -c 'echo $(cat /made); test -e /bin/ps || echo gone' 2>&1 | tr '\n' ' ' | sed 's/ $//')"
  expect_match "doctor says how it goes on" "/dev/fuse .*layers are unpacked" "$(without_fuse acetate doctor 2>&1 || true)"
  # Every overlay refuses another one as its upper: then it is kept in memory.
  expect "what is written where no upper can be lies in memory" "hello" "$(without_fuse sh -ec '
    mkdir -p o/l o/u o/w o/m; mount -t overlay overlay -o lowerdir=o/l,upperdir=o/u,workdir=o/w,userxattr o/m
    ACETATE_ROOT=$PWD/o/m acetate run "$0" sh -c "echo hello >/bin/word && cat /bin/word"' "$base" 2>&1)"
else
  expect_failure "without /dev/fuse and the kernel's overlay" 125 "/dev/fuse" without_fuse acetate run "$base" true
fi
# Nothing to be run, nothing to be mounted: the rest works.
mkdir "$scratch/plain-steps"
printf 'FROM scratch\nCOPY Dockerfile /copied\nWORKDIR /made\nLABEL a=b\n' >"$scratch/plain-steps/Dockerfile"
chmod -R a+rX "$scratch/plain-steps"
without_userns acetate build -q -o "type=oci,dest=$scratch/home-$single_user/without-userns.tar" "$scratch/plain-steps" >"$scratch/said" 2>&1 || fail "a build without user namespaces: $(cat "$scratch/said")"
expect_match "without user namespaces what needs no RUN is built" "^LABEL" "$(without_userns acetate cat "oci-archive:without-userns.tar" /copied 2>&1)"
printf 'FROM scratch\nRUN true\n' >"$scratch/plain-steps/Dockerfile"
expect_failure "and a RUN says why it is not" 1 "steps without RUN can be built.*max_user_namespaces" without_userns acetate build -q "$scratch/plain-steps"
expect "and gc collects" 0 "$(without_userns acetate gc -q --build-cache 1g >/dev/null 2>&1; echo $?)"
# As NFS and the file systems of clusters have it: no attributes of everybody's.
in_ramfs() {
  ranged unshare -Urm sh -ec 'mkdir -p r; mount -t ramfs ramfs r; mkdir r/cache; export ACETATE_ROOT=$PWD/r ACETATE_CACHE=$PWD/r/cache; exec "$@"' sh "$@"
}
replace_dir='rm -r /old && mkdir /old && touch /old/new && chown 1:1 /old/new && echo $(ls /old)'
expect "where files take no attributes a command runs, and what it replaced is hidden" new "$(in_ramfs acetate run "$base" sh -c "$replace_dir" 2>&1)"
expect "and is not there in a layer that is built there" "new" "$(in_ramfs sh -ec '
  mkdir r/context; cp "$0" r/context/base.tar; printf "FROM scratch\nADD base.tar /\nRUN $1\n" >r/context/Dockerfile
  acetate build -q -o type=oci,dest=r/image.tar r/context >/dev/null; echo $(acetate ls oci-archive:r/image.tar /old)' "$base" "$replace_dir" 2>&1)"
expect_match "doctor tells of it" "attributes .*no user.* attributes" "$(in_ramfs acetate doctor 2>&1 || true)"
expect_failure "without user namespaces" 125 "user namespace" without_userns acetate run "$base" true
finish
