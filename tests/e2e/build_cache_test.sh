#!/bin/sh
# The build cache between machines, by a directory and by a registry, and what keeps it small; squashed layers, the page of a build, keys for
# ssh. Not our log is believed but a random number that the command leaves.
#
# usage: build_cache_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3 ssh-keygen ssh-agent ssh-add
trap 'for child in ${children:-}; do kill "$child" 2>/dev/null || true; done; cleanup' EXIT

export ACETATE_CACHE="$scratch/cache"
mkdir -p "$scratch/base/bin" "$scratch/base/proc" "$scratch/base/dev" "$scratch/base/sys" "$scratch/base/etc" "$scratch/ctx"
cp "$busybox_program" "$scratch/base/bin/busybox"
for applet in sh cat rm test ls; do ln -s busybox "$scratch/base/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$scratch/base/etc/passwd"
tar -C "$scratch/base" --owner=0 --group=0 --mtime=@1000000000 --sort=name -cf "$scratch/base.tar" .
cd "$scratch"
echo one >ctx/one
cat >ctx/Dockerfile <<'D'
FROM base
ARG TOKEN
COPY one /one
RUN cat /proc/sys/kernel/random/uuid >/unique; echo "$TOKEN" >/dev/null
RUN cat /one; rm /one
D
context=ctx
# build MACHINE [OPTION...]: on a machine of its own; the number that the command left
build() {
  machine=$1
  shift
  rm -rf "$scratch/out"
  ACETATE_ROOT="$scratch/$machine" acetate build --build-arg TOKEN=hunter2 --build-context base="$scratch/base.tar" -o "$scratch/out" "$@" "$context" >"$scratch/log" 2>&1 || {
    cat "$scratch/log"
    exit 1
  }
  cat "$scratch/out/unique"
}

say "a directory"
first=$(build here --cache-to "type=local,dest=$scratch/shared")
expect "another machine takes it from there" "$first" "$(build there --cache-from "type=local,src=$scratch/shared")"
expect "no value of a build argument is told" 1 "$(grep -c hunter2 "$scratch/shared/cache.json" >/dev/null && echo 0 || echo 1)"
find "$scratch/shared/layers" -type f -exec sh -c 'printf x | dd of="$1" bs=1 seek=100 conv=notrunc 2>/dev/null' _ {} \;
damaged=$(build third --cache-from "type=local,src=$scratch/shared")
[ "$damaged" != "$first" ] && pass "damaged layers are built again" || fail "a damaged layer was taken"
expect_match "which is said" "--cache-from: [0-9]+ of [0-9]+ records are not taken: .*is not what its name says" "$(cat "$scratch/log")"

say "a registry"
mkfifo "$scratch/serving"
ACETATE_ROOT="$scratch/registry" acetate serve --listen 127.0.0.1:0 >"$scratch/serving" 2>"$scratch/serve.log" & children="${children:-} $!"
read -r line <"$scratch/serving"
registry=localhost:${line##*:}
build here --cache-to "type=registry,ref=$registry/team/cache:main" >/dev/null
expect "another machine takes it from there" "$first" "$(build fourth --cache-from "type=registry,ref=$registry/team/cache:main")"
for blob in "$scratch"/registry/images/blobs/sha256/*; do
  [ "$(od -An -tx1 -N4 "$blob")" = " 28 b5 2f fd" ] && rm "$blob" && break
done
build without_one --cache-from "type=registry,ref=$registry/team/cache:main" >/dev/null
expect_match "a layer that is gone there costs that layer and no more" "--cache-from: the cached layer sha256:.* is not taken: .*404" "$(cat "$scratch/log")"
fetched() { grep -c 'fetching the cached layer' "$scratch/log" || true; }
mkdir -p "$scratch/lazily"
printf 'FROM base\nCOPY one /\nRUN echo >/made\nCOPY two /\nRUN echo >/unique\n' >"$scratch/lazily/Dockerfile"
context=$scratch/lazily
echo 1 >"$scratch/lazily/one"; echo 1 >"$scratch/lazily/two"
build here --cache-to "type=registry,ref=$registry/team/cache:lazily" >/dev/null
build lazily_same --cache-from "type=registry,ref=$registry/team/cache:lazily" >/dev/null
expect "every layer that steps find is fetched" "4 4" "$(fetched) $(grep -c CACHED "$scratch/log")"
echo 2 >"$scratch/lazily/two"
build lazily_some --cache-from "type=registry,ref=$registry/team/cache:lazily" >/dev/null
expect "and none that comes after a change" "2 2" "$(fetched) $(grep -c CACHED "$scratch/log")"
context=ctx
build here --cache-to "$registry/team/cache:main" >/dev/null && pass "written again" || fail "written again"
build here --cache-to type=inline -t "$registry/team/app:1" -o type=registry >/dev/null
expect "another machine takes it from the image that it is in" "$first" "$(build sixth --cache-from "type=registry,ref=$registry/team/app:1")"
build here -t "$registry/team/app:2" -o type=registry >/dev/null
build seventh --cache-from "type=registry,ref=$registry/team/app:2" >/dev/null
expect_match "an image without one is told of" "--cache-from: .*/team/app:2 is an image with no build cache in it" "$(cat "$scratch/log")"
expect_failure "a registry that is not there costs no build" any "unique" sh -c "ACETATE_ROOT=$scratch/fifth acetate build --build-context base=$scratch/base.tar -o type=tar,dest=- --cache-from localhost:1/x:y ctx | tar t | grep unique; exit 1"


say "what cache mounts hold, by a registry"
printf 'FROM base\nRUN --mount=type=cache,target=/c echo kept >/c/kept; cat /proc/sys/kernel/random/uuid >/unique\n' >ctx/Dockerfile.mounts
build mounting -f ctx/Dockerfile.mounts --cache-to "type=registry,ref=$registry/team/cache:mounts,mounts=true"
printf 'FROM base\nRUN --mount=type=cache,target=/c cat /c/kept >/unique; rm /c/kept\n' >ctx/Dockerfile.mounted
expect "another machine has them" kept "$(build mounted -f ctx/Dockerfile.mounted --cache-from "type=registry,ref=$registry/team/cache:mounts,mounts=true")"
printf 'FROM base\nRUN --mount=type=cache,target=/c ls -a /c | cat >/unique\n' >ctx/Dockerfile.mounted
expect "but what it has already stays as it is" ". .." "$(build mounted -f ctx/Dockerfile.mounted --cache-from "type=registry,ref=$registry/team/cache:mounts,mounts=true" | tr '\n' ' ' | sed 's/ $//')"
expect "and none where nobody asked" ". .." "$(build unasked -f ctx/Dockerfile.mounted --cache-from "type=registry,ref=$registry/team/cache:mounts" | tr '\n' ' ' | sed 's/ $//')"

say "squashed"
ACETATE_ROOT="$scratch/here" acetate build --squash --build-arg TOKEN=hunter2 --build-context base="$scratch/base.tar" -o "type=oci,dest=$scratch/squashed" -q ctx >/dev/null
python3 - "$scratch/squashed" <<'P' && pass "one layer over the base, without what was removed" || fail "one layer over the base, without what was removed"
import gzip, io, json, sys, tarfile
blob = lambda digest: open(f"{sys.argv[1]}/blobs/sha256/{digest.split(':')[1]}", "rb").read()
manifest = json.loads(blob(json.load(open(f"{sys.argv[1]}/index.json"))["manifests"][0]["digest"]))
config = json.loads(blob(manifest["config"]["digest"]))
assert len(manifest["layers"]) == 2 == len(config["rootfs"]["diff_ids"]), manifest
assert sum(not step.get("empty_layer", False) for step in config["history"]) == 1, config["history"]
names = tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(manifest["layers"][1]["digest"])))).getnames()
assert "unique" in names and "one" not in names and ".wh.one" not in names, names
P

say "the page of a build"
echo two >ctx/one
ACETATE_BUILD_CACHE=1 build here --graph "$scratch/page.html" >/dev/null  # pruned at once, and drawn before
expect_match "tells why a step ran" "RUN cat /one; rm /one" "$(cat "$scratch/page.html")"
expect "and loads nothing" 0 "$(grep -cE '<script|src=|https?:' "$scratch/page.html" || true)"

say "keys for ssh"
ssh-keygen -q -t ed25519 -N '' -C a-test -f "$scratch/key"
printf 'FROM base\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo reached\n' >ctx/Dockerfile.ssh
ACETATE_ROOT="$scratch/here" acetate build --progress plain --ssh default="$scratch/key" --build-context base="$scratch/base.tar" -o "$scratch/out" -f ctx/Dockerfile.ssh ctx >"$scratch/log" 2>&1 || true
expect_match "a step reaches an agent that holds them" "reached" "$(cat "$scratch/log")"
expect_failure "what is no key" any "is no key" env ACETATE_ROOT="$scratch/here" acetate build --ssh default="$scratch/base.tar" ctx

say "where the cache lies"
# Byte 18 of the database: 2 where the journal is written ahead, 1 where it is a rollback journal.
journal() { od -An -tu1 -j18 -N1 "$scratch/$1/build/records.db" | tr -d ' '; }
# copies MACHINE: builds what needs no RUN
copies() { ACETATE_ROOT="$scratch/$1" acetate build --progress plain -o type=cacheonly -f ctx/Dockerfile.copies ctx 2>&1; }
printf 'FROM scratch\nCOPY one /one\nCOPY one /two\n' >ctx/Dockerfile.copies
case $(stat -f -c %T "$scratch") in
  ext2/ext3 | xfs | btrfs | tmpfs | overlayfs) expect "a local file system: a journal ahead" 2 "$(journal here)" ;;
  *) say "skipped: a local file system: $scratch is on another" ;;
esac
mkdir lower upper work far
if [ "$(id -u)" = 0 ] && fuse-overlay -o "lowerdir=lower,upperdir=upper,workdir=work" far; then
  copies far/data >/dev/null
  expect "one that others may have mounted, too: none" 1 "$(journal far/data)"
  expect "and what is there is found" 2 "$(copies far/data | grep -c CACHED)"
  copies near >/dev/null
  cp -r near far/moved
  expect "moved there, it is found too" 2 "$(copies far/moved | grep -c CACHED)"
  expect "and its journal is another" 1 "$(journal far/moved)"
  umount far
else
  say "skipped: one that others may have mounted, too: nothing is mounted as root here"
fi

say "kept small"
build here >/dev/null
ACETATE_ROOT="$scratch/here" acetate gc -q --build-cache 0 >"$scratch/log"
expect_match "gc says what it freed" "build cache: .* freed, 0" "$(cat "$scratch/log")"
expect "no layer is left" 0 "$(find "$scratch/here/build/layers" -type f | wc -l)"
ACETATE_BUILD_CACHE=1 build here >/dev/null
expect "a build that ends with more than it may prunes by itself" 0 "$(find "$scratch/here/build/layers" -type f | wc -l)"

finish
