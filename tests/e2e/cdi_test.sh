#!/bin/sh
# Devices by the Container Device Interface, as an administrator sets them up: a vendor's specification in /etc/cdi, in YAML, with a library that is
# mounted, a hook that makes links in the root as `nvidia-ctk hook create-symlinks` does and one that is run in the container; as root, as a user with
# subordinate ids and as one without, by an OCI runtime and by our own launcher, in run and in build.
#
# usage: cdi_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv python3
need_runtime

# Names of our own among what may be there.
vendor=acetate$$.test
specification=/etc/cdi/acetate-e2e-$$.yaml
made_cdi=
[ -d /etc/cdi ] || { mkdir /etc/cdi; made_cdi=yes; }
trap 'rm -f "$specification"; [ -z "$made_cdi" ] || rmdir /etc/cdi 2>/dev/null || true; cleanup' EXIT

mkdir -p "$scratch/base/etc" "$scratch/base/usr/lib" "$scratch/vendor"
busybox_in "$scratch/base" sh cat echo id ls readlink test head wc true
printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\n' >"$scratch/base/etc/group"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
base=$scratch/base.tar
echo "the driver" >"$scratch/vendor/libfake.so.535.1"
# The root is where the bundle's configuration says, which the state on the standard input leads to.
cat >"$scratch/vendor/fake-ctk" <<'END'
#!/usr/bin/env python3
import json, os, sys
state = json.load(sys.stdin)
root = json.load(open(state["bundle"] + "/config.json"))["root"]["path"]
command, *words = sys.argv[1:]
if command == "create-symlinks":
    for word in words:
        to, link = word.split("::")
        os.symlink(to, root + link)
elif command == "note":
    print(state["status"], *words, file=open(os.environ["NOTES"], "a"))
elif command == "fail":
    print("fake-ctk: no driver is loaded", file=sys.stderr)
    sys.exit(4)
END
chmod -R a+rX "$scratch/base" "$scratch/base.tar" "$scratch/vendor"
chmod 755 "$scratch/vendor/fake-ctk"
mkdir -m 1777 "$scratch/notes"

cat >"$specification" <<END
---
cdiVersion: 0.7.0
kind: $vendor/gpu
containerEdits:
  env:
  - FAKE_VISIBLE_DEVICES=void
  deviceNodes:
  - path: /dev/fakectl
    hostPath: /dev/zero
    fileMode: 0666
    permissions: rw
  mounts:
  - hostPath: $scratch/vendor/libfake.so.535.1
    containerPath: /usr/lib/libfake.so.535.1
    options:
    - ro
    - nosuid
    - nodev
    - bind
  hooks:
  - hookName: createContainer
    path: $scratch/vendor/fake-ctk
    args:
    - fake-ctk
    - create-symlinks
    - libfake.so.535.1::/usr/lib/libfake.so.1
    - libfake.so.1::/usr/lib/libfake.so
  - hookName: poststop
    path: $scratch/vendor/fake-ctk
    args: [fake-ctk, note, after]
    env:
    - PATH=/usr/local/bin:/usr/bin:/bin
    - NOTES=$scratch/notes/after
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - {path: /dev/fake0, hostPath: /dev/full}
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/fake0
      hostPath: /dev/full
    hooks:
    - hookName: startContainer
      path: /bin/sh
      args:
      - sh
      - -c
      - cat /usr/lib/libfake.so >/etc/ld.so.cache
      timeout: 60
- name: groups
  containerEdits:
    additionalGids: [44]
- name: broken
  containerEdits:
    hooks:
    - {hookName: createContainer, path: $scratch/vendor/fake-ctk, args: [fake-ctk, fail]}
END
chmod 644 "$specification"

suite() { # AS NAME
  as=$1 name=$2
  say "$name"
  rm -f "$scratch/notes/after"
  expect "$name: a library of the driver is found by its links" "libfake.so.1 libfake.so.535.1 the driver" \
    "$($as acetate run --device "$vendor/gpu=0" "$base" sh -c 'echo $(readlink /usr/lib/libfake.so) $(readlink /usr/lib/libfake.so.1) $(cat /usr/lib/libfake.so)' 2>&1)"
  expect "$name: a hook was run in the container before the command" "the driver" "$($as acetate run --device "$vendor/gpu=all" "$base" cat /etc/ld.so.cache 2>&1)"
  expect "$name: and one after it" "stopped after
stopped after" "$(cat "$scratch/notes/after" 2>&1)"
  expect "$name: what else a device consists of" "void /dev/fake0 /dev/fakectl 4" \
    "$($as acetate run --device "$vendor/gpu=0" "$base" sh -c 'echo $FAKE_VISIBLE_DEVICES /dev/fake* $(head -c 4 /dev/fakectl | wc -c)' 2>&1)"
  # crun 1.8 makes the root read-only before it runs hooks, and keeps what they say to itself.
  [ "$ACETATE_RUNTIME" = crun ] || expect "$name: in a root that is not writable to the command too" "the driver no" \
    "$($as acetate run --read-only --tmpfs /etc --device "$vendor/gpu=0" "$base" sh -c 'echo $(cat /usr/lib/libfake.so) $(touch /x 2>/dev/null && echo written || echo no)' 2>&1)"
  said="fake-ctk: no driver is loaded"
  [ "$ACETATE_RUNTIME" != crun ] || said="hook|executable path"
  expect_failure "$name: a hook that fails is told with its words" any "$said" $as acetate run --device "$vendor/gpu=broken" "$base" echo started
  [ "$ACETATE_RUNTIME" = crun ] || expect "$name: and its exit code is ours" 125 "$got"
  expect "$name: and nothing is started" "" "$(grep started "$scratch/failure.out" || true)"
  printf 'FROM base\nRUN --device=%s/gpu=0 cat /usr/lib/libfake.so >/found\nFROM scratch\nCOPY --from=0 /found /\n' "$vendor" >"$scratch/Dockerfile"
  chmod 644 "$scratch/Dockerfile"
  $as acetate build -q --allow "device=$vendor/gpu=0" --build-context "base=$base" -f "$scratch/Dockerfile" -o "type=tar,dest=-" "$scratch/vendor" >"$scratch/built.tar" 2>"$scratch/said" ||
    fail "$name: build: $(tail -n 5 "$scratch/said")"
  expect "$name: in a build too" "the driver" "$(tar -xOf "$scratch/built.tar" found 2>&1 || tar -xOf "$scratch/built.tar" ./found 2>&1)"
}

groups() { # AS NAME
  expect "$2: groups of a device are the command's" "1000 44" "$($1 acetate run --user app --device "$vendor/gpu=groups" "$base" id -G 2>&1)"
}

HOME=$scratch/home-root
export HOME
mkdir "$HOME"
make_users
plain() { (cd "$HOME" && "$@"); }
runtime=$(command -v runc >/dev/null && echo runc || echo crun)
for launcher in "$runtime" native; do
  ACETATE_RUNTIME=$launcher
  export ACETATE_RUNTIME
  as_root_by() { plain env ACETATE_RUNTIME="$ACETATE_RUNTIME" "$@"; }
  ranged_by() { ranged env ACETATE_RUNTIME="$ACETATE_RUNTIME" "$@"; }
  single_by() { single env ACETATE_RUNTIME="$ACETATE_RUNTIME" "$@"; }
  suite as_root_by "root, $launcher"
  groups as_root_by "root, $launcher"
  suite ranged_by "a user with subordinate ids, $launcher"
  groups ranged_by "a user with subordinate ids, $launcher"
  suite single_by "a user without, $launcher"
done

say "specifications that are not as they should be"
broken=/etc/cdi/acetate-e2e-$$-broken.yaml
trap 'rm -f "$specification" "$broken"; [ -z "$made_cdi" ] || rmdir /etc/cdi 2>/dev/null || true; cleanup' EXIT
printf 'cdiVersion: 0.6.0\nkind: [\n' >"$broken"
expect "a damaged one harms no other" "the driver" "$(plain acetate run --device "$vendor/gpu=0" "$base" cat /usr/lib/libfake.so 2>/dev/null)"
expect_match "and is told" "$broken cannot be used: line 3" "$(plain acetate run --device "$vendor/gpu=0" "$base" true 2>&1)"
expect_failure "so where it might have been the one" 125 "there is no CDI device $vendor/nic=a in /etc/cdi, /var/run/cdi.*$broken cannot be used" plain acetate run --device "$vendor/nic=a" "$base" true
printf 'cdiVersion: 9.0.0\nkind: %s/nic\ndevices: [{name: a, containerEdits: {env: [A=b]}}]\n' "$vendor" >"$broken"
expect_failure "one of a version to come" 125 "it is of version 9.0.0 of CDI" plain acetate run --device "$vendor/nic=a" "$base" true
printf 'cdiVersion: 1.0.0\nkind: %s/nic\ndevices: [{name: a, containerEdits: {hooks: [{hookName: createRuntime, path: hook}]}}]\n' "$vendor" >"$broken"
expect_failure "a hook that is nowhere" 125 "hooks\[0\].path: hook is not an absolute path" plain acetate run --device "$vendor/nic=a" "$base" true
finish
