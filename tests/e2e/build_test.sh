#!/bin/sh
# acetate build from end to end on a busybox base: three stages, cached when built again, only dependents run when a file
# changes, a failing RUN explained, a build killed in the middle, and other tools reading the result. Needs no network.
#
# usage: build_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools skopeo python3

export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/context/tree/sub"
cp "$busybox_program" "$scratch/base/bin/busybox"
for applet in sh cat echo ls rm mkdir ln chmod sleep id test tr; do ln -s busybox "$scratch/base/bin/$applet"; done
printf 'root:x:0:0:root:/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\nstaff:x:50:\n' >"$scratch/base/etc/group"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/context/base.tar" .
cd "$scratch"
echo one >context/one.txt
echo two >context/two.txt
echo deep >context/tree/sub/deep.txt
echo object >context/tree/x.o
ln -s sub/deep.txt context/tree/link
printf '**/*.o\nbase.tar\n' >context/.dockerignore
cat >context/Dockerfile <<'D'
# escape=\
ARG BASE=./base.tar
FROM ${BASE} AS first
COPY one.txt /in/one
RUN tr a-z A-Z </in/one >/made && \
    # a comment inside
    echo ran-first

FROM $BASE AS second
WORKDIR /desk
COPY two.txt .
RUN ["/bin/sh", "-c", "cat two.txt two.txt >twice; rm /bin/ls; echo ran-second"]

FROM $BASE
ARG WHO=nobody
ENV WHO=${WHO:-x} PATH=$PATH:/opt
COPY --from=first /made /from-first
COPY --from=second --chown=me:staff --chmod=u=rw,go= /desk/twice /from-second
COPY tree /tree
USER me
WORKDIR /home/me
EXPOSE 80 53/udp
CMD cat /from-first /from-second
D
build() { acetate build --progress plain "$@" context >"$scratch/log" 2>&1; }
log() { cat "$scratch/log"; }
# What steps wrote, without the lines that announce them.
ran() { sed -n 's/^#[0-9]* [0-9.]* \(ran-[a-z]*\)$/\1/p' "$scratch/log" | sort -u; }

say "three stages"
if build --explain --build-arg WHO=world -t greet -o "type=oci,dest=$scratch/first.tar"; then pass "the build succeeds"; else fail "the build succeeds"; log; fi
expect_match "steps are numbered and named" '^#[0-9]+ \[first 3/3\] RUN tr a-z A-Z' "$(log)"
expect_match "their output is shown" 'ran-second' "$(log)"
expect "skopeo reads the configuration" "[/bin/sh -c cat /from-first /from-second] /home/me me" \
  "$(skopeo inspect --config --format '{{.Config.Cmd}} {{.Config.WorkingDir}} {{.Config.User}}' "oci-archive:$scratch/first.tar:greet")"
skopeo copy -q "oci-archive:$scratch/first.tar:greet" "oci:$scratch/layout:greet"

say "questions"
printf '# tools are what is built with\nFROM base AS tools\n# LEVEL is a number\nARG LEVEL=2\nRUN --mount=type=secret,id=s,required x\nFROM tools\n' >Asked
expect "which stages there are" "TARGET    DESCRIPTION
tools     are what is built with
(default) " "$(acetate build --call=targets -f Asked context)"
expect "what may be given to a build" "BUILD ARG   VALUE   DESCRIPTION
LEVEL       3       is a number

SECRET   REQUIRED
s        true" "$(acetate build --call outline --build-arg LEVEL=3 -f Asked context)"
acetate build --call=outline,format=json -f Asked context >asked.json
expect "and for programs" "LEVEL 4 True" "$(python3 -c 'import json; o = json.load(open("asked.json")); print(o["args"][0]["name"], o["args"][0]["location"]["ranges"][0]["start"]["line"], o["secrets"][0]["required"])')"
printf 'FROM scratch AS Up\nMISTAKE\n' >Asked
expect_failure "a check for programs tells the mistake as well" 1 '"buildError"' acetate build --call=check,format=json -f Asked context
expect_match "what can be asked is told" 'frontend.outline +1.0.0 ' "$(acetate build --call=subrequests.describe context)"
expect "and for programs, with what an answer has in it" "frontend.lint rpc [] result.json result.txt result.statuscode
frontend.outline rpc ['target'] result.json result.txt
frontend.subrequests.describe rpc [] result.json result.txt
frontend.targets rpc [] result.json result.txt" "$(acetate build --call=subrequests.describe,format=json context | python3 -c '
import json, sys
for one in json.load(sys.stdin):
    print(one["name"], one["type"], [opt["name"] for opt in one["opts"]], *(part["name"] for part in one["metadata"]))')"
expect_failure "a question that is none" 1 'call knows build, check, outline, targets and subrequests.describe' acetate build --call=tragets -f Asked context

say "built again"
build --build-arg WHO=world -t greet -o "type=oci,dest=$scratch/second.tar"
expect "every step is cached" 9 "$(log | grep -c CACHED)"
expect "nothing is run" "" "$(ran)"
if cmp -s first.tar second.tar; then pass "the same archive, byte for byte"; else fail "the same archive, byte for byte"; fi
build --no-cache --build-arg WHO=world -t greet -o "type=oci,dest=$scratch/third.tar"
expect_match "--no-cache runs all" 'ran-first' "$(log)"
if cmp -s first.tar third.tar; then pass "and comes to the same bytes"; else fail "and comes to the same bytes"; fi

say "one file changed"
echo TWO >context/two.txt
build --explain --build-arg WHO=world -t greet -o "type=oci,dest=$scratch/fourth.tar"
expect "the stage that uses it is run, the other is not" "ran-second" "$(ran)"
expect_match "--explain says which file" 'not cached: .*two\.txt was .* is ' "$(log)"
touch context/one.txt
build --build-arg WHO=world -t greet -o "type=oci,dest=$scratch/fifth.tar"
expect "a new time alone changes nothing" "" "$(ran)"

say "what is in it"
if command -v umoci >/dev/null; then
  if [ "$(id -u)" = 0 ]; then umoci unpack --image "$scratch/layout:greet" "$scratch/bundle" >/dev/null 2>&1; else umoci unpack --rootless --image "$scratch/layout:greet" "$scratch/bundle" >/dev/null 2>&1; fi
  root=$scratch/bundle/rootfs
  expect "a file of another stage" ONE "$(cat "$root/from-first")"
  expect "chmod" 600 "$(stat -c %a "$root/from-second")"
  [ "$(id -u)" != 0 ] || expect "chown by name" 1000:50 "$(stat -c %u:%g "$root/from-second")"
  expect "a tree without what .dockerignore leaves out" "./link ./sub ./sub/deep.txt" "$(cd "$root/tree" && find . -mindepth 1 | sort | tr '\n' ' ' | sed 's/ $//')"
  [ "$(id -u)" != 0 ] || expect "WORKDIR belongs to USER" 1000 "$(stat -c %u "$root/home/me")"
  if [ -e "$root/bin/ls" ]; then pass "what another stage removed is still here"; else fail "what another stage removed is still here"; fi
else
  say "umoci is not installed: not unpacked"
fi

say "failures"
printf 'FROM ./base.tar\nRUN true\n\nRUN echo about to fail; \\\n  exit 7\n' >context/Failing
expect_failure "a failing RUN" 1 'failed to solve: process ".*echo about to fail; .*" did not complete successfully: exit code: 7' acetate build -f context/Failing context
expect_match "with the lines and what it wrote" '5 \|   exit 7' "$(cat "$scratch/failure.out")"
expect_match "and its last words" '^about to fail$' "$(cat "$scratch/failure.out")"
printf 'FROM ./base.tar\nCPOY a b\n' >context/Typo
expect_failure "a typo" 1 'dockerfile parse error on line 2: unknown instruction: CPOY \(did you mean COPY\?\)' acetate build -f context/Typo context
printf 'FROM ./base.tar\nCOPY none /\n' >context/Missing
expect_failure "a source that is not there" 1 'failed to calculate checksum of ref context: "/none": not found' acetate build -f context/Missing context
expect_failure "no such stage" 1 'target stage "frist" could not be found \(did you mean first\?\)' acetate build --target frist context

say "killed in the middle"
printf 'FROM ./base.tar\nRUN echo kept >/kept && echo ran-kept\nRUN echo started; sleep 1000\n' >context/Long
acetate build -f context/Long context >"$scratch/log" 2>&1 &
victim=$!
while ! grep -Eq '^#[0-9]+ [0-9.]+ started' "$scratch/log"; do kill -0 $victim 2>/dev/null || break; sleep 0.1; done
kill -9 $victim
wait $victim 2>/dev/null || true
printf 'FROM ./base.tar\nRUN echo kept >/kept && echo ran-kept\nRUN cat /kept\n' >context/Long
if build -f context/Long; then pass "the cache is good afterwards"; else fail "the cache is good afterwards"; log; fi
expect "and still has the step before" "" "$(ran)"

say "interrupted"
printf 'FROM ./base.tar\nRUN echo early >/early && echo ran-early\nRUN echo started; sleep 31%s\n' $$ >context/Long
# As a terminal does it: the signal goes to all of the group.
code=0
python3 - acetate build --progress=plain -f context/Long context <<'P' || code=$?
import os, signal, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background has it ignored
for line in child.stderr:
    if line.endswith(" started\n"): os.killpg(child.pid, signal.SIGINT)
child.wait()
sys.exit(128 - child.returncode if child.returncode < 0 else child.returncode)
P
expect "^C ends a build" 130 $code
left() { pgrep -f "sleep 31$$" || true; pgrep -f "fuse-overlay.*$scratch" || true; }
tries=0
while [ -n "$(left)" ] && [ $tries -lt 600 ]; do tries=$((tries + 1)); sleep 0.1; done
expect "and nobody is left of it" "" "$(left)"
printf 'FROM ./base.tar\nRUN echo early >/early && echo ran-early\nRUN cat /early\n' >context/Long
if build -f context/Long; then pass "the cache is good afterwards"; else fail "the cache is good afterwards"; log; fi
expect "and what was done is not done again" "" "$(ran)"

say "without privileges"
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Ur true 2>/dev/null; then
  make_user "act-b$$" without
  chmod -R a+rX "$scratch/context"
  cp -r context "$scratch/home-act-b$$/context"
  chown -R "act-b$$" "$scratch/home-act-b$$"
  code=0
  as_user "act-b$$" acetate build --build-arg WHO=world -t greet -o type=oci,dest=out.tar context >"$scratch/log" 2>&1 || code=$?
  expect "a user without a subordinate range builds it too" 0 $code
  [ $code = 0 ] || log
else
  say "not root, or no user namespaces: the rootless build is what all of the above was"
fi
finish
