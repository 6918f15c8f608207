# What the podman scripts share: a small image, and stores whose mount_program is our daemon. Sourced after lib.sh.

daemon=$(command -v fuse-overlay)

sample_image() { # a root filesystem of busybox as $scratch/root.tar
  mkdir -p "$scratch/tree/bin" "$scratch/tree/etc" "$scratch/tree/dir" "$scratch/tree/tmp"
  busybox_in "$scratch/tree" sh ls cat echo rm mkdir touch chmod chown mv stat id sleep wc seq
  chmod 1777 "$scratch/tree/tmp"
  echo lower >"$scratch/tree/etc/file"
  echo root:x:0:0::/:/bin/sh >"$scratch/tree/etc/passwd"
  echo gone >"$scratch/tree/dir/gone"
  tar -C "$scratch/tree" --owner=0 --group=0 -cf "$scratch/root.tar" .
  chmod 644 "$scratch/root.tar"
}

store_config() { # HOME-DIRECTORY [MOUNT-PROGRAM]: storage.conf and containers.conf of one user
  mkdir -p "$1/conf" "$1/run" "$1/store"
  cat >"$1/conf/storage.conf" <<C
[storage]
driver = "overlay"
runroot = "$1/run"
graphroot = "$1/store"
rootless_storage_path = "$1/store"
[storage.options]
auto-userns-min-size = 1024
auto-userns-max-size = 8192
[storage.options.overlay]
mount_program = "${2:-$daemon}"
C
  cat >"$1/conf/containers.conf" <<C
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
C
  echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$1/conf/policy.json"
}

plain() { "$@"; }
in_store() { # WHO HOME PROGRAM...: podman or buildah on that store; its complaints go to $scratch/podman.err
  store_who=$1 store_home=$2
  shift 2
  "$store_who" env CONTAINERS_STORAGE_CONF="$store_home/conf/storage.conf" CONTAINERS_CONF="$store_home/conf/containers.conf" \
    XDG_RUNTIME_DIR="$store_home/run" BUILDAH_ISOLATION=chroot "$@" 2>"$scratch/podman.err"
}
complaint() { tail -n 2 "$scratch/podman.err" | tr '\n' ' '; }

nothing_stays() { # WHO HOME: no mount in the store; podman's own pause process is asked to go
  expect "$1: no mount stays" "" "$(awk -v below="$2/" 'index($5, below) == 1 && $0 ~ /fuse/ {print $5}' /proc/self/mountinfo)"
  [ "$1" = plain ] || in_store "$1" "$2" podman system migrate || true
}
no_daemon_stays() {
  # The last ones may still be syncing what they wrote.
  for pid in $(pgrep -f "$daemon.*$scratch" || true); do
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  done
  expect "no container monitor stays" "" "$(pgrep -f "conmon.*$scratch" || true)"
}
