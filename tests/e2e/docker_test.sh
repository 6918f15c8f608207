#!/bin/sh
# dockerd with its fuse-overlayfs storage driver, and our daemon under that name: load, run, write, exec, cp, diff, commit, build, save,
# volumes, four at once. No process, mount or file stays behind.
#
# usage: docker_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/docker_lib.sh"
need_root
need_fuse
need_tools fuse-overlay runc dockerd docker containerd busybox
. "$here/podman_lib.sh"
sample_image

trap 'stop_docker; cleanup' EXIT

# Through the name that it looks for, and nothing else of ours.
mkdir -p "$scratch/bin" "$scratch/docker"
ln -s "$daemon" "$scratch/bin/fuse-overlayfs"
PATH=$scratch/bin:$PATH
start_docker fuse-overlayfs
expect "the driver" fuse-overlayfs "$(docker info --format '{{.Driver}}')"

docker import -q "$scratch/root.tar" sample >/dev/null 2>"$scratch/said" || docker import "$scratch/root.tar" sample >/dev/null || fail "import: $(cat "$scratch/said")"
q() { docker run --rm --network none "$@"; }
q sample sh -c : 2>"$scratch/said" || skip "docker runs no container here: $(head -n 1 "$scratch/said")"
expect "a container" "lower fuse.fuse-overlayfs" "$(q sample sh -c 'cat /etc/file; while read -r a b c; do case $b in /) echo $c;; esac; done </proc/mounts' | cut -d' ' -f1 | tr '\n' ' ' | sed 's/ $//')"

mkdir "$scratch/volume"; echo outside >"$scratch/volume/f"
docker run -d --network none --name live -v "$scratch/volume:/v" -v named:/n sample sleep 1000 >/dev/null
expect "exec sees the volume" outside "$(docker exec live sh -c 'cat /v/f; echo inside >/v/g; echo n >/n/f; echo changed >/etc/file; rm -r /dir; mkdir /dir; echo again >/dir/new')"
expect "what it wrote into the volume" inside "$(cat "$scratch/volume/g")"
docker cp live:/etc/file "$scratch/copied" >/dev/null
expect "cp out of it" changed "$(cat "$scratch/copied")"
docker cp "$scratch/volume/f" live:/etc/put >/dev/null
expect "cp into it" outside "$(docker exec live cat /etc/put)"
expect "diff" "A /dir/new A /etc/put A /n A /v C /dir C /etc C /etc/file D /dir/gone" "$(docker diff live | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
docker commit live committed >/dev/null
expect "commit" "changed again" "$(q committed sh -c 'cat /etc/file /dir/new; test ! -e /dir/gone' | tr '\n' ' ' | sed 's/ $//')"
docker stop -t 0 live >/dev/null; docker start live >/dev/null
expect "stopped and started: the upper goes on" changed "$(docker exec live cat /etc/file)"

for i in 1 2 3 4; do q sample sh -c "for n in \$(seq 200); do echo $i >/tmp/\$n; done; cat /tmp/* | wc -l" >"$scratch/many.$i" & eval "job$i=$!"; done
for i in 1 2 3 4; do eval "wait \$job$i" || true; expect "number $i of four at once" 200 "$(cat "$scratch/many.$i")"; done

printf 'FROM sample\nRUN rm /etc/file && echo built >/etc/built\nRUN mv /bin/wc /bin/words && chmod 4755 /etc/built\nCOPY f /etc/copied\n' >"$scratch/volume/Dockerfile"
DOCKER_BUILDKIT=0 docker build -q --network none -t built "$scratch/volume" >/dev/null 2>"$scratch/said" || fail "build: $(tail -n 1 "$scratch/said")"
expect "build" "built outside 4755" "$(q built sh -c 'test ! -e /etc/file && cat /etc/built /etc/copied && stat -c %a /etc/built' | tr '\n' ' ' | sed 's/ $//')"
docker save built -o "$scratch/built.tar"
docker rmi built >/dev/null && docker load -q -i "$scratch/built.tar" >/dev/null
expect "saved and loaded" "built 4755" "$(q built sh -c 'cat /etc/built; stat -c %a /etc/built' | tr '\n' ' ' | sed 's/ $//')"

docker rm -f live >/dev/null
docker volume rm named >/dev/null
expect "no mount stays" "" "$(awk -v below="$scratch/docker/" 'index($5, below) == 1 && $0 ~ /fuse/ {print $5}' /proc/self/mountinfo)"
docker rmi -f built committed sample >/dev/null
stop_docker
# The last ones may still be syncing what they wrote.
for pid in $(pgrep -f "fuse-overlayfs.*$scratch" || true); do
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
done
expect "no layer stays" "" "$(ls "$scratch/docker/data/fuse-overlayfs" 2>/dev/null | grep -v '^l$' || true)"
finish
