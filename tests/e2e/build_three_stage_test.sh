#!/bin/sh
# A real three-stage Dockerfile, built by an unprivileged user: compile a C program on Debian, put it on a small base, run
# it there; podman and skopeo take the result and it runs for them too; built again, every step is cached.
#
# usage: build_three_stage_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools busybox skopeo podman setpriv runc
make_users

debian_rootfs
mkdir -p "$scratch/small/bin" "$scratch/small/etc"
cp "$(command -v busybox)" "$scratch/small/bin/busybox"
ln -s busybox "$scratch/small/bin/sh"
echo 'root:x:0:0:root:/:/bin/sh' >"$scratch/small/etc/passwd"
tar -C "$scratch/small" --owner=0 --group=0 -czf "$scratch/small.tar.gz" .
mkdir "$scratch/context"
cat >"$scratch/context/greet.c" <<'C'
#include <stdio.h>
int main(int argc, char **argv) { printf("hello %s\n", argc > 1 ? argv[1] : "nobody"); return 0; }
C
cat >"$scratch/context/Dockerfile" <<'D'
ARG GCC
ARG SMALL
FROM ${GCC} AS compile
WORKDIR /src
COPY greet.c .
RUN gcc -O2 -static -o /out/../greet greet.c

FROM ${SMALL} AS checked
COPY --from=compile /greet /usr/bin/greet
RUN greet checked | busybox tee /etc/greeting

FROM ${SMALL}
LABEL org.opencontainers.image.title="greet"
ENV WHO=world
COPY --from=checked /usr/bin/greet /usr/bin/greet
COPY --from=checked /etc/greeting /etc/greeting
EXPOSE 8080
ENTRYPOINT ["/usr/bin/greet"]
CMD ["you"]
D
sed -i 's|/out/../greet|/greet|' "$scratch/context/Dockerfile"
chmod -R a+rX "$scratch/context" "$scratch"/*.tar.gz

for who in ranged single; do
  mkdir "$scratch/out-$who"; chmod 777 "$scratch/out-$who"
  build() { "$who" acetate build --build-arg "GCC=$scratch/debian.tar.gz" --build-arg "SMALL=$scratch/small.tar.gz" -o "type=oci,dest=$1" "$scratch/context"; }
  code=0
  build "$scratch/out-$who/first.tar" >"$scratch/log" 2>&1 || code=$?
  expect "$who: the build succeeds" 0 $code
  [ $code = 0 ] || { tail -n 20 "$scratch/log"; continue; }
  expect "$who: our runner runs it" "hello you" "$("$who" acetate run "oci-archive:$scratch/out-$who/first.tar")"
  expect "$who: what a step of another stage wrote" "hello checked" "$("$who" acetate run --entrypoint /bin/busybox "oci-archive:$scratch/out-$who/first.tar" cat /etc/greeting)"
  build "$scratch/out-$who/second.tar" >"$scratch/log" 2>&1
  expect "$who: built again, every one of seven steps is cached" 7 "$(grep -c 'CACHED$' "$scratch/log")"
  expect "$who: the same digest" "$(skopeo inspect --format '{{.Digest}}' "oci-archive:$scratch/out-$who/first.tar")" "$(skopeo inspect --format '{{.Digest}}' "oci-archive:$scratch/out-$who/second.tar")"
  skopeo copy -q "oci-archive:$scratch/out-$who/first.tar" "oci:$scratch/out-$who/layout:greet" || fail "$who: skopeo copy"
  expect "$who: skopeo reads the configuration" "[/usr/bin/greet] [you] [PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin,WHO=world]" \
    "$(skopeo inspect --config --format '{{.Config.Entrypoint}} {{.Config.Cmd}}' "oci:$scratch/out-$who/layout:greet") $(skopeo inspect --config "oci:$scratch/out-$who/layout:greet" | tr -d ' \n\"' | grep -o '\[[^]]*WHO=world[^]]*\]' | head -n 1)"
done
export CONTAINERS_STORAGE_CONF=$scratch/storage.conf CONTAINERS_CONF=$scratch/containers.conf
printf '[storage]\ndriver = "vfs"\nrunroot = "%s/podman-run"\ngraphroot = "%s/podman-store"\n' "$scratch" "$scratch" >"$CONTAINERS_STORAGE_CONF"
printf '[containers]\ndefault_ulimits = ["nofile=10000:10000", "nproc=8192:8192"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' >"$CONTAINERS_CONF"
loaded=$(podman load -q -i "$scratch/out-ranged/first.tar" 2>"$scratch/podman.err" | sed 's/.*: //') || true
expect "podman loads it and it runs there" "hello podman" "$(podman run --rm --network=none "$loaded" podman 2>&1 || cat "$scratch/podman.err")"
podman rmi -af >/dev/null 2>&1 || true
finish
