#!/bin/sh
# What building again costs: eight COPYs and two RUNs on a small base, with nothing changed and with the last file changed,
# beside buildah. The tools take turns, so that a busy machine is busy for all of them; medians of milliseconds.
#
# usage: rebuild.sh ACETATE BASE.oci.tar [ROUNDS]      as root; BASE is an oci-archive with a shell
set -eu
acetate=$1 base=$(realpath "$2") rounds=${3:-7}
work=$(mktemp -d /tmp/acetate-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
export ACETATE_ROOT="$work/data" ACETATE_CACHE="$work/cache"
export CONTAINERS_STORAGE_CONF="$work/storage.conf" CONTAINERS_CONF="$work/containers.conf"
printf '[storage]\ndriver="overlay"\nrunroot="%s/run"\ngraphroot="%s/graph"\n' "$work" "$work" >"$work/storage.conf"
printf '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=32768:32768"]\n[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n' >"$work/containers.conf"

mkdir "$work/ctx"
echo "FROM oci-archive:$base" >"$work/ctx/Dockerfile"
for n in 1 2 3 4 5 6 7 8; do
  head -c 20000 /dev/urandom >"$work/ctx/f$n"
  echo "COPY f$n /d/f$n" >>"$work/ctx/Dockerfile"
done
printf 'RUN cat /d/f1 >/all\nRUN cat /all /d/f8 >/both\n' >>"$work/ctx/Dockerfile"

with_acetate() { "$acetate" build -q -t bench "$work/ctx" >/dev/null; }
with_buildah() { buildah bud -q --layers -t bench "$work/ctx" >/dev/null 2>&1; }
# timed TOOL KIND: one build, its milliseconds into a file
timed() {
  begin=$(date +%s%N)
  "with_$1"
  echo $((($(date +%s%N) - begin) / 1000000)) >>"$work/$1.$2"
}
tools=acetate
if command -v buildah >/dev/null; then tools="acetate buildah"; else echo "buildah is not installed: acetate alone"; fi
for tool in $tools; do "with_$tool"; done
for round in $(seq "$rounds"); do
  for tool in $tools; do timed "$tool" nothing; done
  head -c 20000 /dev/urandom >"$work/ctx/f8"
  for tool in $tools; do timed "$tool" one-file; done
done
for kind in nothing one-file; do
  for tool in $tools; do
    printf '%-9s %-8s %s ms\n' "$kind" "$tool" "$(sort -n "$work/$tool.$kind" | sed -n "$(((rounds + 1) / 2))p")"
  done
done
