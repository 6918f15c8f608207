#!/bin/sh
# Stock podman and buildah with our daemon as their mount_program: pull from a tarball, run, write, diff, commit,
# build; as root and rootless. No process, mount or file stays behind.
#
# usage: podman_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools podman busybox setpriv runc

daemon=$(command -v fuse-overlay)
mkdir -p "$scratch/tree/bin" "$scratch/tree/etc" "$scratch/tree/dir"
cp "$(command -v busybox)" "$scratch/tree/bin/busybox"
for applet in sh ls cat echo rm mkdir touch chmod mv stat id; do ln -s busybox "$scratch/tree/bin/$applet"; done
echo lower >"$scratch/tree/etc/file"
echo root:x:0:0::/:/bin/sh >"$scratch/tree/etc/passwd"
echo gone >"$scratch/tree/dir/gone"
tar -C "$scratch/tree" --owner=0 --group=0 -cf "$scratch/root.tar" .
chmod 644 "$scratch/root.tar"

config() { # HOME-DIRECTORY: storage.conf and containers.conf of one user
  mkdir -p "$1/conf" "$1/run" "$1/store"
  cat >"$1/conf/storage.conf" <<C
[storage]
driver = "overlay"
runroot = "$1/run"
graphroot = "$1/store"
rootless_storage_path = "$1/store"
[storage.options.overlay]
mount_program = "$daemon"
C
  cat >"$1/conf/containers.conf" <<C
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
C
}
trial() { # WHO HOME: the same for root and rootless
  who=$1 home=$2
  p() { "$who" env CONTAINERS_STORAGE_CONF="$home/conf/storage.conf" CONTAINERS_CONF="$home/conf/containers.conf" XDG_RUNTIME_DIR="$home/run" podman "$@" 2>"$scratch/podman.err"; }
  q() { p run --rm --network=none "$@"; }
  p import "$scratch/root.tar" sample >/dev/null || { fail "$who: podman import: $(tail -n 2 "$scratch/podman.err")"; return; }
  expect "$who: run" "lower" "$(q sample cat /etc/file || tail -n 3 "$scratch/podman.err")"
  p run --network=none --name one sample sh -c 'echo more >>/etc/file; rm -r /dir; mkdir /dir; echo new >/dir/new; chmod 4755 /bin/ls' || true
  expect "$who: diff" "A /dir/new C /bin C /bin/busybox C /dir C /etc C /etc/file D /dir/gone" "$(p diff one | grep -v -E '(/dev|/proc|/sys|/run|/etc/(hosts|resolv.conf|hostname|mtab))' | sort | tr '\n' ' ' | sed 's/ $//')"
  p commit -q one changed >/dev/null || fail "$who: commit: $(tail -n 2 "$scratch/podman.err")"
  expect "$who: the committed image" "lower more new" "$(q changed sh -c 'cat /etc/file /dir/new; ls /dir' | grep -v '^new$' | tr '\n' ' ' | sed 's/ $//')$(q changed sh -c 'test -e /dir/gone && echo " gone" || echo " new"')"
  mkdir -p "$home/context"; printf 'FROM sample\nRUN echo built >/etc/built\nRUN rm /etc/file\n' >"$home/context/Dockerfile"; chmod -R a+rX "$home/context"
  p build -q --network=host -t built "$home/context" >/dev/null || fail "$who: build: $(tail -n 3 "$scratch/podman.err")"
  expect "$who: what podman built" "built" "$(q built sh -c 'cat /etc/built; test -e /etc/file && echo file')"
  p rm -af >/dev/null || true
  p rmi -af >/dev/null || fail "$who: rmi: $(tail -n 2 "$scratch/podman.err")"
  expect "$who: no mount stays" "" "$(awk -v below="$home/" 'index($5, below) == 1 && $0 ~ /fuse/ {print $5}' /proc/self/mountinfo)"
  [ "$who" = ranged ] && "$who" env CONTAINERS_STORAGE_CONF="$home/conf/storage.conf" CONTAINERS_CONF="$home/conf/containers.conf" XDG_RUNTIME_DIR="$home/run" podman system migrate 2>/dev/null || true
}
plain() { "$@"; }

config "$scratch/root-store"
trial plain "$scratch/root-store"
make_users
home=$scratch/home-$ranged_user
config "$home"; chown -R "$ranged_user:" "$home"
trial ranged "$home"
remaining=$(pgrep -f "$daemon.*$scratch" || true)
expect "no daemon stays" "" "$remaining"
finish
