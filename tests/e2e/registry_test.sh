#!/bin/sh
# Images to and from registries, with stock counterparts: Debian's docker-registry, skopeo and podman; our own `serve`
# with all of them; and pulls and pushes that are killed. No digest changes on any way.
#
# usage: registry_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_tools docker-registry skopeo busybox python3 openssl

children=
stop_children() { for child in $children; do kill "$child" 2>/dev/null || true; done; cleanup; }
trap stop_children EXIT
# Nothing of whoever runs this: no logins, no configuration.
export HOME="$scratch/home" XDG_RUNTIME_DIR="$scratch/run" XDG_CONFIG_HOME="$scratch/config" XDG_DATA_HOME="$scratch/data" XDG_CACHE_HOME="$scratch/cache"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ACETATE_ROOT 2>/dev/null || true
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
in_store() { store=$1; shift; ACETATE_ROOT="$scratch/store-$store" acetate "$@"; }
wait_until() { until "$@" 2>/dev/null; do :; done; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# The manifest's digest by somebody else's reading.
digest_at() { skopeo inspect --raw --tls-verify=false "$@" | sha256sum | sed 's/^/sha256:/; s/ .*//'; }

say "docker-registry"
port=$(free_port)
cat >"$scratch/registry.yml" <<C
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $scratch/registry}}
http: {addr: "127.0.0.1:$port"}
C
docker-registry serve "$scratch/registry.yml" 2>"$scratch/registry.log" & children="$children $!"
wait_until python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/v2/')"
theirs=localhost:$port

mkdir "$scratch/context"
cp "$(command -v busybox)" "$scratch/context/busybox"
head -c 3000000 /dev/urandom >"$scratch/context/random"
printf 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY random /random\nCMD ["/bin/busybox", "sha256sum", "/random"]\n' >"$scratch/context/Dockerfile"
in_store a build -q -t app:1 "$scratch/context" >/dev/null

pushed=$(in_store a push app:1 "$theirs/team/app:1" 2>"$scratch/err")
expect "push says the digest the registry has" "$(digest_at "docker://$theirs/team/app:1")" "$pushed"
expect_match "without a terminal a push tells in lines" '^Copying blob [0-9a-f]{12} done$' "$(cat "$scratch/err")"
in_store a push "app:1" "$theirs/team/app:2" 2>"$scratch/err" >/dev/null
expect "a second push sends no blob" "" "$(grep -v 'skipped: already exists' "$scratch/err" || true)"

in_store built build -q --push -t "$theirs/team/built:1" -t "$theirs/team/built:2" "$scratch/context" >/dev/null
expect "a build sends its image packed, under every name, and keeps none" "application/vnd.oci.image.layer.v1.tar+gzip same 0" \
  "$(skopeo inspect --raw --tls-verify=false "docker://$theirs/team/built:1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][0]["mediaType"])') $(
    [ "$(digest_at "docker://$theirs/team/built:1")" = "$(digest_at "docker://$theirs/team/built:2")" ] && echo same) $(in_store built images -q | wc -l)"

id=$(in_store b pull -q "$theirs/team/app:1")
expect_match "pull says the id" '^[0-9a-f]{64}$' "$id"
in_store b pull "$theirs/team/app:2" 2>"$scratch/err" >/dev/null
expect "a second pull fetches no blob" "" "$(grep Copying "$scratch/err" | grep -v 'skipped: already exists' || true)"
expect "policy missing asks nobody" "$id" "$(in_store b pull --policy missing -q "localhost:$port/team/app:1")"
expect_failure "a tag that is not there" 125 "manifest none of $theirs/team/app.*404" in_store b pull "$theirs/team/app:none"
expect_failure "a registry that is not there" 125 "cannot connect to localhost:1" in_store b pull localhost:1/a
sum=$(sha256sum <"$scratch/context/random" | sed 's/ .*//')
if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ] && command -v runc >/dev/null; then
  expect_match "what was pulled runs" "^$sum" "$(in_store b run "$theirs/team/app:1" 2>&1)"
  expect_match "run pulls what is not here, and its output stays the command's" "^$sum" "$(in_store e run "$theirs/team/app:1" 2>/dev/null)"
  expect_failure "run --pull never asks nobody" 125 "there is no image" in_store f run --pull never "$theirs/team/app:1"
fi

say "base images"
mkdir -p "$scratch/on-base"
printf 'FROM %s/team/app:1\nCOPY more /\n' "$theirs" >"$scratch/on-base/Dockerfile" && echo more >"$scratch/on-base/more"
expect_failure "a build that is to pull nothing" 1 "there is no image .*team/app:1" in_store base build --pull=never -q "$scratch/on-base"
expect_match "a build pulls a base that is not here" '^sha256:' "$(in_store base build -q "$scratch/on-base" 2>"$scratch/err" || cat "$scratch/err")"
in_store base build "$scratch/on-base" >"$scratch/err" 2>&1 || true
expect "and asks for it no more once it is" "" "$(grep pulling "$scratch/err" || true)"
printf 'FROM localhost:1/team/none\nCOPY more /\n' >"$scratch/on-base/Dockerfile"
expect_failure "one that is nowhere" 1 'there is no image "localhost:1/team/none" here, and it could not be pulled: .*cannot connect' in_store base build "$scratch/on-base"

say "skopeo's images, in docker's format too"
for format in oci v2s2; do
  skopeo copy -q --format $format --src-tls-verify=false --dest-tls-verify=false "docker://$theirs/team/app:1" "docker://$theirs/team/$format:1"
  in_store b pull -q "$theirs/team/$format:1" >/dev/null
  expect "$format: digest unchanged on the way back" "$(digest_at "docker://$theirs/team/$format:1")" "$(in_store b push -q --digestfile "$scratch/digest" "$theirs/team/$format:1" "$theirs/back/$format:1"; cat "$scratch/digest")"
  expect "$format: and there" "$(digest_at "docker://$theirs/team/$format:1")" "$(digest_at "docker://$theirs/back/$format:1")"
done

say "copied between registries, layouts and archives"
remote_copy() { in_store g copy -q --src-tls-verify=false --dest-tls-verify=false --digestfile "$scratch/copied" "$@" 2>"$scratch/err" && cat "$scratch/copied"; }
expect "into a layout" "$pushed" "$(remote_copy "docker://$theirs/team/app:1" "oci:$scratch/copy-layout:mine")"
expect "which skopeo reads" "$pushed" "$(skopeo inspect --raw "oci:$scratch/copy-layout:mine" | sha256sum | sed 's/^/sha256:/; s/ .*//')"
expect "into the store" "$pushed" "$(remote_copy "docker://$theirs/team/app:1" here:1)"
expect "under that name" "here:1" "$(in_store g images --format '{{.Repository}}:{{.Tag}}')"
expect "into an archive" "$pushed" "$(remote_copy "docker://$theirs/team/app:1" "oci-archive:$scratch/copy.tar")"
expect "which is whole, and back" "$pushed" "$(remote_copy "oci-archive:$scratch/copy.tar" "docker://$theirs/copied/archive:1")"
expect "the registry has it" "$pushed" "$(digest_at "docker://$theirs/copied/archive:1")"
remote_copy "docker://$theirs/team/app:1" "docker-archive:$scratch/copy-docker.tar" >/dev/null
expect_match "as docker's archive it has its name" "$theirs/team/app:1" "$(tar -xOf "$scratch/copy-docker.tar" manifest.json)"
expect "from registry to registry" "$pushed" "$(in_store g copy --src-tls-verify=false --dest-tls-verify=false "docker://$theirs/team/app:1" "docker://$theirs/copied/direct:1" 2>"$scratch/err")"
expect "no blob of it is sent again" "" "$(grep Copying "$scratch/err" | grep -v 'skipped: already exists\|mounted from' || true)"
in_store nothing copy --src-tls-verify=false --dest-tls-verify=false "docker://$theirs/team/app:1" "docker://$theirs/copied/mounted:1" >/dev/null 2>"$scratch/err" || true
expect "with nothing here too no layer comes by" "$pushed 1" "$(digest_at "docker://$theirs/copied/mounted:1") $(grep -c '^Copying blob.* done$' "$scratch/err")"
expect "from the store" "$pushed" "$(remote_copy here:1 "docker://$theirs/copied/store:1")"
in_store a build -q --provenance=mode=min --platform linux/amd64,linux/arm64 -t both:1 "$scratch/context" >/dev/null
both=$(in_store a push both:1 "$theirs/team/both:1" 2>/dev/null)
expect "an index with what is told of its images" "$both" "$(remote_copy --all "docker://$theirs/team/both:1" "docker://$theirs/copied/both:1")"
expect "is whole there" "$both" "$(digest_at "docker://$theirs/copied/both:1")"
one=$(in_store m pull -q --platform linux/amd64 "$theirs/team/both:1")
other=$(in_store m pull -q --policy missing --platform linux/arm64 "$theirs/team/both:1")
expect "the image for another platform is missing, too" yes "$([ -n "$other" ] && [ "$one" != "$other" ] && echo yes || echo "no: $one $other")"
expect_failure "what is not there leaves no layout" 125 "404" in_store g copy --src-tls-verify=false "docker://$theirs/team/app:none" "oci:$scratch/copy-none"
[ ! -e "$scratch/copy-none" ] && pass "nothing was made" || fail "a layout for nothing"
expect_failure "into a registry by digest" 125 "goes to a tag" in_store g copy here:1 "docker://$theirs/copied/app@$pushed"

say "what a policy forbids"
mkdir -p "$HOME/.config/containers"
printf '{"default": [{"type": "reject"}], "transports": {"docker": {"%s/team": [{"type": "insecureAcceptAnything"}]}}}' "$theirs" >"$HOME/.config/containers/policy.json"
expect_failure "skopeo refuses it" any "rejected by policy" skopeo copy -q --src-tls-verify=false "docker://$theirs/copied/store:1" "dir:$scratch/refused"
expect_failure "so do we" 125 "copied/store:1 is rejected by .*policy.json" in_store g pull "$theirs/copied/store:1"
expect_failure "files too" 125 "copy.tar is rejected by .*policy.json" in_store g load -i "$scratch/copy.tar"
in_store h pull -q "$theirs/team/app:1" >/dev/null && pass "what it allows is pulled" || fail "what it allows is not pulled"
rm "$HOME/.config/containers/policy.json"

say "through a proxy"
proxy() { # HOST:PORT NAME: sets `through`, requests go to $scratch/NAME.log
  mkfifo "$scratch/$2-in"
  python3 "$here/../support/forward_proxy.py" "$1" <"$scratch/$2-in" >"$scratch/$2.log" & children="$children $!"
  exec 9>"$scratch/$2-in"
  wait_until [ -s "$scratch/$2.log" ]
  through=http://127.0.0.1:$(head -n 1 "$scratch/$2.log")
}
proxy "127.0.0.1:$port" plain
HTTP_PROXY=$through HTTPS_PROXY=$through in_store i pull -q --tls-verify=false registry.invalid/team/app:1 >/dev/null && pass "plain http" || fail "plain http through a proxy"
expect_match "it went that way" "GET http://registry.invalid/v2/team/app/blobs/" "$(cat "$scratch/plain.log")"
expect_failure "not where NO_PROXY says so" 125 "registry.invalid" env HTTP_PROXY="$through" HTTPS_PROXY="$through" NO_PROXY=.invalid ACETATE_ROOT="$scratch/store-j" acetate pull --tls-verify=false registry.invalid/team/app:1

say "our own registry"
serve() { # STORE OUTPUT OPTION...: sets `ours`
  served=$1 output=$2
  shift 2
  mkfifo "$output"
  ACETATE_ROOT="$scratch/store-$served" acetate serve --listen 127.0.0.1:0 "$@" >"$output" 2>"$scratch/serve.log" & children="$children $!"
  read -r line <"$output"
  ours=localhost:${line##*:}
}
serve c "$scratch/open" --allow-delete
in_store a push -q app:1 "$ours/team/app:1"
expect "serve: push" "$pushed" "$(digest_at "docker://$ours/team/app:1")"
skopeo copy -q --all --src-tls-verify=false --dest-tls-verify=false "docker://$theirs/team/v2s2:1" "docker://$ours/from/skopeo:1"
expect "serve: what skopeo pushed" "$(digest_at "docker://$theirs/team/v2s2:1")" "$(digest_at "docker://$ours/from/skopeo:1")"
in_store d pull -q "$ours/from/skopeo:1" >/dev/null
skopeo copy -q --src-tls-verify=false "docker://$ours/team/app:1" "oci:$scratch/layout:1"
expect "serve: skopeo pulls" "$sum" "$(for blob in "$scratch"/layout/blobs/sha256/*; do { tar -xOf "$blob" random || tar -xzOf "$blob" random; } 2>/dev/null | sha256sum; done | grep -o "$sum" | head -n 1)"
expect_match "serve: tags" '"1"' "$(skopeo list-tags --tls-verify=false "docker://$ours/team/app")"
skopeo delete --tls-verify=false "docker://$ours/from/skopeo:1"
expect_failure "serve: deleted" any "manifest unknown|No such|404" in_store d pull "$ours/from/skopeo:1"
if [ "$(id -u)" = 0 ] && command -v podman >/dev/null; then
  p() { podman --root "$scratch/podman" --runroot "$scratch/podman-run" --storage-driver vfs "$@"; }
  p pull -q --tls-verify=false "$ours/team/app:1" >/dev/null
  p push -q --tls-verify=false "$ours/team/app:1" "docker://$ours/from/podman:1"
  in_store d pull -q "$ours/from/podman:1" >/dev/null && pass "serve: podman pulls and pushes" || fail "serve: podman"
fi

say "TLS and passwords"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/tls.key" -out "$scratch/tls.crt" -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
printf 'me:%s\n' "$(openssl passwd -6 pass:word)" >"$scratch/users"
serve c "$scratch/closed" --tls-cert "$scratch/tls.crt" --tls-key "$scratch/tls.key" --htpasswd "$scratch/users"
mkdir -p "$XDG_CONFIG_HOME/containers/certs.d/$ours"
cp "$scratch/tls.crt" "$XDG_CONFIG_HOME/containers/certs.d/$ours/ca.crt"
expect_failure "without a login" 125 "wants a login.*acetate login $ours" in_store d pull "$ours/team/app:1"
expect_failure "with a wrong one" 125 "refuses the login of \"me\"" sh -c "echo wrong | acetate login -u me --password-stdin $ours"
expect "login" "Login Succeeded!" "$(echo pass:word | acetate login -u me --password-stdin "$ours")"
expect "who" "me" "$(acetate login --get-login "$ours")"
in_store d pull -q "$ours/team/app:1" >/dev/null && pass "pull with a login" || fail "pull with a login"
expect "skopeo reads our login" "$pushed" "$(skopeo inspect --raw --cert-dir "$XDG_CONFIG_HOME/containers/certs.d/$ours" "docker://$ours/team/app:1" | sha256sum | sed 's/^/sha256:/; s/ .*//')"
expect_match "logout" "Removed" "$(acetate logout "$ours")"
expect_failure "and it is forgotten" 125 "wants a login" in_store e pull "$ours/team/app:1"
in_store e pull -q --creds me:pass:word "$ours/team/app:1" >/dev/null && pass "--creds" || fail "--creds"
expect_failure "not for others without TLS" 1 "tls-cert.*--insecure" acetate serve --listen 0.0.0.0:0

# Six hundred who have said half of what TLS begins with, and as many who say nothing.
cat >"$scratch/halves.py" <<'END'
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, max(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
held = []
for each in range(1200):
    held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    if each % 2: held[-1].send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
print("held", flush=True)
sys.stdin.read()
END
mkfifo "$scratch/halves" "$scratch/halves-in"
python3 "$scratch/halves.py" "${ours##*:}" <"$scratch/halves-in" >"$scratch/halves" & halves=$!
exec 7>"$scratch/halves-in"
read -r line <"$scratch/halves"
expect "they are there" held "$line"
in_store l pull -q --creds me:pass:word "$ours/team/app:1" >/dev/null && pass "half-sent hellos keep nobody waiting" || fail "half-sent hellos"
exec 7>&-
wait "$halves"

proxy "127.0.0.1:${ours##*:}" tls
HTTPS_PROXY=$through in_store k pull -q --cert-dir "$XDG_CONFIG_HOME/containers/certs.d/$ours" --creds me:pass:word registry.invalid/team/app:1 >/dev/null 2>"$scratch/err" \
  && fail "a certificate of another name is taken" || expect_match "TLS through a proxy is checked to the end" "certificate" "$(cat "$scratch/err")"
HTTPS_PROXY=$through in_store k pull -q --tls-verify=false --creds me:pass:word registry.invalid/team/app:1 >/dev/null && pass "https by CONNECT" || fail "https through a proxy"
expect_match "the proxy sees the host alone" "^CONNECT registry.invalid:443$" "$(cat "$scratch/tls.log")"

say "killed in the middle"
mkfifo "$scratch/slow" "$scratch/slow-in"
python3 "$here/../support/misbehaving_registry.py" --bandwidth 300000 <"$scratch/slow-in" >"$scratch/slow" & children="$children $!"
exec 8>"$scratch/slow-in"
read -r _ slow _ elsewhere <"$scratch/slow"
# Whether so many bytes of blobs have gone over the wire, in the direction named.
moved() { python3 - "$elsewhere" "$1" "$2" <<'P'
import json, sys, urllib.request
log = json.load(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/_control/log"))
sys.exit(sum(entry[sys.argv[2]] for entry in log if "/blobs/" in entry["path"]) < int(sys.argv[3]))
P
}
control() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/_control/{sys.argv[2]}", data=sys.argv[3].encode(), method="POST"))' "$elsewhere" "$@"; }
# So slow that a busy machine, too, sees it in the middle.
bandwidth() { control set "{\"bandwidth\": $1}"; }
killed_after() { # DIRECTION COMMAND...
  direction=$1
  shift
  "$@" >/dev/null 2>&1 & victim=$!
  wait_until moved "$direction" 500000
  kill -9 $victim
  wait $victim 2>/dev/null || true
}
ACETATE_ROOT="$scratch/store-a" killed_after received acetate push app:1 "127.0.0.1:$slow/app:1"
expect_failure "a killed push leaves no tag" 125 "404" in_store f pull "127.0.0.1:$slow/app:1"
bandwidth 0
expect "the next push finishes" "$pushed" "$(in_store a push app:1 "127.0.0.1:$slow/app:1" 2>/dev/null)"
bandwidth 300000
ACETATE_ROOT="$scratch/store-f" killed_after sent acetate pull "127.0.0.1:$slow/app:1"
for n in 1 2; do
  kept=$(cat "$scratch"/store-f/images/.acetate-part-* | wc -c)
  [ "$kept" -ge 100000 ] && pass "what came is kept ($kept bytes)" || fail "of a killed pull $kept bytes are kept"
  wait_until control reset null
  if [ $n = 1 ]; then ACETATE_ROOT="$scratch/store-f" killed_after sent acetate pull "127.0.0.1:$slow/app:1"; fi
done
bandwidth 0
in_store f pull -q "127.0.0.1:$slow/app:1" >/dev/null && pass "the next pull finishes" || fail "the next pull finishes"
python3 - "$elsewhere" "$kept" <<'P' && pass "and fetches only the rest" || fail "and fetches only the rest"
import json, sys, urllib.request
log = json.load(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/_control/log"))
froms = [int(entry["headers"]["Range"][6:-1]) for entry in log if "/blobs/" in entry["path"] and "Range" in entry["headers"]]
print(froms)
sys.exit(sum(froms) != int(sys.argv[2]))
P
in_store f verify "127.0.0.1:$slow/app:1" >/dev/null && pass "whole and right" || fail "verify"
expect "and nothing half stays" "" "$(find "$scratch/store-f" -name '.acetate-blob-*' -o -name '.acetate-part-*')"
finish
