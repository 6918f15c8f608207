#!/bin/sh
# acetate volume ls, create, inspect, rm and prune, as root, as a user with a subordinate range (whose containers leave files of other ids) and as one with one id: what they
# print, what they refuse, and that who uses a volume keeps it.
#
# usage: volume_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv python3

mkdir -p "$scratch/base/data"
busybox_in "$scratch/base" sh cat echo touch chown mkdir sleep true
echo "of the image" >"$scratch/base/data/file"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod 644 "$scratch/base.tar"
base=$scratch/base.tar

suite() { # AS NAME
  as=$1 name=$2
  say "$name"
  expect "$name: at first there is none" "DRIVER VOLUME NAME" "$($as acetate volume ls 2>&1 | tr -s ' ')"
  expect "$name: and none as JSON" "[]" "$($as acetate volume ls --format json 2>&1)"
  expect "$name: nor anything to prune" "" "$($as acetate volume prune -f 2>&1)"
  $as acetate run -v data:/data -v other:/other "$base" sh -c 'mkdir /data/sub; touch /data/sub/f; chown -R 7:7 /data/sub; echo kept >/other/f' >"$scratch/out" 2>&1 || fail "$name: $(cat "$scratch/out")"
  expect "$name: create says whom" made "$($as acetate volume create made 2>&1)"
  expect_failure "$name: and not twice" 125 "already" $as acetate volume create made
  expect "$name: unless that is ignored" made "$($as acetate volume create --ignore made 2>&1)"
  expect_failure "$name: a name is one" 125 "cannot be a volume's name" $as acetate volume create a/b
  expect "$name: ls" "local data,local made,local other" "$($as acetate volume ls --noheading | tr -s ' ' | tr '\n' ',' | sed 's/,$//')"
  expect "$name: names only" "data made other" "$(echo $($as acetate volume ls -q))"
  expect "$name: by a part of the name" "other" "$($as acetate volume ls -q --filter name=the)"
  expect_failure "$name: a filter that is none" 125 "no filter" $as acetate volume ls --filter colour=red
  expect "$name: by a template" "other local" "$($as acetate volume ls --filter name=other --format '{{.Name}} {{.Driver}}')"
  expect "$name: as JSON" "data local local True" "$($as acetate volume ls --format json | python3 -c 'import json, sys; one = json.load(sys.stdin)[0]; print(one["Name"], one["Driver"], one["Scope"], one["Mountpoint"].endswith("/volumes/data"))')"
  expect "$name: inspect is an array" "made other" "$($as acetate volume inspect made other | python3 -c 'import json, sys; print(*[one["Name"] for one in json.load(sys.stdin)])')"
  where=$($as acetate volume inspect --format '{{.Mountpoint}}' other)
  expect "$name: and says where it is" kept "$(cat "$where/f")"
  expect_match "$name: and since when" "^$(date -u +%Y-%m-%d)T" "$($as acetate volume inspect --format '{{.CreatedAt}}' other)"
  expect_failure "$name: of none that is not there" 125 "no volume" $as acetate volume inspect nobody
  expect_failure "$name: rm of one that is not there is 1" 1 "no volume nobody" $as acetate volume rm nobody
  expect "$name: unless forced" "" "$($as acetate volume rm -f nobody 2>&1)"

  # One that a container has.
  mkfifo "$scratch/up"
  chmod 666 "$scratch/up"
  $as acetate run -i -v data:/data -v "$scratch/up:/up" "$base" sh -c 'echo up >/up; cat' <"$scratch/hold" >"$scratch/out" 2>&1 &
  holder=$!
  exec 7>"$scratch/hold"
  read -r _ <"$scratch/up"
  expect_failure "$name: rm of one that is used is 2" 2 "in use" $as acetate volume rm data
  expect "$name: others are told from it" "data|made other" "$($as acetate volume ls -q --filter dangling=false)|$(echo $($as acetate volume ls -q --filter dangling=true))"
  expect "$name: prune asks" "" "$(echo n | $as acetate volume prune 2>/dev/null)"
  expect "$name: and leaves what is used" "made other" "$(echo $(echo y | $as acetate volume prune 2>/dev/null))"
  exec 7>&-
  wait "$holder" || fail "$name: the container: $(cat "$scratch/out")"
  rm "$scratch/up"
  expect "$name: which then goes too, whoever its files belong to" "data" "$($as acetate volume rm data 2>&1)"
  expect "$name: and nothing of it stays" "" "$(ls -A "$(dirname "$where")" 2>/dev/null)"
  expect "$name: a new one of that name begins anew" "of the image" "$($as acetate run -v data:/data "$base" cat /data/file 2>&1)"
  # As somebody leaves it who is killed in the midst of it.
  mv "$(dirname "$where")/data" "$(dirname "$where")/.data.removing"
  expect "$name: a removal that was cut short is gone on with" "data" "$($as acetate volume rm data 2>&1)"
  expect "$name: to its end" "" "$(ls -A "$(dirname "$where")" | grep -v '^.data.lock$' || true)"
  $as acetate volume create one >"$scratch/out"
  expect "$name: all of them" "one" "$($as acetate volume rm --all 2>&1)"
}

mkfifo "$scratch/hold"
chmod 666 "$scratch/hold"
make_users
plain() { "$@"; }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
for who in plain ranged single; do suite "$who" "$who"; done
expect_failure "no such action" 125 "frobnicate" acetate volume frobnicate
finish
