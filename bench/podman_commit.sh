#!/bin/sh
# How long podman takes to commit, and to diff, one changed file in an image of many files in six layers: it walks the merged tree twice,
# in two mounts, so this is how fast a mount is walked. One store for each mount_program, the rounds alternating between them; medians
# and the ratio. With ACETATE_FLOOR, the path of acetate-floor (bench/floor.cc), also what a diff takes when both mounts are of a daemon
# that does nothing: no daemon is faster.
#
# usage: podman_commit.sh FUSE-OVERLAY [FUSE-OVERLAYFS [FILES [ROUNDS [LAYERS]]]]     default: the one in PATH, 36000 files, 3 rounds,
#   6 layers, 2 at least
set -eu
ours=$(realpath "$1") theirs=$(realpath "$(command -v "${2:-fuse-overlayfs}")") files=${3:-36000} rounds=${4:-3} layers=${5:-6}
here=$(cd "$(dirname "$0")" && pwd)
set -- "$(dirname "$ours")"
. "$here/../tests/e2e/lib.sh"
need_root
need_fuse
need_tools podman runc busybox python3
. "$here/../tests/e2e/podman_lib.sh"
sample_image
# As an OCI layout: each layer above the first has some files of every directory, so that all directories are merged ones.
python3 - "$scratch/root.tar" "$scratch/image" "$files" "$layers" <<'P'
import hashlib, io, json, pathlib, platform, sys, tarfile
base, layout, count, layers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
blobs = layout / "blobs/sha256"
blobs.mkdir(parents=True)
def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": "sha256:" + digest, "size": len(data)}
def layer(number):
    out, seen = io.BytesIO(), set()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for i in range(number, count, layers - 1):
            path = pathlib.PurePath(f"usr/d{i // 1000}/s{i // 12 % 80}/f{i}")
            for parent in list(path.parents)[-2::-1]:
                if parent not in seen:
                    seen.add(parent)
                    info = tarfile.TarInfo(str(parent))
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
            info = tarfile.TarInfo(str(path))
            info.size = i % 4096
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return blob(out.getvalue(), "layer.v1.tar")
all_layers = [blob(base.read_bytes(), "layer.v1.tar")] + [layer(number) for number in range(layers - 1)]
machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
config = {"architecture": machine, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in all_layers]}}
manifest = blob(json.dumps({"schemaVersion": 2, "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": all_layers}).encode(), "manifest.v1+json")
manifest["annotations"] = {"org.opencontainers.image.ref.name": "localhost/sample:latest"}
(layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
(layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
P
tar -C "$scratch/image" -cf "$scratch/image.tar" .

seconds() { # COMMAND...
  began=$(date +%s%N)
  "$@" >/dev/null
  echo $((($(date +%s%N) - began) / 1000)) | awk '{printf "%.3f\n", $1 / 1000000}'
}
round() { # NAME
  p() { in_store plain "$scratch/$1" podman "$@"; }
  store=$1
  in_store plain "$scratch/$store" podman run --network=none --name one sample sh -c 'echo more >>/etc/file'
  seconds in_store plain "$scratch/$store" podman diff one >>"$scratch/$store.diff"
  seconds in_store plain "$scratch/$store" podman commit -q one changed >>"$scratch/$store.commit"
  [ "$store" = ours ] || [ -z "${ACETATE_FLOOR:-}" ] || seconds floor_diff >>"$scratch/floor.diff"
  in_store plain "$scratch/$store" podman rm one >/dev/null
  in_store plain "$scratch/$store" podman rmi changed >/dev/null
}
# The container of their store, with the floor mounted in both places.
floor_diff() {
  env CONTAINERS_STORAGE_CONF="$scratch/theirs/conf/floor.conf" CONTAINERS_CONF="$scratch/theirs/conf/containers.conf" XDG_RUNTIME_DIR="$scratch/theirs/run" podman diff one
}
cat >"$scratch/floor-program" <<P
#!/bin/sh
for target; do :; done
"${ACETATE_FLOOR:-}" mount "\$target" $files >/dev/null 2>&1 </dev/null &
until mountpoint -q "\$target"; do kill -0 \$! || exit 1; sleep 0.01; done
P
chmod 755 "$scratch/floor-program"
for store in ours theirs; do
  eval "program=\$$store"
  store_config "$scratch/$store" "$program"
  in_store plain "$scratch/$store" podman load -q -i "$scratch/image.tar" >/dev/null || { complaint; exit 1; }
done
sed "s#^mount_program = .*#mount_program = \"$scratch/floor-program\"#" "$scratch/theirs/conf/storage.conf" >"$scratch/theirs/conf/floor.conf"
for _ in $(seq "$rounds"); do for store in ours theirs; do round $store; done; done
median() { sort -n "$1" | awk '{all[NR] = $1} END {print all[int((NR + 1) / 2)]}'; }
for what in diff commit; do
  a=$(median "$scratch/ours.$what") b=$(median "$scratch/theirs.$what")
  awk -v what=$what -v a="$a" -v b="$b" -v n="$files" -v layers="$layers" 'BEGIN {printf "%-7s of 1 in %d files in %d layers: %.2f s, fuse-overlayfs %.2f s, ratio %.2f\n", what, n, layers, a, b, a / b}'
done
[ -z "${ACETATE_FLOOR:-}" ] || awk -v a="$(median "$scratch/floor.diff")" -v b="$(median "$scratch/theirs.diff")" 'BEGIN {printf "diff    with a daemon that does nothing: %.2f s, to fuse-overlayfs %.2f\n", a, a / b}'
