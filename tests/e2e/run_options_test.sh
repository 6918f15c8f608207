#!/bin/sh
# acetate run with options that are rarer: the types of --mount and what each takes, what a tmpfs begins with, --platform, --pull, profiles and masks of --security-opt; as root, as a user with a
# subordinate range and as one with one id, by an OCI runtime and by our own launcher.
#
# usage: run_options_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv python3
need_runtime

mkdir -p "$scratch/base/full/sub" "$scratch/base/etc" "$scratch/bind/below"
busybox_in "$scratch/base" sh cat echo ls grep stat touch mkdir head wc nc sleep true readlink ln chmod
echo "of the image" >"$scratch/base/full/sub/file"
chmod 750 "$scratch/base/full/sub"
ln -s sub/file "$scratch/base/full/link"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
echo outside >"$scratch/bind/file"
chmod 777 "$scratch/bind"
chmod 644 "$scratch/base.tar"
base=$scratch/base.tar
printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}' >"$scratch/profile.json"
printf '{"defaultAction":"SCMP_ACT_WIBBLE"}' >"$scratch/wrong.json"
suite() { # AS NAME
  as=$1 name=$2
  say "$name"
  run() { $as acetate run "$@"; }
  expect "$name: type=bind" outside "$(run --mount "type=bind,source=$scratch/bind,target=/b" "$base" cat /b/file 2>&1)"
  expect "$name: by its other names" outside "$(run --mount "type=bind,src=$scratch/bind/file,dst=/f" "$base" cat /f 2>&1)"
  expect "$name: written to" "written" "$(run --mount "type=bind,src=$scratch/bind,destination=/b" "$base" sh -c 'echo written >/b/new' 2>&1; cat "$scratch/bind/new")"
  rm -f "$scratch/bind/new"
  for only in ro readonly ro=true; do
    expect_failure "$name: read-only, as $only" 1 "Read-only" run --mount "type=bind,source=$scratch/bind,target=/b,$only" "$base" sh -c 'echo x >/b/new'
  done
  expect "$name: ro=false is not" 0 "$(run --mount "type=bind,source=$scratch/bind,target=/b,ro=false" "$base" touch /b/new >/dev/null 2>&1; echo $?)"
  rm -f "$scratch/bind/new"
  expect_failure "$name: a source that is not there" 125 "/no/such" run --mount type=bind,source=/no/such,target=/b "$base" true
  expect_failure "$name: an option that is none" 125 "wibble" run --mount "type=bind,source=$scratch/bind,target=/b,wibble" "$base" true
  expect_failure "$name: a type that is none" 125 "no type" run --mount type=wibble,target=/b "$base" true
  expect_failure "$name: no target" 125 "target" run --mount "type=bind,source=$scratch/bind" "$base" true

  mkdir "$scratch/over" && echo below >"$scratch/over/file" && chmod -R a+rwX "$scratch/over"
  expect "$name: -v …:O is written over" "below above" "$(run -v "$scratch/over:/o:O" "$base" sh -c 'echo above >/o/new; rm /o/file; echo below; cat /o/new' 2>&1 | tr '\n' ' ' | sed 's/ $//')"
  expect "$name: and stays as it is" "file below" "$(ls "$scratch/over") $(cat "$scratch/over/file")"
  expect_failure "$name: of a file there is no such thing" 125 "over/file:/o:O" run -v "$scratch/over/file:/o:O" "$base" true
  rm -rf "$scratch/over"

  mkdir -p "$scratch/owned/sub" && : >"$scratch/owned/sub/file" && ln -s /etc "$scratch/owned/link" && chmod -R a+rwX "$scratch/owned"
  owner=1000:1000
  case $as in
    ranged*) chown -hR "$ranged_user:$ranged_user" "$scratch/owned" && owner=1500999:1500999 ;;
    single*) chown -hR "$single_user:$single_user" "$scratch/owned" && owner=$(id -u "$single_user"):$(id -g "$single_user") ;;
  esac
  expect "$name: -v …:U is given to the user" "ok $owner $owner $owner 0:0" \
    "$(run -u 1000:1000 -v "$scratch/owned:/o:U" "$base" sh -c 'touch /o/sub/new && echo ok' 2>/dev/null) $(cd "$scratch/owned" && stat -c %u:%g . sub/file link /etc | tr '\n' ' ' | sed 's/ $//')"
  [ "$as" != "ranged" ] || expect "$name: who is ourselves with keep-id" "$(id -u "$ranged_user"):$(id -g "$ranged_user")" \
    "$(run --userns=keep-id -v "$scratch/owned:/o:U" "$base" true 2>&1)$(stat -c %u:%g "$scratch/owned/sub/file")"
  rm -rf "$scratch/owned"
  [ "$as" != plain ] || expect_failure "$name: but no place that the machine lives by" 125 "you or the machine live by it" run -v "/etc:/o:U" "$base" true

  volume=vol-$(echo "$name" | tr -cd a-z)
  expect "$name: type=volume begins with what is there" "of the image" "$(run --mount "type=volume,source=$volume,target=/full" "$base" cat /full/link 2>&1)"
  expect "$name: and stays" kept "$(run --mount "type=volume,source=$volume,target=/full" "$base" sh -c 'echo kept >/full/new' 2>&1; run --mount "source=$volume,target=/v,ro" "$base" cat /v/new 2>&1)"
  expect "$name: volume-nocopy leaves it empty" "" "$(run --mount "type=volume,source=$volume-empty,target=/full,volume-nocopy" "$base" ls /full 2>&1)"
  $as acetate volume rm "$volume" "$volume-empty" >/dev/null

  # Debian's runc gives it the mode of the place below.
  mode=1777
  case $as in *native) mode=711 ;; esac
  expect "$name: type=tmpfs has its size and mode" "64k $mode" \
    "$(run --mount type=tmpfs,target=/t,tmpfs-size=64k,tmpfs-mode=0711 "$base" sh -c 'echo $(grep " /t tmpfs" /proc/mounts) $(stat -c %a /t)' 2>&1 | sed 's/.*size=\([0-9]*k\)[^ ]*.* \([0-7]*\)$/\1 \2/')"
  expect "$name: is neither for set-user-ID programs nor for devices" "nosuid nodev" \
    "$(run --tmpfs /t "$base" sh -c 'grep " /t tmpfs" /proc/mounts | grep -o "nosuid\|nodev"' 2>&1 | tr '\n' ' ' | sed 's/ $//')"
  expect_failure "$name: nor, with noexec, for any" 126 "" run --tmpfs /t:noexec "$base" sh -c 'echo echo >/t/p; chmod 755 /t/p; /t/p'
  for how in "--tmpfs /full" "--mount type=tmpfs,target=/full"; do
    expect "$name: $how begins with what is there" "of the image 750 sub/file" "$(run $how "$base" sh -c 'echo $(cat /full/sub/file) $(stat -c %a /full/sub) $(readlink /full/link)' 2>&1)"
  done
  expect "$name: which is a copy" "of the image" "$(run --tmpfs /full "$base" sh -c 'echo changed >/full/sub/file' 2>&1; run "$base" cat /full/sub/file 2>&1)"
  expect "$name: and not with notmpcopyup" "" "$(run --tmpfs /full:notmpcopyup "$base" ls /full 2>&1)"
  expect_failure "$name: nor to be written with ro" 1 "Read-only" run --tmpfs /full:ro "$base" touch /full/x

  expect "$name: type=image" "of the image" "$(run --mount "type=image,source=$base,target=/i" "$base" cat /i/full/link 2>&1)"
  expect_failure "$name: which is not written to" 1 "Read-only" run --mount "type=image,source=$base,target=/i" "$base" touch /i/x
  expect "$name: but with rw, and kept nowhere" "x" "$(run --mount "type=image,source=$base,target=/i,rw=true" "$base" sh -c 'touch /i/x && ls /i | grep x' 2>&1; run --mount "type=image,source=$base,target=/i" "$base" ls /i | grep '^x$' || true)"

  expect "$name: --pull never of what is here" yes "$(run --pull never here echo yes 2>&1)"
  expect_failure "$name: and of what is not" 125 "not-here" run --pull never localhost/not-here true
  expect_failure "$name: no such policy" 125 "sometimes" run --pull sometimes here true
  expect "$name: --platform of what is here" yes "$(run --platform "$platform" here echo yes 2>&1)"
  expect_failure "$name: another platform's is not" 125 "linux/s390x" run --pull never --platform linux/s390x here true

  expect "$name: a profile refuses what it names, and nothing else" "refused fine" \
    "$(run --security-opt "seccomp=$scratch/profile.json" "$base" sh -c 'mkdir /x 2>/dev/null || echo refused; touch /y && echo fine' 2>&1 | tr '\n' ' ' | sed 's/ $//')"
  expect_failure "$name: a profile that is none" 125 "SCMP_ACT_WIBBLE" run --security-opt "seccomp=$scratch/wrong.json" "$base" true
  expect_failure "$name: a profile that is not there" 125 "/no/such" run --security-opt seccomp=/no/such "$base" true
  expect "$name: what is masked" "0 0" "$(run --security-opt mask=/full:/proc/version "$base" sh -c 'echo $(ls /full | wc -l) $(head -c 9 /proc/version | wc -c)' 2>&1)"
  expect "$name: what is unmasked" "masked shown shown" "$(
    for mask in /proc/acpi /proc/timer_list ALL; do
      run --security-opt "unmask=$mask" "$base" sh -c 'grep -q " /proc/timer_list " /proc/self/mountinfo && echo masked || echo shown' 2>&1
    done | tr '\n' ' ' | sed 's/ $//')"
}

make_users
plain() { (cd "$HOME" && "$@"); }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
mkdir "$scratch/context"
cp "$base" "$scratch/context/base.tar"
printf 'FROM scratch\nADD base.tar /\n' >"$scratch/context/Dockerfile"
chmod -R a+rX "$scratch/context"
for who in plain ranged single; do
  $who acetate build -q -t here "$scratch/context" >/dev/null
  platform=$($who acetate inspect --format '{{.Os}}/{{.Architecture}}' here)
  suite "$who" "$who"
  suite "$who env ACETATE_RUNTIME=native" "$who, native"
done
# It asks again for a while, so once.
expect_failure "--pull always asks, whatever is here" 125 "cannot connect to localhost:1" acetate run --pull always localhost:1/here true
expect "no mounts are left" "" "$(grep -F "$scratch" /proc/self/mountinfo || true)"
finish
