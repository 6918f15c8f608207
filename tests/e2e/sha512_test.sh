#!/bin/sh
# An image whose every digest is a SHA-512 (OCI image-spec descriptor.md), on every way that images go: layouts, archives, registries,
# mounts, lazy ones too, builds; and each of its bytes verified by those digests.
#
# usage: sha512_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_tools busybox python3

children=
stop_children() { for child in $children; do kill "$child" 2>/dev/null || true; done; cleanup; }
trap stop_children EXIT
export HOME="$scratch/home" XDG_RUNTIME_DIR="$scratch/run" XDG_CONFIG_HOME="$scratch/config"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ACETATE_ROOT ACETATE_CACHE 2>/dev/null || true
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
in_store() { store=$1; shift; ACETATE_ROOT="$scratch/store-$store" ACETATE_CACHE="$scratch/cache-$store" acetate "$@"; }
# What of it is named by the other digest.
by_sha256() { find "$1/blobs/sha256" -type f | wc -l; }

say "a layout made by hand"
mkdir "$scratch/context"
cp "$(command -v busybox)" "$scratch/context/busybox"
head -c 3000000 /dev/urandom >"$scratch/context/random"
printf 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY random /random\nCMD ["/bin/busybox", "sha256sum", "/random"]\n' >"$scratch/context/Dockerfile"
sum=$(sha256sum <"$scratch/context/random" | sed 's/ .*//')
in_store a build -q -o "type=oci,dest=$scratch/built,tar=false" -t app:1 "$scratch/context" >/dev/null
digest=$(python3 "$here/../support/by_sha512.py" "$scratch/built" "$scratch/layout")
expect_match "its manifest has a SHA-512" '^sha512:[0-9a-f]{128}$' "$digest"
copied() { in_store "$1" copy -q --digestfile "$scratch/digest" "$2" "$3" >/dev/null && cat "$scratch/digest"; }

say "into a store, archives and directories, and back"
expect "copied into a store" "$digest" "$(copied b "oci:$scratch/layout" localhost/app:512)"
expect "and nothing of it is named otherwise" 0 "$(by_sha256 "$scratch/store-b/images")"
in_store b verify localhost/app:512 >/dev/null && pass "verified" || fail "verify of it"
expect "images --digests" "$digest" "$(in_store b images --digests --format '{{.Digest}}')"
hex=${digest#sha512:}
for name in "localhost/app@$digest" "$digest" "$hex" "$(printf %.12s "$hex")"; do
  expect "by $(printf %.30s "$name")…" "$digest" "sha512:$(in_store b inspect --format '{{.Digest}}' "$name" | sed 's/^sha512://')"
done
id=$(in_store b images -q --no-trunc)
expect_match "its id is its config's" '^sha512:[0-9a-f]{128}$' "$id"
expect "inspect says the same" "${id#sha512:}" "$(in_store b inspect --format '{{.Id}}' localhost/app:512)"
for form in "oci:$scratch/copy-layout:1" "oci-archive:$scratch/copy.tar:1" "docker-archive:$scratch/copy-docker.tar:localhost/app:1"; do
  expect "into $(printf %s "$form" | sed 's/:.*//')" "$digest" "$(copied b localhost/app:512 "$form")"
  expect "and from there" "$digest" "$(copied "c-${form%%:*}" "$form" localhost/back:1)"
done
in_store b save -o "$scratch/saved.tar" localhost/app:512
in_store d load -q -i "$scratch/saved.tar" >/dev/null
expect "saved and loaded" "$digest" "$(in_store d images --digests --format '{{.Digest}}')"
copied b localhost/app:512 "dir:$scratch/dir" >/dev/null
expect "a dir has a manifest without a name, and what it names by theirs" "sha256:$(sha256sum <"$scratch/dir/manifest.json" | sed 's/ .*//')" "$(copied e "dir:$scratch/dir" localhost/dir:1)"
if command -v skopeo >/dev/null; then
  expect "skopeo reads what we wrote" "$digest" "sha512:$(skopeo inspect --raw "oci:$scratch/copy-layout:1" | sha512sum | sed 's/ .*//')"
fi

say "damage is found by those digests"
cp -r "$scratch/layout" "$scratch/damaged"
layer=$(find "$scratch/damaged/blobs/sha512" -type f -size +1000k | head -n 1)
printf x | dd of="$layer" bs=1 seek=700 conv=notrunc 2>/dev/null
expect_failure "copying it" 125 "damaged or not what it says" in_store f copy -q "oci:$scratch/damaged" localhost/app:1
cp "$layer" "$scratch/store-e/images/blobs/sha512/${layer##*/}"
expect_failure "verifying it" any "it is sha512:[0-9a-f]{128} and not sha512|damaged" in_store e verify localhost/dir:1

say "through our registry"
mkfifo "$scratch/serving"
ACETATE_ROOT="$scratch/store-served" acetate serve --listen 127.0.0.1:0 --allow-delete >"$scratch/serving" 2>"$scratch/serve.log" & children="$children $!"
read -r line <"$scratch/serving"
ours=localhost:${line##*:}
expect "push says its digest" "$digest" "$(in_store b push --compression-format=none localhost/app:512 "$ours/team/app:1" 2>/dev/null)"
expect "and nothing there is named otherwise" 0 "$(by_sha256 "$scratch/store-served/images")"
expect "pull by its tag" "${id#sha512:}" "$(in_store g pull -q "$ours/team/app:1")"
expect "by its digest" "${id#sha512:}" "$(in_store h pull -q "$ours/team/app@$digest")"
expect "as it was" "$digest" "$(in_store g images --digests --format '{{.Digest}}')"
in_store g verify "$ours/team/app:1" >/dev/null && pass "and whole" || fail "verify after the pull"
expect "from registry to registry" "$digest" "$(copied i "docker://$ours/team/app:1" "docker://$ours/other/app:1")"

if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ]; then
  say "shown and run"
  mkdir "$scratch/mnt"
  in_store g mount "$ours/team/app:1" "$scratch/mnt"
  expect "mounted" "$sum" "$(sha256sum <"$scratch/mnt/random" | sed 's/ .*//')"
  umount_left "$scratch/mnt"
  expect "its indexes lie by its digests" "0 yes" "$(find "$scratch/cache-g/index/v1/sha256" -name '*.lix' 2>/dev/null | wc -l) $([ -n "$(find "$scratch/cache-g/index/v1/sha512" -name '*.lix')" ] && echo yes)"
  in_store l mount --lazy "$ours/team/app:1" "$scratch/mnt"
  expect "mounted lazily" "$sum" "$(sha256sum <"$scratch/mnt/random" | sed 's/ .*//')"
  umount_left "$scratch/mnt"
  in_store l pull -q "$ours/team/app:1" >/dev/null
  in_store l verify "$ours/team/app:1" >/dev/null && pass "and whole afterwards" || fail "verify after the lazy mount"
  if command -v runc >/dev/null || command -v crun >/dev/null; then
    expect_match "run" "^$sum" "$(in_store g run "$ours/team/app:1" 2>&1)"
    printf 'FROM %s\nRUN ["/bin/busybox", "sh", "-c", "echo more >/more"]\n' "$ours/team/app:1" >"$scratch/Dockerfile.more"
    in_store g build -q --pull=never -f "$scratch/Dockerfile.more" -t more:1 "$scratch/context" >/dev/null
    expect_match "built on" "more" "$(in_store g run more:1 /bin/busybox cat /more 2>&1)"
    in_store g verify more:1 >/dev/null && pass "and that is whole" || fail "verify of what was built on it"
    expect "what we make has a SHA-256" "sha256" "$(in_store g images --digests --format '{{.Digest}}' more:1 | sed 's/:.*//')"
  fi
fi

say "removed"
in_store d rmi "$(printf %.12s "$hex")" >/dev/null
in_store d gc >/dev/null
expect "no blob of it stays" 0 "$(find "$scratch/store-d/images/blobs" -type f | wc -l)"
in_store b gc >/dev/null
in_store b verify localhost/app:512 >/dev/null && pass "what has a name stays" || fail "gc took what has a name"
finish
