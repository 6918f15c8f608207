#!/bin/sh
# What a name leads to: short names by registries.conf, here and in a registry; mirrors and token servers, and what they are shown; an
# image that somebody removes while another is about to show it; machines with few processes, or a full disk.
#
# usage: names_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_tools python3 openssl

children=
stop_children() { for child in $children; do kill "$child" 2>/dev/null || true; done; cleanup; }
trap stop_children EXIT
# Nothing of whoever runs this: no logins, no configuration.
export HOME="$scratch/home" XDG_RUNTIME_DIR="$scratch/run" XDG_CONFIG_HOME="$scratch/config" XDG_DATA_HOME="$scratch/data" XDG_CACHE_HOME="$scratch/cache"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ACETATE_ROOT CONTAINERS_REGISTRIES_CONF 2>/dev/null || true
mkdir -p "$HOME" "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME/containers" "$scratch/context"
in_store() { store=$1; shift; ACETATE_ROOT="$scratch/store-$store" acetate "$@"; }
wait_until() { until "$@" 2>/dev/null; do sleep 0.1; done; }
configure() { printf "$@" >"$XDG_CONFIG_HOME/containers/registries.conf"; }
# misbehave NAME OPTION...: sets home and elsewhere
misbehave() {
  name=$1
  shift
  mkfifo "$scratch/$name-in" "$scratch/$name"
  sleep 1000000 >"$scratch/$name-in" & children="$children $!"
  python3 "$here/../support/misbehaving_registry.py" "$@" <"$scratch/$name-in" >"$scratch/$name" & children="$children $!"
  read -r _ home _ elsewhere <"$scratch/$name"
}
# What it was asked, a line each: METHOD PATH AUTHORIZATION
asked() { python3 -c 'import json, sys, urllib.request
for entry in json.load(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/_control/log")): print(entry["method"], entry["path"], entry["headers"].get("Authorization", "-"))' "$1"; }
tell() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=sys.argv[2].encode(), method="POST"))' "http://127.0.0.1:$1/_control/$2" "$3"; }

say "an image in a registry of ours"
head -c 300000 /dev/urandom >"$scratch/context/random"
printf 'FROM scratch\nCOPY random /random\n' >"$scratch/context/Dockerfile"
in_store registry build -q -t aa:1 "$scratch/context" >/dev/null
mkfifo "$scratch/served"
ACETATE_ROOT="$scratch/store-registry" acetate serve --listen 127.0.0.1:0 >"$scratch/served" 2>"$scratch/serve.log" & children="$children $!"
read -r line <"$scratch/served"
ours=127.0.0.1:${line##*:}

say "short names"
configure 'unqualified-search-registries = ["%s"]\n[aliases]\n"bb" = "%s/aa"\n' "$ours" "$ours"
for name in aa:1 bb:1; do
  in_store a pull -q "$name" >/dev/null
  expect "$name is where it came from" "$ours/aa:1" "$(in_store a images --format '{{.Repository}}:{{.Tag}}' "$name")"
  in_store a history -q "$name" >/dev/null && pass "history $name" || fail "history $name"
  in_store a inspect "$name" >/dev/null && pass "inspect $name" || fail "inspect $name"
  in_store a copy -q "$name" "oci:$scratch/copied-$name" && pass "copy $name" || fail "copy $name"
  in_store a tag "$name" other:1 && in_store a untag "$name" other:1 && pass "tag and untag $name" || fail "tag $name"
  expect "rmi $name" "Untagged: $ours/aa:1" "$(in_store a rmi "$name" | head -n 1)"
done
printf 'FROM aa:1\nCOPY random /again\n' >"$scratch/context/Dockerfile.on"
in_store b build -q --pull=missing -t on:1 -f "$scratch/context/Dockerfile.on" "$scratch/context" >/dev/null && pass "FROM aa:1" || fail "FROM aa:1"
in_store b inspect on:1 aa:1 >/dev/null && pass "both are here" || fail "both are here"
in_store b build -q -t aa:1 "$scratch/context" >/dev/null
expect "what was built here is meant before what was pulled" "docker.io/library/aa:1" "$(in_store b rmi aa:1 | sed -n 's/^Untagged: //p')"

if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ]; then
  mkdir "$scratch/mnt"
  export ACETATE_FETCH_REST=0
  in_store c mount --lazy aa:1 "$scratch/mnt"
  cmp "$scratch/context/random" "$scratch/mnt/random" && pass "mounted lazily by a short name" || fail "mounted lazily by a short name"
  in_store c unmount "$scratch/mnt"
  in_store c seal -q aa:1 && pass "and sealed" || fail "seal by a short name"
  in_store d mount --lazy aa:1 "$scratch/mnt"
  in_store d unmount "$scratch/mnt"
  expect "or forgotten" "Untagged: $ours/aa:1" "$(in_store d rmi aa:1 | head -n 1)"
  unset ACETATE_FETCH_REST
fi

say "a tag that moves while its image is still being fetched"
if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ]; then
  ACETATE_FETCH_REST=0 in_store e mount --lazy aa:1 "$scratch/mnt"
  in_store e unmount "$scratch/mnt"
  echo moved >"$scratch/context/random"
  in_store registry build -q -t aa:1 "$scratch/context" >/dev/null
  in_store e pull -q aa:1 >/dev/null
  expect "only what the tag stands for now has the name" 1 "$(in_store e images --format '{{.Names}}' | grep -c aa)"
  in_store e rmi aa:1 >/dev/null
  ACETATE_FETCH_REST=0 in_store e mount --lazy aa:1 "$scratch/mnt"
  expect "and what was forgotten does not come back" moved "$(cat "$scratch/mnt/random")"
  in_store e unmount "$scratch/mnt"
fi

say "token servers on other machines"
# 0.0.0.0 is this machine to whoever connects to it, and none of the names it has for itself.
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/tokens.key" -out "$scratch/tokens.crt" -days 2 -subj /CN=tokens \
  -addext subjectAltName=IP:0.0.0.0,IP:127.0.0.1 2>/dev/null
misbehave tokens --auth token --user me:secret --certificate "$scratch/tokens.crt" --key "$scratch/tokens.key"
tokens=$home tokens_log=$elsewhere
misbehave asks --auth token --user me:secret --realm "https://0.0.0.0:$tokens/token"
expect_failure "one that nobody vouches for" 125 "certificate that is not trusted" sh -c "echo secret | acetate login -u me --password-stdin 127.0.0.1:$home"
expect "is shown nothing" "" "$(asked "$tokens_log" | grep /token || true)"
mkdir -p "$XDG_CONFIG_HOME/containers/certs.d/0.0.0.0:$tokens"
cp "$scratch/tokens.crt" "$XDG_CONFIG_HOME/containers/certs.d/0.0.0.0:$tokens/ca.crt"
# Tokens of the one are none of the other: what counts is that it was asked for one.
echo secret | acetate login -u me --password-stdin "127.0.0.1:$home" >/dev/null 2>&1 || true
expect_match "one that is vouched for is asked" "^GET /token.* Basic" "$(asked "$tokens_log")"
misbehave clear --auth token --user me:secret --realm "http://0.0.0.0:$tokens_log/token"
expect_failure "one that speaks no TLS gets no password" 125 "in the clear to 0.0.0.0:$tokens_log, which is not done" sh -c "echo secret | acetate login -u me --password-stdin 127.0.0.1:$home"
misbehave here --auth token --user me:secret
echo secret | acetate login -u me --password-stdin "127.0.0.1:$home" >/dev/null && pass "one on this machine does" || fail "one on this machine does"

say "out of TLS"
misbehave secure --certificate "$scratch/tokens.crt" --key "$scratch/tokens.key"
tell "$elsewhere" fault "{\"method\": \"POST\", \"path\": \"/blobs/uploads/\", \"do\": \"status\", \"status\": 202, \"headers\": {\"Location\": \"http://127.0.0.1:$elsewhere/v2/a/blobs/uploads/1\"}, \"times\": -1}"
expect_failure "an upload is not led there" 125 "from https to http://127.0.0.1:$elsewhere" in_store registry push -q aa:1 "127.0.0.1:$home/a:1"
expect "nothing is sent" "" "$(asked "$elsewhere" | grep -E '^(PUT|PATCH)' || true)"

say "a registry that is not there yet"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
in_store f pull -q --retry 20 --retry-delay 0.2 "127.0.0.1:$port/library/aa:1" >"$scratch/late.out" 2>"$scratch/late" & late=$!
wait_until grep -q "it is asked again" "$scratch/late"
ACETATE_ROOT="$scratch/store-registry" acetate serve --listen "127.0.0.1:$port" >/dev/null 2>&1 & children="$children $!"
wait $late && pass "is waited for" || fail "is not waited for: $(cat "$scratch/late")"
expect_failure "not for ever" 125 "cannot connect to 127.0.0.1:1" in_store f pull --retry 1 --retry-delay 0.1 127.0.0.1:1/a

if [ "$(id -u)" = 0 ]; then
  say "as many processes as there may be"
  python3 - "$scratch/many" <<'P'
import pathlib, sys
pathlib.Path(sys.argv[1]).mkdir()
for i in range(8): (pathlib.Path(sys.argv[1]) / f"f{i}").write_bytes(bytes([i]) * 60000)
P
  { echo "FROM scratch"; for i in 0 1 2 3 4 5 6 7; do echo "COPY f$i /f$i"; done; } >"$scratch/many/Dockerfile"
  in_store registry build -q -t many:1 "$scratch/many" >/dev/null
  mkdir "$scratch/few"
  chown 61234 "$scratch/few"
  for processes in 1 2 3 4 5 6; do
    code=0
    (cd "$scratch/few" && setpriv --reuid=61234 --regid=61234 --clear-groups prlimit --nproc=$processes --core=0 env HOME="$scratch/few" XDG_RUNTIME_DIR="$scratch/few" \
      XDG_CONFIG_HOME="$scratch/few" ACETATE_ROOT="$scratch/few/root$processes" ACETATE_CACHE="$scratch/few/cache" acetate pull -q "$ours/library/many:1") >"$scratch/few.out" 2>&1 || code=$?
    case $processes:$code in
      1:125 | 2:0 | 2:125 | [3-6]:0) pass "a pull with $processes: $code" ;;
      *) fail "a pull with $processes processes ends with $code: $(head -n 3 "$scratch/few.out")" ;;
    esac
  done

  say "a full disk"
  mkdir "$scratch/small"
  misbehave mirror
  head -c 6000000 /dev/urandom >"$scratch/context/random"
  in_store registry build -q -t big:1 "$scratch/context" >/dev/null
  in_store registry push -q big:1 "127.0.0.1:$home/big:1"
  configure '[[registry]]\nlocation = "%s/library"\n[[registry.mirror]]\nlocation = "127.0.0.1:%s"\n' "$ours" "$home"
  code=0
  unshare -m sh -c "mount -t tmpfs -o size=4m tmpfs $scratch/small && ACETATE_ROOT=$scratch/small acetate pull -q $ours/library/big:1" >"$scratch/full" 2>&1 || code=$?
  expect "fails" 125 "$code"
  expect_match "is told with the blob and where it should go" "$scratch/small/images/blobs/sha256/[0-9a-f]{64}: writing the blob sha256:[0-9a-f]{64} of 127.0.0.1:$home/big: .*No space left" "$(cat "$scratch/full")"
  expect "is not looked for elsewhere" "" "$(grep "trying the next place" "$scratch/full" || true)"
  : >"$XDG_CONFIG_HOME/containers/registries.conf"
fi

if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && command -v busybox >/dev/null && { command -v runc >/dev/null || command -v crun >/dev/null; }; then
  say "garbage collection beside what runs"
  cp "$(command -v busybox)" "$scratch/context/busybox"
  printf 'FROM scratch\nCOPY busybox /bin/busybox\n' >"$scratch/context/Dockerfile"
  in_store g build -q -t run:1 "$scratch/context" >/dev/null
  mkfifo "$scratch/begun" "$scratch/end"
  in_store g run --rm -v "$scratch:/shared" run:1 /bin/busybox sh -c 'echo begun >/shared/begun; read line </shared/end; echo "$line"' >"$scratch/said" 2>&1 & running=$!
  read -r line <"$scratch/begun"
  in_store g gc --no-wait >/dev/null && pass "it need not wait for the end" || fail "a container that runs keeps it waiting"
  in_store g rmi run:1 >/dev/null
  echo on >"$scratch/end"
  wait $running && pass "whose layers may go meanwhile" || fail "the container: $(cat "$scratch/said")"
fi
finish
