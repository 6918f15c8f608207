#!/bin/sh
# Stock podman with `acetate layer-store` as its additional layer store: an image of Debian's docker-registry is pulled without
# a layer being fetched, run with what is read of it, saved and removed; as root and as a user with a subordinate range, on the
# kernel's overlay and with our daemon as mount_program.
#
# usage: layer_store_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_to_build
need_tools podman skopeo docker-registry runc python3
. "$here/podman_lib.sh"

children=
stop() {
  for child in $children; do kill "$child" 2>/dev/null || true; done
  cleanup
}
trap stop EXIT
export HOME="$scratch/home" XDG_CONFIG_HOME="$scratch/config" XDG_RUNTIME_DIR="$scratch/run"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG HTTP_PROXY HTTPS_PROXY http_proxy https_proxy ACETATE_ROOT ACETATE_CACHE 2>/dev/null || true
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
in_ours() { ours=$1; shift; ACETATE_ROOT="$scratch/store-$ours" ACETATE_CACHE="$scratch/cache-$ours" acetate "$@"; }
wait_until() { until "$@" 2>/dev/null; do sleep 0.1; done; }

say "an image of three layers in docker-registry"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$scratch" "$port" >"$scratch/registry.yml"
docker-registry serve "$scratch/registry.yml" 2>"$scratch/registry.log" & registry=$!
children=$registry
wait_until python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/v2/')"
name=127.0.0.1:$port/team/app:1
mkdir -p "$scratch/context/below/etc" "$scratch/context/below/dir"
busybox_in "$scratch/context/below" sh ls cat rm mkdir test
echo lower >"$scratch/context/below/etc/file"
echo gone >"$scratch/context/below/dir/gone"
echo hidden >"$scratch/context/below/dir/hidden"
head -c 12000000 /dev/urandom >"$scratch/context/below/unread"
printf 'FROM scratch\nCOPY below /\nRUN rm /dir/gone\nRUN rm -r /dir && mkdir /dir && echo new >/dir/new\nCMD ["/bin/cat", "/etc/file"]\n' >"$scratch/context/Dockerfile"
in_ours a build -q --network=none -o "type=oci,dest=$scratch/layout,compression=gzip" "$scratch/context" >/dev/null
in_ours a copy -q "oci:$scratch/layout" "docker://$name"
in_ours a pull -q "$name" >/dev/null
in_ours a push -q --index "$name"

als=$scratch/als
offer() { # STORE [WHO HOME]: an additional layer store that begins with nothing; of a user in the namespaces of his podman
  offered="env ACETATE_ROOT=$scratch/store-$1 ACETATE_CACHE=$scratch/cache-$1 ACETATE_FETCH_REST=0 acetate layer-store $als" seen=
  if [ $# = 1 ]; then
    $offered 2>"$scratch/als.err" & server=$!
  else
    seen="in_store $2 $3 podman unshare"
    $seen $offered 2>/dev/null & server=$!
  fi
  children="$children $server"
  until $seen mountpoint -q "$als"; do kill -0 "$server" || { cat "$scratch/als.err" "$scratch/podman.err"; exit 1; }; sleep 0.1; done
}
fetched() { # of its blobs, as their files take room
  find "$scratch/store-$1/images" \( -name '*.data' -o -path '*/blobs/sha256/*' \) -exec stat -c '%b' {} + | awk '{sum += $1} END {print sum * 512}'
}
diff_ids() { skopeo inspect --tls-verify=false --config "docker://$1" | python3 -c 'import json, sys; print(*json.load(sys.stdin)["rootfs"]["diff_ids"])'; }
configure() { # HOME [MOUNT-PROGRAM]: podman's store, with the line that matters
  store_config "$@"
  sed -i "s#^\[storage.options\]#&\nadditionallayerstores = [\"$als:ref\"]#" "$1/conf/storage.conf"
}

trial() { # NAME HOME [WHO]
  p() { in_store "$who" "$home" podman "$@"; }
  q() { p run --rm --network=none "$name" "$@"; }
  home=$2 who=${3:-plain}
  p pull -q --tls-verify=false "$name" >"$scratch/id" || { fail "$1: pull: $(complaint) $(cat "$scratch/als.err")"; return; }
  expect "$1: pulling says nothing" "" "$(cat "$scratch/podman.err")"
  expect "$1: podman's layers are ours" "3" "$(find "$home/store/overlay" -name additionallayer | wc -l)"
  expect "$1: it runs" "lower" "$(q || complaint)"
  expect "$1: what a layer removed is gone" "new" "$(q /bin/ls /dir || complaint)"
  [ "$(fetched "$1")" -lt 6000000 ] && pass "$1: little was fetched for it ($(fetched "$1") bytes)" || fail "$1: $(fetched "$1") bytes were fetched"
  expect "$1: a container writes" "lower more" "$(q /bin/sh -c 'echo more >>/etc/file; cat /etc/file' | tr '\n' ' ' | sed 's/ $//')"
  expect "$1: the rest is there when it is read" "$(sha256sum <"$scratch/context/below/unread")" "$(q /bin/cat /unread | sha256sum)"
  p push -q --tls-verify=false "$name" "docker://127.0.0.1:$port/team/again:$1" || fail "$1: push: $(complaint)"
  # Packed anew by podman, as it packs its own.
  expect "$1: what podman pushes has the same layers" "$(diff_ids "$name")" "$(diff_ids "127.0.0.1:$port/team/again:$1")"
  p rmi "$name" >/dev/null || fail "$1: rmi: $(complaint)"
  expect "$1: and removing" "" "$(cat "$scratch/podman.err")"
}

mkdir "$als"
if mkdir -p "$scratch/o/l" "$scratch/o/u" "$scratch/o/w" "$scratch/o/m" && mount -t tmpfs none "$scratch/o/u" && mkdir "$scratch/o/u/u" "$scratch/o/u/w" \
  && mount -t overlay overlay -o "lowerdir=$scratch/o/l,upperdir=$scratch/o/u/u,workdir=$scratch/o/u/w" "$scratch/o/m" 2>/dev/null; then
  umount "$scratch/o/m"
  say "on the kernel's overlay"
  offer kernel
  configure "$scratch/kernel-home"
  sed -i '/mount_program/d' "$scratch/kernel-home/conf/storage.conf"
  trial kernel "$scratch/kernel-home"
  umount "$als"
  wait "$server" && pass "unmounted, it ends" || fail "the layer store: $(cat "$scratch/als.err")"
fi

say "with our daemon"
offer daemon
stranger() { (cd / && setpriv --reuid=65534 --regid=65534 --clear-groups "$@"); }
if stranger test -x "$scratch"; then
  # The name is known by then, and so are its layers.
  image=$als/$(printf %s "$name" | base64 -w0)
  layer=$(ls "$image" | head -1)
  test -e "$image/$layer/diff" -a -n "$layer" || fail "the owner does not see the layers"
  for path in "$als" "$image" "$image/$layer/diff" "$image/$layer/blob" "$als/$(printf %s "127.0.0.1:$port/team/app:2" | base64 -w0)"; do
    said=$(stranger ls "$path" 2>&1) && fail "another user sees $path: $said" || case $said in *"Permission denied"*) ;; *) fail "another user and $path: $said" ;; esac
  done
  grep -q "team/app:2" "$scratch/als.err" && fail "another user has registries asked" || pass "other users neither see images nor have registries asked"
fi
configure "$scratch/daemon-home"
trial daemon "$scratch/daemon-home"
expect "an image that nobody knows is pulled as ever" "125" "$(in_store plain "$scratch/daemon-home" podman pull -q --tls-verify=false "127.0.0.1:$port/team/none:1" >/dev/null 2>&1 || echo $?)"

say "beside a registry that does not answer"
in_ours daemon copy -q "oci:$scratch/layout" localhost/again:1
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(100); print(s.getsockname()[1], flush=True); time.sleep(1e6)' >"$scratch/silent" & silent=$!
children="$children $silent"
wait_until test -s "$scratch/silent"
silent_port=$(cat "$scratch/silent")
waiting=
for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do # more than libfuse has threads by itself
  ls "$als/$(printf %s "127.0.0.1:$silent_port/x$number:1" | base64 -w0)" >/dev/null 2>&1 & waiting="$waiting $!"
done
wait_until pgrep -f -- "--describe 127.0.0.1:$silent_port/" >/dev/null
ls "$als/$(printf %s localhost/again:1 | base64 -w0)" >/dev/null && pass "another image is found meanwhile" || fail "another image: $(cat "$scratch/als.err")"
for one in $waiting; do kill -0 "$one" 2>/dev/null || fail "the lookup $one did not wait"; done
kill "$silent"
for one in $waiting; do wait "$one" || true; done

umount "$als"
if command -v useradd >/dev/null && setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Ur true 2>/dev/null; then
  make_users
  without_root() { # STORE MOUNT-PROGRAM("" for the kernel's overlay)
    say "without root: $1"
    configure "$scratch/$1-home" "$2"
    [ -n "$2" ] || sed -i '/mount_program/d' "$scratch/$1-home/conf/storage.conf"
    mkdir -p "$scratch/store-$1" "$scratch/cache-$1"
    chown -R "$ranged_user" "$scratch/$1-home" "$scratch/store-$1" "$scratch/cache-$1" "$als"
    offer "$1" ranged "$scratch/$1-home"
    trial "$1" "$scratch/$1-home" ranged
    in_store ranged "$scratch/$1-home" podman unshare umount "$als"
    wait "$server" && pass "$1: unmounted, it ends" || fail "$1: the layer store: $(cat "$scratch/podman.err")"
    nothing_stays ranged "$scratch/$1-home"
  }
  without_root rootless-daemon "$daemon"
  without_root rootless-kernel ""
  chown root "$als"
fi

say "begun anew, with the registry gone"
offer daemon
in_store plain "$scratch/daemon-home" podman pull -q --tls-verify=false "$name" >/dev/null || fail "pull: $(complaint)"
in_store plain "$scratch/daemon-home" podman run --rm --network=none "$name" >/dev/null || fail "run: $(complaint)"
kill "$server"
wait "$server" || fail "SIGTERM: $(cat "$scratch/als.err")"
mountpoint -q "$als" && fail "it is still mounted" || pass "a signal unmounts it"
kill "$registry"
offer daemon
expect "podman's images go on" "lower" "$(in_store plain "$scratch/daemon-home" podman run --rm --network=none "$name" || complaint)"
umount "$als"
finish
