#!/bin/sh
# Images that are mounted before they are here: without an index, with one from the registry, with the registry gone, lying or
# back again, with a fetcher that is killed; and that each byte crosses the wire once.
#
# usage: lazy_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools busybox python3

# The fetchers of stores below this directory.
fetchers() { python3 -c 'import pathlib, sys
for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try: words = p.read_bytes().decode().split("\0")
    except OSError: continue
    if words[0].endswith("acetate-fetcher") and words[1].startswith(sys.argv[1]): print(p.parent.name)' "$1"; }
stop() {
  exec 8>&-
  for pid in $(fetchers "$scratch/"); do kill "$pid" 2>/dev/null || true; done
  cleanup
}
trap stop EXIT
export HOME="$scratch/home" XDG_RUNTIME_DIR="$scratch/run" XDG_CONFIG_HOME="$scratch/config"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ACETATE_ROOT ACETATE_CACHE 2>/dev/null || true
mkdir -p "$HOME" "$XDG_RUNTIME_DIR" "$scratch/mnt"
in_store() { store=$1; shift; ACETATE_ROOT="$scratch/store-$store" ACETATE_CACHE="$scratch/cache-$store" acetate "$@"; }
wait_until() { until "$@" 2>/dev/null; do sleep 0.1; done; }

say "an image of two gzip layers, and one of many files"
python3 - "$scratch/layout" "$(command -v busybox)" "$scratch/many" <<'P'
import gzip, hashlib, io, json, pathlib, platform, random, sys, tarfile
busybox = sys.argv[2]
def begin(at):
    global layout
    layout = pathlib.Path(at)
    (layout / "blobs/sha256").mkdir(parents=True)
def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}
def layer(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    plain = out.getvalue()
    return plain, blob(gzip.compress(plain, 1, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
def image(command, layers):
    config = blob(json.dumps({"architecture": machine, "os": "linux", "config": {"Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest() for plain, _ in layers]}}).encode(), "application/vnd.oci.image.config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer for _, layer in layers]}).encode(), "application/vnd.oci.image.manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return manifest
begin(sys.argv[1])
dice = random.Random(1)
big = dice.randbytes(12_000_000)
below, a = layer([("hello", b"hello\n"), ("big", big), ("bin/busybox", open(busybox, "rb").read()), ("last", b"last\n")])
above, b = layer([("above", b"above\n"), ("medium", dice.randbytes(3_000_000))])
manifest = image(["/bin/busybox", "sha256sum", "/big"], [(below, a), (above, b)])
(layout.parent / "facts").write_text(f"{hashlib.sha256(big).hexdigest()} {a['size'] + b['size']} {a['digest']} {manifest['digest']} {b['digest']}\n")
# Two bits a byte: pieces that decode to much more than they are.
letters = bytes(b"ACGT"[i & 3] for i in range(256))
begin(sys.argv[3])
image([], [layer([(f"file{i}", dice.randbytes(2 << 20).translate(letters)) for i in range(24)])])
P
read -r sum size layer manifest upper <"$scratch/facts"

mkfifo "$scratch/out" "$scratch/in"
python3 "$here/../support/misbehaving_registry.py" --layout "$scratch/layout" <"$scratch/in" >"$scratch/out" &
exec 8>"$scratch/in"
read -r _ home _ elsewhere <"$scratch/out"
name=127.0.0.1:$home/image:1
tell() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=sys.argv[2].encode(), method="POST"))' "http://127.0.0.1:$elsewhere/_control/$1" "$2"; }
# EXPRESSION over `log`, the requests since the last reset.
log() { python3 -c 'import json, sys, urllib.request; log = json.load(urllib.request.urlopen(sys.argv[1])); print(eval(sys.argv[2]))' "http://127.0.0.1:$elsewhere/_control/log" "$1"; }
sent() { log 'sum(e["sent"] for e in log if "/blobs/" in e["path"])'; }
mounted() { in_store "$1" mount --lazy "$name" "$scratch/mnt"; }
unmounted() { in_store "$1" unmount "$scratch/mnt"; }
# Something that does not pack.
head -c 9000000 /dev/urandom >"$scratch/mnt-big"
sum_of() { sha256sum <"$scratch/mnt/$1" | sed 's/ .*//'; }

say "without an index: streamed once, by eight at once"
tell reset null
for i in 1 2 3 4 5 6 7 8; do
  mkdir -p "$scratch/mnt$i"
  in_store a mount --lazy "$name" "$scratch/mnt$i" 2>"$scratch/err$i" & pids="${pids:-} $!"
done
for pid in $pids; do wait "$pid" || fail "a mount of eight: $(cat "$scratch"/err?)"; done
for i in 1 8; do expect "mount $i shows the image" "$sum" "$(sha256sum <"$scratch/mnt$i/big" | sed 's/ .*//')"; done
expect "each layer was asked for once" "[1, 1]" "$(log 'sorted(sum(e["path"] == p for e in log) for p in {e["path"] for e in log if e["method"] == "GET" and "/blobs/" in e["path"] and e["sent"] > 100000})')"
wait_until in_store a history "$name" >/dev/null
pass "and then it is an image of the store"
for i in 1 2 3 4 5 6 7 8; do in_store a unmount "$scratch/mnt$i"; done

say "its index, published"
in_store a push -q --index "$name"
expect "the registry has it as a referrer" 1 "$(python3 -c 'import json, sys, urllib.request; print(len(json.load(urllib.request.urlopen(sys.argv[1]))["manifests"]))' "http://127.0.0.1:$home/v2/image/referrers/$manifest")"
tell reset null
ACETATE_FETCH_SECONDS=2 ACETATE_FETCH_REST=0 mounted b
expect "a file is there at once" "hello above" "$(cat "$scratch/mnt/hello" "$scratch/mnt/above" | tr '\n' ' ' | sed 's/ $//')"
[ "$(sent)" -lt $((size / 2)) ] && pass "and little was fetched for it" || fail "$(sent) of $size bytes were fetched for two small files"
expect "a program runs from it" "hi" "$("$scratch/mnt/bin/busybox" echo hi)"

say "what was read, published with it"
in_store a mount "$name" "$scratch/mnt1"
cat "$scratch/mnt1/medium" >/dev/null
in_store a unmount "$scratch/mnt1"
in_store a push -q --trace "$name"
tell reset null
# The layer below, which is more than twelve pieces, is known a moment before: the moment is to be short beside what it takes to ask for those.
tell set '{"delay": 200}'
in_store j mount --lazy "$name" "$scratch/mnt1"
asked() { [ "$(log "sum(e['path'].endswith('$upper') and 'Range' in e['headers'] for e in log) >= 3")" = True ]; }
wait_until asked
tell set '{"delay": 0}'
expect "comes first, before anybody asks" True "$(log "sum(e['path'].endswith('$layer') for e in log[:[i for i, e in enumerate(log) if e['path'].endswith('$upper') and 'Range' in e['headers']][2]]) < 11")"
expect "and is right" 3000000 "$(wc -c <"$scratch/mnt1/medium")"
in_store j unmount "$scratch/mnt1"

say "how often a reader waits, without and with what an earlier one read"
many=127.0.0.1:$home/many:1
count() { acetate stat "$scratch/mnt1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
# A page of each file, and none after the one before it.
read_many() { for i in 0 7 14 21 4 11 18 1 8 15 22 5 12 19 2 9 16 23 6 13 20 3 10 17; do dd if="$scratch/mnt1/file$i" of="$scratch/byte" bs=4096 skip=256 count=1 2>/dev/null; done; }
in_store n copy -q "oci:$scratch/many" "docker://$many"
in_store n pull -q "$many" >/dev/null
in_store n mount "$many" "$scratch/mnt1"
read_many
in_store n unmount "$scratch/mnt1"
in_store n push -q --index "$many"
tell set '{"delay": 200}'
# Nothing comes when it is quiet, which it may be on a slow machine.
ACETATE_FETCH_REST=0 in_store o mount --lazy "$many" "$scratch/mnt1"
expect "nobody has waited yet" 0 "$(count fetch_waits)"
read_many
first=$(count fetch_waits)
[ "$first" -ge 20 ] && pass "pieces are waited for ($first times)" || fail "24 files were waited for $first times"
expect "and the counters say how long" True "$(python3 -c 'import sys; print(float(sys.argv[1]) >= int(sys.argv[2]) * 0.1)' "$(count fetch_wait_seconds)" "$first")"
expect "no more is needed than was fetched" True "$(python3 -c 'import sys; print(0 < int(sys.argv[1]) <= int(sys.argv[2]))' "$(count needed_bytes)" "$(count fetched_bytes)")"
needed=$(count needed_bytes)
in_store o unmount "$scratch/mnt1"
tell set '{"delay": 0}'
in_store n push -q --trace "$many"
tell set '{"delay": 200}'
# Who reads faster than a busy machine fetches waits more often: what it is at its best, of three who have nothing yet.
said=
for store in p1 p2 p3; do
  in_store $store mount --lazy "$many" "$scratch/mnt1"
  read_many
  second=$(count fetch_waits) less=$(count needed_bytes)
  in_store $store unmount "$scratch/mnt1"
  said="$said $second"
  [ $((second * 5)) -gt "$first" ] || break
done
[ $((second * 5)) -le "$first" ] && pass "with the trace a fifth as often at most (times:$said)" || fail "with the trace, times:$said; without it $first"
[ $((less * 3)) -le $((needed * 2)) ] && pass "and of two thirds of the bytes at most ($less of $needed)" || fail "$less bytes were needed with the trace, $needed without it"
tell set '{"delay": 0}'

say "the registry goes"
tell fault '{"path": "/blobs/", "do": "status", "status": 503, "times": -1}'
expect "what is here is read" "hello" "$(cat "$scratch/mnt/hello")"
expect_failure "what is not is an error" any "Input/output error" cp "$scratch/mnt/medium" "$scratch/copy"
[ "$(stat -c %s "$scratch/copy" 2>/dev/null || echo 0)" -lt 3000000 ] && pass "and never zeroes" || fail "zeroes were read"
tell reset null
wait_until cp "$scratch/mnt/medium" "$scratch/copy"
expect "and when it is back it goes on" 3000000 "$(stat -c %s "$scratch/copy")"

say "the fetcher is killed"
unmounted b
ACETATE_FETCH_REST=0 mounted b
# More than came with what was read before: so it is asked for, and the fetcher stays as long as somebody is connected.
head -c 6000000 "$scratch/mnt/big" >/dev/null
victim=$(fetchers "$scratch/store-b/")
kill -9 "$victim"
expect "reads go on" "$sum" "$(sum_of big)"
[ "$(fetchers "$scratch/store-b/")" != "$victim" ] && pass "by another one" || fail "the fetcher was not killed"
unmounted b
mounted b
expect "a second mount" "last" "$(cat "$scratch/mnt/last")"

say "sealed"
expect_match "seal says the id" '^[0-9a-f]{64}$' "$(in_store b seal "$name" 2>/dev/null)"
tell fault '{"path": "/", "do": "status", "status": 503, "times": -1}'
expect "the mount does not notice" "$sum" "$(sum_of big)"
unmounted b
in_store b mount "$name" "$scratch/mnt"
expect "without the registry it is an image like others" "$sum" "$(sum_of big)"
unmounted b
in_store b verify "$name" >/dev/null && pass "and what it says it is" || fail "verify"
tell reset null

say "pulled after it was mounted"
tell reset null
of_layers() { log "sum(e['sent'] for e in log if e['path'].endswith(('$layer', '$upper')))"; }
ACETATE_FETCH_REST=0 mounted m
expect "a part of it is read" 3000000 "$(cat "$scratch/mnt/medium" | wc -c)"
unmounted m
before=$(of_layers)
[ "$before" -gt 2900000 ] && [ "$before" -lt "$size" ] && pass "and fetched ($before of $size bytes)" || fail "$before of $size bytes were fetched"
in_store m pull -q "$name" >/dev/null && pass "pull fetches the rest" || fail "pull"
expect "and no byte a second time" "$size" "$(of_layers)"
in_store m verify "$name" >/dev/null && pass "it is what it says it is" || fail "verify"
expect "and an image like others" "" "$(find "$scratch/store-m/images/.acetate-lazy" -name '*.map' -o -name '*.data')"

say "a registry that lies"
tell fault "{\"path\": \"/blobs/$layer\", \"do\": \"corrupt\", \"at\": 40000, \"times\": -1}"
mounted c
expect_failure "wrong bytes are an error" any "Input/output error" cat "$scratch/mnt/big"
expect_failure "and cannot be sealed" 125 "something else" in_store c seal "$name"
tell reset null
expect_match "when it tells the truth again it can" '^[0-9a-f]{64}$' "$(in_store c seal "$name" 2>/dev/null)"
unmounted c

say "by digest, and forgotten"
tell reset null
pinned=127.0.0.1:$home/image@$manifest
in_store d mount --lazy "$pinned" "$scratch/mnt"
expect "an index that the digest does not name is not asked for" 0 "$(log 'sum("/referrers/" in e["path"] for e in log)')"
unmounted d
tell fault "{\"path\": \"/blobs/$layer\", \"do\": \"status\", \"status\": 503, \"times\": -1}"
ACETATE_FETCH_SECONDS=2 expect_failure "an image that cannot be had" any "cannot be fetched" in_store e mount --lazy --index=never "$name" "$scratch/mnt"
tell reset null
mounted e
unmounted e
expect "it is listed, all here or not" "$name" "$(in_store e images --format '{{.Repository}}:{{.Tag}}')"
in_store e rmi "$name" >/dev/null
# A fetcher that is about to end may still put a blob in its place.
left_of_e() { find "$scratch/store-e/images/.acetate-lazy" "$scratch/store-e/images/blobs" -type f -name '*[0-9a-f]*' ! -name 'fetcher.*' ! -name index.json ! -name log; }
tries=0
until in_store e gc -q >/dev/null && [ -z "$(left_of_e)" ] || [ $tries -ge 50 ]; do tries=$((tries + 1)); sleep 0.2; done
expect "rmi and gc leave nothing of it" "" "$(left_of_e)"

say "by its table of contents"
mkdir "$scratch/context"
head -c 9000000 "$scratch/mnt-big" >"$scratch/context/large"
echo small >"$scratch/context/small"
cp "$(command -v busybox)" "$scratch/context/busybox"
printf 'FROM scratch\nCOPY . /\n' >"$scratch/Dockerfile"
in_store g build -q -o "type=oci,dest=$scratch/estargz,compression=estargz" -f "$scratch/Dockerfile" "$scratch/context" >/dev/null
# The same with a table that tells of another mode.
python3 - "$scratch/estargz" "$scratch/lying" <<'P'
import gzip, hashlib, io, json, pathlib, shutil, sys, tarfile, zlib
honest, lying = map(pathlib.Path, sys.argv[1:])
shutil.copytree(honest, lying)
def put(data):
    digest = hashlib.sha256(data).hexdigest()
    (lying / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": "sha256:" + digest, "size": len(data)}
def blob(of): return (lying / "blobs/sha256" / of["digest"][7:]).read_bytes()
index = json.loads((lying / "index.json").read_text())
manifest = json.loads(blob(index["manifests"][0]))
layer = manifest["layers"][-1]
data = blob(layer)
at = int(data[-51:][16:32], 16)
table = json.loads(tarfile.open(fileobj=io.BytesIO(zlib.decompressobj(31).decompress(data[at:]))).extractfile("stargz.index.json").read())
next(entry for entry in table["entries"] if entry["name"] == "small")["mode"] = 0o4755
text = json.dumps(table).encode()
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
    info = tarfile.TarInfo("stargz.index.json")
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))
layer.update(put(data[:at] + gzip.compress(out.getvalue(), mtime=0) + data[-51:]))
layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"] = "sha256:" + hashlib.sha256(text).hexdigest()
config = json.loads(blob(manifest["config"]))
config["rootfs"]["diff_ids"][-1] = "sha256:" + hashlib.sha256(gzip.decompress(blob(layer))).hexdigest()
manifest["config"].update(put(json.dumps(config).encode()))
index["manifests"][0].update(put(json.dumps(manifest).encode()))
(lying / "index.json").write_text(json.dumps(index))
P
for kind in estargz lying; do in_store g copy -q --dest-tls-verify=false "oci:$scratch/$kind" "docker://127.0.0.1:$home/$kind:1" >/dev/null; done
tell reset null
ACETATE_FETCH_REST=0 in_store h mount --lazy "127.0.0.1:$home/estargz:1" "$scratch/mnt"
expect "a file is there" "small" "$(cat "$scratch/mnt/small")"
[ "$(sent)" -lt 600000 ] && pass "for the table and its chunk alone ($(sent) bytes)" || fail "$(sent) bytes were fetched for a small file"
expect "a program runs" "hi" "$("$scratch/mnt/busybox" echo hi)"
expect "a large file is whole" "$(sha256sum <"$scratch/context/large")" "$(sha256sum <"$scratch/mnt/large")"
in_store h seal -q "127.0.0.1:$home/estargz:1" && pass "its tar is what it says" || fail "seal"
in_store h unmount "$scratch/mnt"
in_store h verify "127.0.0.1:$home/estargz:1" >/dev/null && pass "as anybody finds it" || fail "verify"
ACETATE_FETCH_REST=0 in_store h mount --lazy "127.0.0.1:$home/lying:1" "$scratch/mnt"
expect "a table may lie" "4755" "$(stat -c %a "$scratch/mnt/small")"
expect_match "until the tar is here" "told of other files" "$(in_store h seal -q "127.0.0.1:$home/lying:1" 2>&1)"
wait_until sh -c "! cat '$scratch/mnt/busybox' >/dev/null 2>&1"
expect_failure "then nothing is read by it" any "Input/output error" cat "$scratch/mnt/busybox"
in_store h unmount "$scratch/mnt"
in_store h mount "127.0.0.1:$home/lying:1" "$scratch/mnt"
expect "and the next mount is by the tar" "644" "$(stat -c %a "$scratch/mnt/small")"
in_store h unmount "$scratch/mnt"

if command -v runc >/dev/null; then
  say "run"
  expect_match "run --lazy" "^$sum" "$(in_store f run --lazy "$name" 2>&1)"
  ACETATE_FETCH_REST=0 in_store i run --lazy --keep one "$name" /bin/busybox sh -c 'echo kept >/kept' 2>/dev/null
  expect "what a container on it wrote is kept" "kept hello" "$(ACETATE_FETCH_REST=0 in_store i run one /bin/busybox cat /kept /hello 2>/dev/null | tr '\n' ' ' | sed 's/ $//')"
  expect_failure "it is committed when all is here" any "acetate seal" in_store i commit one made:1
  in_store i rmi "$name" >/dev/null && in_store i gc -q >/dev/null
  expect "and needs no name of the image" "$sum" "$(in_store i run one /bin/busybox sha256sum /big 2>/dev/null | sed 's/ .*//')"
fi
if command -v useradd >/dev/null && setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Ur true 2>/dev/null; then
  say "without root"
  make_users
  expect_match "run --lazy, with a range of ids" "^$sum" "$(ranged acetate run --lazy "$name" 2>&1)"
  expect_match "and with a single one" "^$sum" "$(single acetate run --lazy "$name" 2>&1)"
fi
finish
