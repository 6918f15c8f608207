#!/bin/sh
# What other programs read of us is what the specifications' own JSON schemas say it is: the config.json that runtimes are given, as root, with a
# subordinate range and with one id, and the documents of images as build, commit, save, copy, push and pull write them.
#
# usage: schema_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv python3
need_runtime
schemas=${OCI_SCHEMAS:-/usr/share/gocode/src/github.com/opencontainers}
for specification in runtime-spec image-spec; do
  [ -d "$schemas/$specification/schema" ] || skip "the schemas of $specification are not installed (golang-github-opencontainers-specs-dev and -image-spec-dev have them)"
done
python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"

device=acetate$$.test/thing=0
specification=/etc/cdi/acetate-schema-$$.json
made_cdi=
served=
[ -d /etc/cdi ] || { mkdir /etc/cdi; made_cdi=yes; }
trap '[ -z "$served" ] || kill "$served" 2>/dev/null || true; rm -f "$specification"; [ -z "$made_cdi" ] || rmdir /etc/cdi 2>/dev/null || true; cleanup' EXIT
cat >"$specification" <<C
{"cdiVersion": "0.7.0", "kind": "acetate$$.test/thing", "devices": [{"name": "0", "containerEdits": {
  "env": ["THING=0"], "deviceNodes": [{"path": "/dev/thing", "hostPath": "/dev/full"}], "additionalGids": [44],
  "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/thing", "options": ["ro", "bind"]}],
  "hooks": [{"hookName": "createContainer", "path": "/bin/true", "args": ["true", "x"], "env": ["A=b"], "timeout": 60}]}}]}
C
chmod 644 "$specification"

mkdir -p "$scratch/base/etc" "$scratch/data"
busybox_in "$scratch/base" sh cat echo id ls touch true
printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\napp:x:1001:\nstaff:x:50:app\n' >"$scratch/base/etc/group"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
chmod -R a+rX "$scratch/base" "$scratch/base.tar" "$scratch/data"
base=$scratch/base.tar

# The real runtime, of which stays behind what it was given.
mkdir -m 1777 "$scratch/given"
cat >"$scratch/runtime" <<C
#!/bin/sh
case " \$* " in *" run "*) cp config.json "\$(mktemp "$scratch/given/XXXXXXXX")" ;; esac
exec $(command -v runc || command -v crun) "\$@"
C
chmod 755 "$scratch/runtime"
# given WHAT REGEX(of what this is about) COMMAND...: every config.json that the command gives to a runtime
given() {
  what=$1 wanted=$2
  shift 2
  rm -f "$scratch/given"/*
  got=0
  "$@" >"$scratch/out" 2>&1 </dev/null || got=$?
  if [ "$got" != 0 ]; then fail "$what: exit code $got: $(tail -n 5 "$scratch/out")"; return; fi
  if ! cat "$scratch/given"/* 2>/dev/null | tr -d ' \n' | grep -Eq -- "$wanted"; then fail "$what: no runtime was given <$wanted>"; return; fi
  expect_match "$what" '^[0-9]+ config.json$' "$(python3 "$here/schema.py" config "$scratch/given"/* 2>&1)"
}

suite() { # AS NAME
  name=$2
  on() { if [ "${1:-}" = build ]; then "$as" env ACETATE_RUNTIME="$scratch/runtime" acetate "$@"; else "$as" env ACETATE_RUNTIME="$scratch/runtime" acetate run "$@" "$base" true; fi; }
  as=$1
  say "$name"
  given "$name: plain" '"args":\["true"\]' on
  given "$name: the root is read-only" '"readonly":true' on --read-only
  given "$name: a capability more" '"CAP_SYS_ADMIN"' on --cap-add SYS_ADMIN
  given "$name: none" '"effective":\[\]' on --cap-drop ALL
  given "$name: limits" '"RLIMIT_NOFILE","soft":64,"hard":128' on --ulimit nofile=64:128 --ulimit core=-1
  given "$name: a device" '"/dev/fuse"' on --device /dev/fuse:/dev/fuse:rw
  given "$name: a device by CDI" '"createContainer":\[\{"path":"/bin/true","args":\["true","x"\],"env":\["A=b"\],"timeout":60' on --device "$device"
  given "$name: memory, processors and processes" '"args":\["true"\]' on --memory 512m --cpus 0.5 --pids-limit 100
  given "$name: more limits" '"args":\["true"\]' on --memory 512m --memory-swap -1 --memory-reservation 64m --cpu-quota 50000 --cpu-period 100000 --cpu-shares 512 --cpuset-cpus 0
  given "$name: settings of its network, and of its memory" '"sysctl":\{"net.ipv4.ip_unprivileged_port_start":"0","net.ipv4.ping_group_range":"0[0-9]*","net.ipv4.ip_default_ttl":"44"' on --network none --sysctl net.ipv4.ip_default_ttl=44
  given "$name: a mask, a score and an annotation" '"umask":63.*"oomScoreAdj":500.*"annotations":\{"who":"me"' on --umask 077 --oom-score-adj 500 --annotation who=me --device-cgroup-rule "c 1:* r"
  given "$name: the machine's names" '"type":"ipc"' on --uts host --ipc none
  given "$name: init" 'init' on --init
  given "$name: a terminal" '"terminal":true.*"consoleSize":\{"height":30,"width":100' on_a_terminal "$as"
  given "$name: volumes" '"destination":"/data"' on -v "$scratch/data:/data:ro,nosuid" -v kept:/kept -v /inside --tmpfs /t:size=64k,mode=700 --mount "type=bind,source=$scratch/data,target=/other"
  given "$name: another image" '"destination":"/image"' on --mount "type=image,source=$base,target=/image"
  given "$name: no network" '"type":"network"' on --network none --hostname box --add-host box:10.0.0.9 --dns 9.9.9.9
  given "$name: privileged" '"maskedPaths":\[\]' on --privileged
  given "$name: system calls unfiltered" '"noNewPrivileges":true' on --security-opt seccomp=unconfined --security-opt no-new-privileges --security-opt unmask=ALL
  given "$name: masked" '"/etc/group"' on --security-opt mask=/etc/group --pid host
  # With one id our own launcher does that, whichever runtime was asked for.
  [ "$as" = single ] || given "$name: the same user" '"cwd":"/new"' on --userns keep-id --shm-size 1m --workdir /new --env 'A=b c'
  given "$name: annotations" '"annotations":\{"who":"me"' on --label who=me
  printf 'FROM base\nRUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/c true\nRUN --network=none --mount=type=secret,id=s cat /run/secrets/s\nRUN --security=insecure true\n' >"$scratch/Dockerfile"
  chmod 644 "$scratch/Dockerfile"
  given "$name: the steps of a build" '"/run/secrets/s"' on build -q --no-cache --allow security.insecure --secret "id=s,src=$scratch/Dockerfile" --build-context "base=$base" -o type=cacheonly \
    -f "$scratch/Dockerfile" "$scratch/data"
}
on_a_terminal() { # AS
  "$1" env ACETATE_RUNTIME="$scratch/runtime" python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' \
    sh -c 'stty rows 30 cols 100; exec "$@"' sh acetate run -t "$base" true
}

HOME=$scratch/home-root
export HOME
mkdir "$HOME"
make_users
plain() { (cd "$HOME" && "$@"); }
suite plain "root"
given "root: a user of the image" '"uid":1000,"gid":1001,"additionalGids":\[1001,50\]' plain env ACETATE_RUNTIME="$scratch/runtime" acetate run -u app "$base" true
given "a user with subordinate ids: a user of the image" '"uid":1000,"gid":1001,"additionalGids":\[1001,50\]' ranged env ACETATE_RUNTIME="$scratch/runtime" acetate run -u app "$base" true
suite ranged "a user with subordinate ids"
suite single "a user without"
expect_match "what our own tests hold config.json to" '^[0-9]+ config.json$' "$(python3 "$here/schema.py" config "$here"/../data/sandbox/*/config.json 2>&1)"

say "images"
cd "$scratch"
export ACETATE_ROOT="$scratch/store"
# images WHAT REGEX(which documents there are) LAYOUT
images() { expect_match "$1" "$2" "$(python3 "$here/schema.py" layout "$3" 2>&1)"; }
mkdir context
cp base/bin/busybox context/
cat >context/Dockerfile <<'C'
FROM base AS all
ENV A="b c"
LABEL who=me
EXPOSE 80 53/udp
VOLUME /data
RUN echo x >/x
WORKDIR /work
USER app:50
STOPSIGNAL TERM
SHELL ["/bin/sh", "-c"]
HEALTHCHECK --interval=5s CMD true
ONBUILD RUN true
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "true"]
FROM scratch AS bare
COPY busybox /bin/
C
build() { acetate build -q --build-context "base=$base" "$@" context >"$scratch/out" 2>&1 || fail "build $*: $(tail -n 5 "$scratch/out")"; }
for packed in gzip zstd estargz none; do
  build --target all -o "type=oci,dest=$packed,compression=$packed"
  images "build, $packed" '^1 config, 1 index, 1 manifest, 1 oci-layout$' $packed
done
build --target bare --annotation org.opencontainers.image.title=bare -o type=oci,dest=bare.tar -o type=docker,dest=bare-docker.tar
images "build, nothing but files, as an archive" '^1 config, 1 index, 1 manifest, 1 oci-layout$' bare.tar
images "build, docker's archive" '^1 config, 1 index, 1 manifest, 1 oci-layout$' bare-docker.tar
build --target bare --platform linux/amd64,linux/arm64/v8,linux/arm/v7 -t many -o type=oci,dest=many
images "build, of several platforms" '^3 config, 2 index, 3 manifest, 1 oci-layout$' many
build --target all --provenance=mode=min -o type=oci,dest=told
images "build, with provenance" '^1 config, 2 index, 2 manifest, 1 oci-layout$' told
build --target all --cache-to type=inline -o type=oci,dest=inline
images "build, with its cache inside" '^1 config, 1 index, 1 manifest, 1 oci-layout$' inline
build --target all -t localhost/app:1
acetate run -q --keep kept --entrypoint '' -u root app:1 touch /new
acetate commit -q -m why -a me -c 'CMD ["a"]' -c 'EXPOSE 81' kept localhost/committed:1 >/dev/null
acetate commit -q -o committed kept >/dev/null
images "commit, beside the store" '^1 config, 1 index, 1 manifest, 1 oci-layout$' committed
for form in docker-archive oci-archive oci-dir; do
  acetate save -q --format $form -o saved-$form app:1 committed:1
  images "save, $form" '^2 config, 1 index, 2 manifest, 1 oci-layout$' saved-$form
done
acetate copy -q app:1 oci:copied:v1
images "copy" '^1 config, 1 index, 1 manifest, 1 oci-layout$' copied
acetate load -q -i many
images "the store" '^[0-9]+ config, [0-9]+ index, [0-9]+ manifest, 1 oci-layout$' "$ACETATE_ROOT/images"

mkfifo address
acetate serve --listen 127.0.0.1:0 >address 2>serve.log & served=$!
read -r said <address
registry=localhost:${said##*:}
acetate push -q --index app:1 "$registry/app:1" >/dev/null
acetate push -q --all "$(acetate images -q --filter reference=many | head -n 1)" "$registry/many:1" >/dev/null
build --target all --cache-to "type=registry,ref=$registry/cache:1" -o type=cacheonly
images "a store that was pushed to" '^[0-9]+ config, [0-9]+ index, [0-9]+ manifest, 1 oci-layout$' "$ACETATE_ROOT/images"
for name in app many; do
  ACETATE_ROOT="$scratch/pulled" acetate pull -q --all-platforms "$registry/$name:1" >/dev/null
done
images "a store that pulled" '^4 config, 2 index, 4 manifest, 1 oci-layout$' "$scratch/pulled/images"

say "what is broken is refused"
# broken WHAT REGEX PYTHON(on the document d) KIND FILE ARGUMENT: FILE is changed and put back
broken() {
  cp "$5" "$scratch/whole"
  python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); exec(sys.argv[2]); json.dump(d, open(sys.argv[1], "w"))' "$5" "$3"
  expect_failure "$1" 1 "$2" python3 "$here/schema.py" "$4" "$6"
  cp "$scratch/whole" "$5"
}
cp "$here/../data/sandbox/build_step/config.json" config.json
bundle() { broken "$1" "$2" "$3" config config.json config.json; }
bundle "without a version" "'ociVersion' is a required property" 'del d["ociVersion"]'
bundle "without a working directory" "process: 'cwd' is a required property" 'del d["process"]["cwd"]'
bundle "a word where true or false belongs" "root/readonly: 'yes' is not of type 'boolean'" 'd["root"]["readonly"] = "yes"'
bundle "a limit that is none" "rlimits/0/type: 'nofile' does not match" 'd["process"]["rlimits"] = [{"type": "nofile", "soft": 1, "hard": 1}]'
bundle "a namespace there is not" "linux/namespaces/0: .*is not valid" 'd["linux"]["namespaces"][0]["type"] = "mounts"'
bundle "a member with a slip" "mounts/0: the specification has no 'option' here" 'd["mounts"][0]["option"] = []'
blob() { python3 -c 'import json, sys; print("copied/blobs/" + json.load(open(sys.argv[1]))["manifests" if len(sys.argv) < 3 else sys.argv[2]][0]["digest"].replace(":", "/"))' "$@"; }
manifest=$(blob copied/index.json)
config=copied/blobs/$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["config"]["digest"].replace(":", "/"))' "$manifest")
laid() { broken "$1" "$2" "$3" layout "$4" copied; }
laid "a layout of another version" "imageLayoutVersion: '2.0.0' is not one of" 'd["imageLayoutVersion"] = "2.0.0"' copied/oci-layout
laid "an index without a size" "'size' is a required property" 'del d["manifests"][0]["size"]' copied/index.json
laid "a manifest without layers" "'layers' is a required property" 'del d["layers"]' "$manifest"
laid "a manifest that says it is another thing" "its mediaType is application/vnd.oci.image.index.v1" 'd["mediaType"] = "application/vnd.oci.image.index.v1+json"' "$manifest"
laid "a configuration without a root" "'rootfs' is a required property" 'del d["rootfs"]' "$config"
laid "a time that is none" "created: 'today' is not a 'date-time'" 'd["created"] = "today"' "$config"
finish
