#!/bin/sh
# acetate inside docker's containers: as they are by default and without a system call filter; and inside what the pod
# security standards of Kubernetes allow, "restricted" and "baseline", by docker's options that come to the same (there is no kubelet
# here). Prints the table of docs/running.md; a cell is what really happened. Nothing is fetched: the image is made from this machine's
# programs by `acetate build`, and dockerd has a place of its own.
#
# usage: inside_docker_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/docker_lib.sh"
. "$here/cells.sh"
. "$here/inside_lib.sh"
need_root
need_fuse
need_to_build
need_tools acetate fuse-overlay runc dockerd docker containerd

trap 'stop_docker; cleanup' EXIT

mkdir -p "$scratch/docker"
outer_root "$scratch/docker/outer.tar"
printf 'FROM scratch\nADD outer.tar /\nENV PATH=/usr/local/bin:/bin\n' >"$scratch/docker/Dockerfile"
acetate build -q -t acetate-inside -o "type=docker,dest=$scratch/outer.docker" "$scratch/docker" >/dev/null

say "dockerd, with a place of its own and no network"
start_docker vfs
docker load -q -i "$scratch/outer.docker" >/dev/null || skip "docker loads no image here"
docker run --rm --network none acetate-inside sh -c : 2>"$scratch/said" || skip "docker runs no container here: $(head -n 1 "$scratch/said")"

# inside NAME OPTION...: a row
inside() {
  name=$1
  shift
  docker run --rm --network none "$@" acetate-inside sh /inside.sh "$name" 2>>"$scratch/why" || echo "the container for $name failed" >>"$scratch/why"
}
restricted="--user 1000 --cap-drop ALL --security-opt no-new-privileges"
unfiltered="--security-opt seccomp=unconfined"
{
  echo "| container | $inside_columns"
  echo "|---|$inside_rule"
  inside 'docker, by default (Kubernetes: *baseline*)'
  inside 'docker, `--user 1000`' --user 1000
  inside 'Kubernetes: *restricted*' $restricted
  inside '`seccomp=unconfined`' $unfiltered
  inside '`seccomp=unconfined`, `--user 1000`' $unfiltered --user 1000
  inside 'Kubernetes: *restricted*, but seccompProfile Unconfined' $restricted $unfiltered
  inside '`seccomp=unconfined`, `--device /dev/fuse`' $unfiltered --device /dev/fuse
  inside 'the same, `--user 1000`' $unfiltered --device /dev/fuse --user 1000
  inside 'the same, `--cap-add SYS_ADMIN`, `systempaths=unconfined`' $unfiltered --device /dev/fuse --cap-add SYS_ADMIN --security-opt systempaths=unconfined
} >"$scratch/table"
cat "$scratch/table"
say "why not"
cat "$scratch/why"

for who in 'docker, by default .*' 'docker, `--user 1000`' 'Kubernetes: \*restricted\*' '`seccomp=unconfined`' '`seccomp=unconfined`, `--user 1000`'; do
  has "$who" 12 yes
  has "$who" 13 yes
done
for who in '`seccomp=unconfined`' '`seccomp=unconfined`, `--user 1000`' 'Kubernetes: \*restricted\*, but .*' '`seccomp=unconfined`, `--device /dev/fuse`' 'the same, `--cap-add.*'; do
  has "$who" 3 yes
  has "$who" 4 yes
  has "$who" 11 yes
done
expect_match "where nothing can run the way out is told" "by default.*a command: acetate: .*seccomp=unconfined" "$(tr '\n' ' ' <"$scratch/why")"
finish
