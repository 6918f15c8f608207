#!/bin/sh
# The options of docker build and podman build that change what a build sees or makes, each by what comes of it; those that change nothing here, and those
# that are refused. Needs no network; RUN steps need busybox.
#
# usage: build_options_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3

export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir -p "$scratch/base" "$scratch/ctx"
busybox_in "$scratch/base" sh cat echo touch id grep mount chroot
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
cd "$scratch"
echo one >ctx/one.txt
echo two >ctx/two.txt
printf '*.txt\n' >ctx/.dockerignore
mkdir -p packages && echo kept >packages/p && echo conf >file.conf
# A base with variables and labels of its own.
printf 'FROM base\nENV OLD=1 GONE=1\nLABEL old=1 gone=1\n' >Dockerfile
acetate build --build-context base=base.tar -t base-with:1 ctx -f Dockerfile >log 2>&1 || fail "the base: $(tail -n 3 log)"

# build OPTION... <<DOCKERFILE: the image's configuration in ./config
build() {
  cat >Dockerfile
  rm -rf out
  acetate build --build-context base="$scratch/base.tar" -f Dockerfile -o type=oci,dest=out "$@" ctx >log 2>&1 || { fail "build $*: $(tail -n 5 log)"; return; }
  python3 - >config <<'P'
import json
blob = lambda d: json.load(open('out/blobs/' + d['digest'].replace(':', '/')))
manifest = blob(json.load(open('out/index.json'))['manifests'][0])
c = blob(manifest['config'])
c['layers'] = len(manifest['layers'])
print('\n'.join(sorted(c['config'].get('Env', []))))
print(' '.join(f'{k}={v}' for k, v in sorted(c['config'].get('Labels', {}).items())))
print(c['layers'], 'layers')
P
}
said() { sed -n 's/^#[0-9]* [0-9.]* //p' log; }

say "what is read"
printf 'two.txt\n' >other-ignore
build --ignorefile other-ignore <<'D'
FROM scratch
COPY . /
D
expect "--ignorefile stands for the context's own" "one.txt" "$(python3 "$here/oci_tree.py" out one.txt two.txt | sed -n 's/^f .* \(.*\.txt\) .*/\1/p')"
expect_failure "and must be there" 1 'reading no-such-file' acetate build --ignorefile no-such-file ctx -f Dockerfile
printf '# a comment\n\nA=file\n  B=file too\r\nFROM_HERE\n' >args
FROM_HERE=env build --build-arg-file args --build-arg A=line <<'D'
FROM base
ARG A
ARG B
ARG FROM_HERE
RUN echo "<$A> <$B> <$FROM_HERE>"
D
expect "--build-arg-file gives arguments, --build-arg others" "<line> <file too> <env>" "$(said | grep '^<')"
expect_failure "a file of arguments that is none" 1 '--build-arg-file none' acetate build --build-arg-file none ctx -f Dockerfile

say "what a RUN sees"
build -v "$scratch/packages:/packages" --volume ./file.conf:/etc/file.conf:ro <<'D'
FROM base
RUN cat /packages/p /etc/file.conf && echo written >/packages/new && ! echo x >/etc/file.conf
RUN [ "$(cat /packages/new)" = written ]
D
expect "--volume shows what is ours, read-only where it is asked for" "kept conf" "$(said | grep -v directory | grep -E 'kept|conf$' | paste -sd' ')"
expect "what is written there is ours" written "$(cat packages/new)"
expect "and no layer has it, nor a place for it" "- packages
- etc/file.conf" "$(python3 "$here/oci_tree.py" out packages etc/file.conf)"
expect_failure "a volume by its name" 1 'a build has no volumes with names' acetate build -v name:/x ctx -f Dockerfile
expect_failure "a volume that is not there" 1 'no-such-dir' acetate build --build-context base=base.tar -v "$scratch/no-such-dir:/x" ctx -f Dockerfile --no-cache
build --dns 10.1.2.3 --dns fd00::1 --add-host db:10.0.0.1 <<'D'
FROM base
RUN cat /etc/resolv.conf /etc/hosts
D
expect "--dns names the servers" "nameserver 10.1.2.3 nameserver fd00::1" "$(said | grep ^nameserver | paste -sd' ')"
expect_failure "a server by its name" 1 '--dns wants the address' acetate build --dns ns.example ctx -f Dockerfile
build --cap-drop ALL <<'D'
FROM base
RUN grep CapEff /proc/self/status
D
expect_match "--cap-drop takes capabilities away" 'CapEff:.*0000000000000000' "$(said)"
build --cap-drop ALL --cap-add CAP_SYS_CHROOT <<'D'
FROM base
RUN grep CapEff /proc/self/status
D
expect_match "--cap-add gives one" 'CapEff:.*0000000000040000' "$(said)"
expect_failure "a capability that is none" 1 'there is no capability "fly"' acetate build --cap-add fly ctx -f Dockerfile

say "what the image says"
EXPORTED=yes build --build-context old=docker-image://base-with:1 --env NEW=2 --env OLD=2 --env EXPORTED --env MADE=option --unsetenv GONE <<'D'
FROM old AS first
ENV MADE=file
RUN [ "$NEW $MADE $GONE" = "2 file 1" ]
FROM first
D
expect "--env begins with, --unsetenv ends without" "EXPORTED=yes MADE=file NEW=2 OLD=2" "$(grep = config | grep -v '^PATH\|gone' | paste -sd' ')"
expect "labels of the base are the image's" "gone=1 old=1" "$(grep gone config)"
build --build-context old=docker-image://base-with:1 --unsetlabel gone <<'D'
FROM old
LABEL own=1
D
expect "but for those of --unsetlabel" "old=1 own=1" "$(grep own config)"
build --build-context old=docker-image://base-with:1 --inherit-labels=false --label given=1 <<'D'
FROM old AS first
LABEL first=1
FROM first
LABEL own=1
D
expect "with --inherit-labels=false none is inherited" "given=1 own=1" "$(grep own config)"

say "what is told"
printf 'FROM base\nRUN echo told\n' >Dockerfile
rm -rf out log.file
acetate build --build-context base=base.tar --no-cache --logfile log.file -o type=oci,dest=out -f Dockerfile ctx >log 2>&1
expect "--logfile leaves nothing to be seen" "" "$(cat log)"
expect_match "and has it all" ' told$' "$(cat log.file)"
expect_failure "a build that fails says so in it" 1 '^$' sh -c 'printf "FROM base\nRUN false\n" | acetate build --build-context base=base.tar --logfile log.file -f - ctx'
expect_match "in its words" 'exit code: 1' "$(cat log.file)"
expect_failure "a place that is none" 1 '--logfile no/such/place' acetate build --logfile no/such/place -f Dockerfile ctx

say "what changes nothing, or is not to be had"
build --layers --rm --force-rm --compress --isolation chroot --rewrite-timestamp --skip-unused-stages --security-opt label=disable --sbom=false --identity-label=false -D --disable-content-trust --format docker --layers=true --rm=false <<'D'
FROM base
RUN touch /a
RUN touch /b
D
expect "what changes nothing is taken" "3 layers" "$(tail -n 1 config)"
build --layers=false <<'D'
FROM base
RUN touch /a
RUN touch /b
D
expect "--layers=false makes one of them" "2 layers" "$(tail -n 1 config)"
build --cache-ttl 0 <<'D'
FROM base
RUN touch /a
D
expect "--cache-ttl=0 is --no-cache" "" "$(grep CACHED log || true)"
refused() {
  regex=$1
  shift
  expect_failure "$* is refused" 1 "$regex" acetate build "$@" ctx -f Dockerfile
  expect "in one line" 1 "$(wc -l <failure.out)"
}
refused '--memory is not to be had: .*MemoryMax' --memory 1g
refused '--memory is not to be had' -m 1g
refused '--cgroup-parent is not to be had' --cgroup-parent /x
refused '--cpu-shares is not to be had' -c 5
refused '--builder is not to be had' --builder other
refused '--security-opt seccomp=unconfined is not to be had' --security-opt seccomp=unconfined
refused '--cache-ttl 1h is not to be had' --cache-ttl 1h
refused '--skip-unused-stages=false is not to be had' --skip-unused-stages=false
refused '--sbom is not to be had' --sbom=true
expect_failure "an isolation that nobody knows" 2 'isolation' acetate build --isolation vm ctx -f Dockerfile
finish
