#!/bin/sh
# podman and buildah at work on our daemon: a pull from a registry, a container that lives while others act on it (exec, cp, volumes),
# four at once, user namespaces with other maps than the image was stored with, and buildah's own containers; as root and rootless.
#
# usage: podman_containers_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools podman buildah busybox setpriv runc docker-registry
. "$here/podman_lib.sh"
sample_image

start_registry() { # on a port of its own, for as long as the script runs
  port=$((20000 + $$ % 20000))
  cat >"$scratch/registry.yml" <<C
version: 0.1
storage: {filesystem: {rootdirectory: $scratch/registry}}
http: {addr: 127.0.0.1:$port}
C
  docker-registry serve "$scratch/registry.yml" >"$scratch/registry.log" 2>&1 &
  registry=$!
  trap 'kill $registry 2>/dev/null || true; cleanup' EXIT
  while ! grep -q "listening on" "$scratch/registry.log"; do kill -0 $registry 2>/dev/null || skip "docker-registry does not start: $(tail -n 1 "$scratch/registry.log")"; sleep 0.05; done
  image=127.0.0.1:$port/sample:latest
}

trial() { # WHO HOME
  who=$1 home=$2
  p() { in_store "$who" "$home" podman "$@"; }
  q() { p run --rm --network=none "$@"; }
  p pull -q --tls-verify=false "$image" >/dev/null || { fail "$who: pull: $(complaint)"; return; }
  expect "$who: what was pulled runs" "lower" "$(q "$image" cat /etc/file || complaint)"

  mkdir -p "$home/volume"; echo outside >"$home/volume/f"; chmod -R a+rwX "$home/volume"
  p run -d --network=none --name live -v "$home/volume:/v" -v named:/n "$image" sleep 1000 >/dev/null || { fail "$who: run -d: $(complaint)"; return; }
  expect "$who: exec sees the volumes" "outside" "$(p exec live sh -c 'cat /v/f; echo inside >/v/g; echo n >/n/f; echo changed >/etc/file' || complaint)"
  expect "$who: what it wrote into the volume" "inside" "$(cat "$home/volume/g" 2>&1)"
  p cp live:/etc/file "$home/volume/copied" || fail "$who: cp out: $(complaint)"
  expect "$who: cp out of it" "changed" "$(cat "$home/volume/copied" 2>&1)"
  p cp "$home/volume/f" live:/etc/put || fail "$who: cp in: $(complaint)"
  expect "$who: cp into it" "outside" "$(p exec live cat /etc/put || complaint)"
  expect "$who: diff of a running one" "A /etc/put C /etc/file" "$(p diff live | grep -E '/etc/(put|file)' | sort | tr '\n' ' ' | sed 's/ $//')"

  for i in 1 2 3 4; do q "$image" sh -c "for n in \$(seq 200); do echo $i >/tmp/\$n; done; cat /tmp/* | wc -l" >"$scratch/$who.$i" & eval "job$i=$!"; done
  for i in 1 2 3 4; do eval "wait \$job$i" || true; expect "$who: number $i of four at once" 200 "$(cat "$scratch/$who.$i")"; done

  # Not as root: podman 4.3 maps the layers by an idmapped mount and tells the mount program to map them too, whichever it is.
  if [ "$who" = ranged ]; then
    expect "$who: keep-id shows the caller and writes as him" "$(id -u "$ranged_user") 0:0 $(id -u "$ranged_user")" "$(q --userns=keep-id "$image" sh -c 'touch /tmp/x; echo $(id -u) $(stat -c %u:%g /etc/file) $(stat -c %u /tmp/x)' || complaint)"
    expect "$who: auto gives a range of its own and no image is chowned" "0:0 0:0" "$(q --userns=auto:size=2048 "$image" sh -c 'echo x >/etc/new; echo $(stat -c %u:%g /etc/file) $(stat -c %u:%g /etc/new)' || complaint)"
  fi
  p rm -f -t 0 live >/dev/null || fail "$who: rm: $(complaint)"

  b() { in_store "$who" "$home" buildah "$@"; }
  working=$(b from --pull-never "$image") || fail "$who: buildah from: $(complaint)"
  b run "$working" -- sh -c 'echo b >/etc/buildah; rm /etc/file' || fail "$who: buildah run: $(complaint)"
  b copy -q "$working" "$home/volume/f" /etc/copied >/dev/null || fail "$who: buildah copy: $(complaint)"
  b commit -q "$working" by-buildah >/dev/null || fail "$who: buildah commit: $(complaint)"
  b rm "$working" >/dev/null || fail "$who: buildah rm: $(complaint)"
  expect "$who: what buildah made" "b outside" "$(q by-buildah sh -c 'cat /etc/buildah /etc/copied; test -e /etc/file && echo file' | tr '\n' ' ' | sed 's/ $//')"

  p rm -af >/dev/null || true
  p volume rm -af >/dev/null || true
  p rmi -af >/dev/null || fail "$who: rmi: $(complaint)"
  nothing_stays "$who" "$home"
}

start_registry
store_config "$scratch/root-store"
in_store plain "$scratch/root-store" podman import "$scratch/root.tar" "$image" >/dev/null || fail "import: $(complaint)"
in_store plain "$scratch/root-store" podman push -q --tls-verify=false "$image" || skip "the local registry takes no image: $(complaint)"
in_store plain "$scratch/root-store" podman rmi -af >/dev/null
trial plain "$scratch/root-store"
make_users
home=$scratch/home-$ranged_user
store_config "$home"; chown -R "$ranged_user:" "$home"
trial ranged "$home"
no_daemon_stays
finish
