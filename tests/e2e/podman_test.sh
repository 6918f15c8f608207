#!/bin/sh
# Stock podman with our daemon as its mount_program: import, run, write, diff, commit, build; as root and rootless. No process,
# mount or file stays behind.
#
# usage: podman_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools podman busybox setpriv runc
. "$here/podman_lib.sh"
sample_image

trial() { # WHO HOME: the same for root and rootless
  who=$1 home=$2
  p() { in_store "$who" "$home" podman "$@"; }
  q() { p run --rm --network=none "$@"; }
  p import "$scratch/root.tar" sample >/dev/null || { fail "$who: podman import: $(complaint)"; return; }
  expect "$who: run" "lower" "$(q sample cat /etc/file || complaint)"
  p run --network=none --name one sample sh -c 'echo more >>/etc/file; rm -r /dir; mkdir /dir; echo new >/dir/new; chmod 4755 /bin/ls' || true
  expect "$who: diff" "A /dir/new C /bin C /bin/busybox C /dir C /etc C /etc/file D /dir/gone" "$(p diff one | grep -v -E '(/dev|/proc|/sys|/run|/etc/(hosts|resolv.conf|hostname|mtab))' | sort | tr '\n' ' ' | sed 's/ $//')"
  p commit -q one changed >/dev/null || fail "$who: commit: $(complaint)"
  expect "$who: the committed image" "lower more new" "$(q changed sh -c 'cat /etc/file /dir/new; ls /dir' | grep -v '^new$' | tr '\n' ' ' | sed 's/ $//')$(q changed sh -c 'test -e /dir/gone && echo " gone" || echo " new"')"
  mkdir -p "$home/context"; printf 'FROM sample\nRUN echo built >/etc/built\nRUN rm /etc/file\n' >"$home/context/Dockerfile"; chmod -R a+rX "$home/context"
  p build -q --network=host -t built "$home/context" >/dev/null || fail "$who: build: $(complaint)"
  expect "$who: what podman built" "built" "$(q built sh -c 'cat /etc/built; test -e /etc/file && echo file')"
  p rm -af >/dev/null || true
  p rmi -af >/dev/null || fail "$who: rmi: $(complaint)"
  nothing_stays "$who" "$home"
}

store_config "$scratch/root-store"
trial plain "$scratch/root-store"
make_users
home=$scratch/home-$ranged_user
store_config "$home"; chown -R "$ranged_user:" "$home"
trial ranged "$home"
no_daemon_stays
finish
