#!/bin/sh
# Dockerfiles in small, one rule of the language each, and what must come of them, judged by a reader of OCI layouts that
# knows nothing of ours (oci_tree.py). Needs no network; RUN steps need busybox.
#
# usage: build_cases_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3

export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/run" "$scratch/ctx/dir/sub" "$scratch/ctx/skip"
cp "$busybox_program" "$scratch/base/bin/busybox"
for applet in sh cat echo ls rm mkdir ln chmod chown id test tr stat wc sed touch df; do ln -s busybox "$scratch/base/bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\nstaff:x:50:\nmine:x:1000:\n' >"$scratch/base/etc/group"
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
cd "$scratch"
umask 022
echo one >ctx/one.txt
echo two >ctx/two.txt
echo deep >ctx/dir/sub/deep.txt
echo top >ctx/dir/top.txt
echo no >ctx/skip/no.txt
ln ctx/one.txt ctx/dir/hard
ln -s ../one.txt ctx/dir/link
chmod 640 ctx/two.txt
mkdir packed && echo inside >packed/inside.txt && chmod 600 packed/inside.txt
tar -C packed --owner=7 --group=8 -cf ctx/plain.tar inside.txt
gzip -k ctx/plain.tar
printf 'secret-of-four-words' >secret
ln -s none ctx/skip/nowhere

options=
# check WHAT "PATH PATH…" <<DOCKERFILE = EXPECTED
check() {
  what=$1 paths=$2
  cat >"$scratch/case"
  sed '/^=$/,$d' "$scratch/case" >"$scratch/Dockerfile"
  sed '1,/^=$/d' "$scratch/case" >"$scratch/wanted"
  rm -rf "$scratch/out"
  if ! acetate build --build-context base="$scratch/base.tar" $options -f "$scratch/Dockerfile" -o "type=oci,dest=$scratch/out" ctx >"$scratch/log" 2>&1; then
    fail "$what: $(tail -n 5 "$scratch/log")"
    return
  fi
  python3 "$here/oci_tree.py" "$scratch/out" $paths >"$scratch/got"
  if cmp -s "$scratch/wanted" "$scratch/got"; then pass "$what"; else fail "$what: $(diff "$scratch/wanted" "$scratch/got")"; fi
}
# refuse WHAT REGEX <<DOCKERFILE
refuse() {
  cat >"$scratch/Dockerfile"
  expect_failure "$1" 1 "$2" acetate build --build-context base="$scratch/base.tar" $options -f "$scratch/Dockerfile" ctx
}

say "COPY and ADD"
check "a file keeps its mode and belongs to root" "two.txt x/y z" <<'D'
FROM scratch
COPY two.txt /
COPY one.txt x/y
COPY one.txt /z
=
f 640 0:0 4 two.txt two
f 644 0:0 4 x/y one
f 644 0:0 4 z one
D
check "a directory's contents are copied, symlinks and hard links as they are" "d/top.txt d/sub/deep.txt d/link d/hard" <<'D'
FROM scratch
COPY dir /d
=
f 644 0:0 4 d/top.txt top
f 644 0:0 5 d/sub/deep.txt deep
l 777 0:0 d/link -> ../one.txt
f 644 0:0 4 d/hard one
D
check "wildcards that match nothing are nothing" "d one.txt" <<'D'
FROM scratch
COPY *.none /d/
COPY o?e.txt /
=
- d
f 644 0:0 4 one.txt one
D
check "owners by name and by number, modes by number and by letters" "a b c d/top.txt d/sub" <<'D'
FROM base
COPY --chown=me one.txt /a
COPY --chown=me:staff --chmod=u=rw,go= one.txt /b
COPY --chown=5:6 --chmod=4755 one.txt /c
COPY --chmod=a+rX,go-w dir /d
=
f 644 1000:1000 4 a one
f 600 1000:50 4 b one
f 4755 5:6 4 c one
f 644 0:0 4 d/top.txt top
d 755 0:0 d/sub
D
check "--parents keeps the path, from its pivot on" "p/dir/sub/deep.txt q/sub/deep.txt q/dir" <<'D'
FROM scratch
COPY --parents dir/sub/deep.txt /p/
COPY --parents dir/./sub/deep.txt /q/
=
f 644 0:0 5 p/dir/sub/deep.txt deep
f 644 0:0 5 q/sub/deep.txt deep
- q/dir
D
check "--exclude leaves out" "d/top.txt d/sub/deep.txt d/link" <<'D'
FROM scratch
COPY --exclude=**/*.txt --exclude=hard dir /d
=
- d/top.txt
- d/sub/deep.txt
l 777 0:0 d/link -> ../one.txt
D
check "--exclude leaves no source out, nor what an exception brings back" "a/sub/deep.txt a/top.txt b/one.txt c" <<'D'
FROM scratch
COPY --exclude=* --exclude=!sub/deep.txt dir /a
COPY --exclude=* one.txt /b/
COPY --exclude=* dir /c
=
f 644 0:0 5 a/sub/deep.txt deep
- a/top.txt
f 644 0:0 4 b/one.txt one
d 755 0:0 c
D
check "--link follows no symlink of what is there, and keeps its directories" "in/one.txt there/one.txt one/one.txt private private/one.txt" <<'D'
FROM base AS links
RUN mkdir /there /private && chmod 700 /private && ln -s there /in && ln -s /there/one.txt /one
FROM links
COPY --link one.txt /in/
COPY --link one.txt /private/
COPY --link one.txt /one/
=
f 644 0:0 4 in/one.txt one
- there/one.txt
f 644 0:0 4 one/one.txt one
d 700 0:0 private
f 644 0:0 4 private/one.txt one
D
refuse "a directory whose name stands for a deletion" '/.wh.etc cannot be in an image' <<'D'
FROM base
WORKDIR /.wh.etc
D
refuse "a symlink to nowhere that a wildcard matches" 'skip/nowhere": not found' <<'D'
FROM scratch
COPY skip/* /x/
D
check "--link lands where plain COPY does" "a/one.txt" <<'D'
FROM scratch
COPY --link one.txt /a/
=
f 644 0:0 4 a/one.txt one
D
check "ADD unpacks tarballs of the context, packed or not, and COPY does not" "inside.txt g/inside.txt plain.tar n" <<'D'
FROM scratch
ADD plain.tar /
ADD plain.tar.gz /g
ADD --unpack=false plain.tar /n/
=
f 600 7:8 7 inside.txt inside
f 600 7:8 7 g/inside.txt inside
- plain.tar
d 755 0:0 n
D
check "here-documents are files, expanded unless their delimiter is quoted" "a b/x b/y" <<'D'
FROM scratch
ARG V=value
COPY <<EOF /a
got $V
EOF
COPY <<x <<"y" /b/
1$V
x
2$V
y
=
f 644 0:0 10 a got value
f 644 0:0 7 b/x 1value
f 644 0:0 4 b/y 2$V
D
refuse "a source that is not there" 'failed to solve: failed to compute cache key: failed to calculate checksum of ref context: "/none": not found' <<'D'
FROM scratch
COPY none /
D
refuse "a mode that is none" '--chmod|mode' <<'D'
FROM scratch
COPY --chmod=99 one.txt /
D

say "frontends"
warned() { sed "s|SYNTAX|$1|" >Dockerfile <<'D'
# syntax=SYNTAX
FROM scratch
COPY one.txt /
D
  acetate build $options -o type=cacheonly -f Dockerfile ctx 2>&1 | grep -c 'is not run: the Dockerfile is read as docker/dockerfile:1 has it' || true; }
expect "docker's own is what is spoken here" 0 "$(warned docker/dockerfile:1.7-labs)"
expect "also from a mirror" 0 "$(warned mirror.example:5000/docker/dockerfile:1)"
expect "another one is warned of" 1 "$(warned example.com/frontend:2)"
foreign() { acetate build -o type=cacheonly -f Dockerfile ctx 2>&1 | grep -c 'the syntax example.com/frontend:2 is not run' || true; }
printf '// syntax=example.com/frontend:2\nlet it = 1\n' >Dockerfile
expect "and so of a file in another language" 1 "$(foreign)"
printf '{"syntax": "example.com/frontend:2", "steps": []}\n' >Dockerfile
expect "as of one in JSON" 1 "$(foreign)"
options="--build-arg BUILDKIT_SYNTAX=example.com/other"
expect "also where an argument asks for it" 1 "$(warned docker/dockerfile:1)"
options=

say "stages and contexts"
mkdir -p other && echo other >other/o.txt && echo hidden >other/h.txt && echo h.txt >other/.dockerignore
options="--build-context more=$scratch/other"
check "a directory as a named context, without what its .dockerignore leaves out" "o.txt h.txt f/o.txt" <<'D'
FROM more AS files
FROM scratch
COPY --from=more / /
COPY --from=files /o.txt /f/
=
f 644 0:0 6 o.txt other
- h.txt
f 644 0:0 6 f/o.txt other
D
options=
check "stages by name and number, and an unused one that would fail is not built" "a b" <<'D'
FROM base AS First
COPY one.txt /x
FROM base AS broken
RUN exit 1
FROM scratch
COPY --from=FIRST /x /a
COPY --from=0 /x /b
=
f 644 0:0 4 a one
f 644 0:0 4 b one
D
printf '*\n!two.txt\n!dir/sub\n' >Dockerfile.dockerignore
check "NAME.dockerignore beside the Dockerfile goes before the context's" "one.txt two.txt dir/top.txt dir/sub/deep.txt" <<'D'
FROM scratch
COPY . /
=
- one.txt
f 640 0:0 4 two.txt two
- dir/top.txt
f 644 0:0 5 dir/sub/deep.txt deep
D
rm Dockerfile.dockerignore

say "contexts elsewhere"
tar -C ctx -czf ctx.tar.gz .
printf 'FROM scratch\nCOPY one.txt /\n' >Dockerfile
cp Dockerfile ctx/Dockerfile
tar -C ctx -cf with.tar .
rm ctx/Dockerfile
# built WHAT COMMAND...: and /one.txt is what comes of it
built() {
  what=$1
  shift
  rm -rf "$scratch/out"
  if "$@" >"$scratch/log" 2>&1; then expect "$what" "f 644 0:0 4 one.txt one" "$(python3 "$here/oci_tree.py" "$scratch/out" one.txt)"; else fail "$what: $(cat "$scratch/log")"; fi
}
built "a tarball" acetate build -f Dockerfile -o type=oci,dest=out ctx.tar.gz
built "a tarball on standard input" sh -c 'acetate build -o type=oci,dest=out - <with.tar'
mkdir modes && echo s >modes/s && chmod 4755 modes/s && printf 'FROM scratch\nCOPY s /\nCOPY one.txt /\n' >modes/Dockerfile && cp ctx/one.txt modes/
tar -C modes -cf modes.tar .
built "a tarball whose set-id bits stay" sh -c 'acetate build -o type=oci,dest=out - <modes.tar'
expect "which are there" "f 4755 0:0 2 s s" "$(python3 "$here/oci_tree.py" "$scratch/out" s)"
printf 'FROM scratch\nCOPY --from=%s/base.tar /etc/passwd /\n' "$scratch" >modes/Dockerfile
tar -C modes -cf modes.tar .
expect_failure "its Dockerfile names no files of this machine" 1 'names no files of this machine' sh -c 'acetate build - <modes.tar'
built "a Dockerfile on standard input has no context" sh -c 'printf "FROM scratch\nCOPY <<x /one.txt\none\nx\n" | acetate build -o type=oci,dest=out -'
if command -v git >/dev/null; then
  mkdir -p repository/sub
  cp Dockerfile ctx/one.txt repository/sub/
  (cd repository && git init -q -b main . && git -c user.name=n -c user.email=e add . && git -c user.name=n -c user.email=e commit -q -m one) >/dev/null
  git clone -q --bare repository served/r.git 2>/dev/null
  git -C served/r.git update-server-info
  cp ctx/plain.tar served/
  python3 -u -m http.server --bind 127.0.0.1 --directory served 0 >server.log 2>&1 &
  server=$!
  trap 'kill $server 2>/dev/null; cleanup' EXIT
  while ! grep -q 'port [0-9]' server.log; do kill -0 $server || break; done
  port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' server.log)
  commit=$(git -C repository rev-parse HEAD)
  built "a git repository, below a directory of a branch" acetate build -o type=oci,dest=out "http://127.0.0.1:$port/r.git#main:sub"
  cp with.tar served/
  built "a tarball behind a URL" acetate build -o type=oci,dest=out "http://127.0.0.1:$port/with.tar"
  sum=sha256:$(sha256sum <served/plain.tar | cut -d' ' -f1)
  check "ADD fetches files, which are the owner's alone, and repositories without .git" "u/inside.txt g/sub/one.txt g/.git" <<D
FROM scratch
ADD --checksum=$sum http://127.0.0.1:$port/plain.tar /a.tar
ADD --unpack=true http://127.0.0.1:$port/plain.tar /u/
ADD --checksum=$commit http://127.0.0.1:$port/r.git /g
=
f 600 7:8 7 u/inside.txt inside
f 644 0:0 4 g/sub/one.txt one
- g/.git
D
  # A commit is fetched by its name, wherever the branch has gone; a checkout is as old as the commit where that is asked for.
  (cd repository && git checkout -q -b later && echo later >sub/one.txt && GIT_COMMITTER_DATE='@1500000000 +0000' git -c user.name=n -c user.email=e commit -q -a -m two && git push -q ../served/r.git later) >/dev/null 2>&1
  git -C served/r.git update-server-info
  check "a commit is fetched by its name, though the branch is elsewhere" "old/sub/one.txt new/sub/one.txt" <<D
FROM scratch
ADD http://127.0.0.1:$port/r.git?fetch-by-commit=true&checksum=$commit#refs/heads/later /old
ADD http://127.0.0.1:$port/r.git?mtime=commit&branch=later /new
=
f 644 0:0 4 old/sub/one.txt one
f 644 0:0 6 new/sub/one.txt later
D
  expect "a checkout is as old as its commit where that is asked for" 1500000000 "$(python3 - <<'P'
import json, tarfile
blob = lambda d: 'out/blobs/' + d['digest'].replace(':', '/')
manifest = json.load(open(blob(json.load(open('out/index.json'))['manifests'][0])))
print(int(tarfile.open(blob(manifest['layers'][-1])).getmember('new/sub/one.txt').mtime))
P
)"
  refuse "a checksum that is no whole name" 'fetch-by-commit wants the whole name of a commit' <<D
FROM scratch
ADD http://127.0.0.1:$port/r.git?fetch-by-commit=true&checksum=abc /
D
  asked() { grep -c 'GET /plain.tar' server.log; }
  printf 'FROM scratch\nADD --checksum=%s http://127.0.0.1:%s/plain.tar /a.tar\n' "$sum" "$port" >Dockerfile
  acetate build -o type=cacheonly -f Dockerfile ctx >log 2>&1 || fail "ADD with a checksum: $(tail -n 3 log)"
  before=$(asked)
  acetate build -o type=cacheonly -f Dockerfile ctx >log 2>&1 || fail "ADD with a checksum again: $(tail -n 3 log)"
  expect "what a checksum pins is in the cache without being asked for" "$before CACHED" "$(asked) $(grep -o CACHED log)"
  refuse "nobody is told who fetches" 'http://127.0.0.1:[0-9]*/none.git' <<D
FROM scratch
ADD http://somebody:hunter2@127.0.0.1:$port/none.git /
D
  expect "nor by what password" "" "$(grep -v 'ADD http' failure.out | grep hunter2 || true)"
  check "nor does an image say it, by its history or by a repository's own notes" "g/sub/one.txt" <<D
FROM scratch
ADD --keep-git-dir http://somebody:hunter2@127.0.0.1:$port/r.git /g
=
f 644 0:0 4 g/sub/one.txt one
D
  told() { for blob in "$scratch"/out/blobs/sha256/*; do gzip -dcf "$blob"; done | grep -caF hunter2; }  # layers are packed
  expect "in none of its bytes" 0 "$(told)"
  # Submodules by relative URLs, one within the other: git completes them by the URL that it was given.
  nest() (  # NAME SUBMODULE: a repository with that submodule
    git init -q -b main "$1" && cd "$1" && git -c protocol.file.allow=always submodule --quiet add "$scratch/served/$2.git" sub
    git config -f .gitmodules submodule.sub.url "../$2.git"
    git -c user.name=n -c user.email=e commit -q -a -m one
    git clone -q --bare . "../served/$1.git" && git -C "../served/$1.git" update-server-info
  ) >/dev/null 2>&1
  nest middle r && nest top middle
  check "nor do the notes of its submodules" "g/sub/sub/sub/one.txt" <<D
FROM scratch
ADD --keep-git-dir http://somebody:hunter2@127.0.0.1:$port/top.git /g
=
f 644 0:0 4 g/sub/sub/sub/one.txt one
D
  expect "in none of their bytes" 0 "$(told)"
  options="--build-context more=http://127.0.0.1:$port/r.git#main:sub --build-context packed=http://127.0.0.1:$port/with.tar"
  check "named contexts from a repository and a URL, as bases, to copy from and to mount" "one.txt p/two.txt m" <<'D'
FROM more AS files
FROM base
COPY --from=files /one.txt /
COPY --from=packed two.txt /p/
RUN --mount=from=more,target=/mnt cp /mnt/one.txt /m
=
f 644 0:0 4 one.txt one
f 640 0:0 4 p/two.txt two
f 644 0:0 4 m one
D
  options="--build-context more=http://127.0.0.1:$port/none.tar"
  refuse "and which of them is not there" 'the build context "more".*404' <<'D'
FROM scratch
COPY --from=more / /
D
  options=
  mkdir long
  (cd long && git init -q -b main --object-format=sha256 . && cp ../ctx/one.txt . && git -c user.name=n -c user.email=e add . && git -c user.name=n -c user.email=e commit -q -m one) >/dev/null
  git clone -q --bare long served/long.git
  git -C served/long.git update-server-info
  printf 'FROM base\nADD --keep-git-dir http://127.0.0.1:%s/long.git#main /g\nRUN head -c 16 /dev/urandom >/made\n' "$port" >Dockerfile
  umask 077
  acetate build --build-context base="$scratch/base.tar" -o type=tar,dest=first.tar ctx -f Dockerfile >log 2>&1 || fail "a repository of sha256 objects: $(tail -n 3 log)"
  umask 022
  expect "a repository of sha256 objects, whose files have git's modes whatever ours are" -rw-r--r-- "$(tar -tvf first.tar g/one.txt | cut -d' ' -f1)"
  sed -i "s/ADD/ADD --checksum=$(git -C long rev-parse HEAD)/" Dockerfile
  acetate build --build-context base="$scratch/base.tar" -o type=tar,dest=again.tar ctx -f Dockerfile >log 2>&1 || fail "and with its checksum: $(tail -n 3 log)"
  if cmp -s first.tar again.tar; then pass "the commit is what counts: with its checksum it is the same step"; else fail "the commit is what counts: $(cat log)"; fi
  refuse "a checksum that is another" 'is sha256:.*, not sha256:0000' <<D
FROM scratch
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://127.0.0.1:$port/plain.tar /
D
  refuse "a file that is not there" 'fetching http://127.0.0.1:.*/none: the server answered 404' <<D
FROM scratch
ADD http://127.0.0.1:$port/none /
D
fi
if command -v xz >/dev/null; then
  xz -kf ctx/plain.tar
  check "ADD unpacks xz" "inside.txt" <<'D'
FROM scratch
ADD plain.tar.xz /
=
f 600 7:8 7 inside.txt inside
D
fi

say "configuration"
check "ENV of one line sees what was before it; of ARG and ENV the later counts" ".Env" <<'D'
FROM scratch
ENV a=1 PATH=/bin
ENV a=2 b=$a c=${a:+set} d=${none:-none}
ARG b=arg
ENV e=$b
ENV b=env
ENV f=$b
=
["PATH=/bin","a=2","b=env","c=set","d=none","e=arg","f=env"]
D
check "and in what is run, until the next stage begins" "one two" <<'D'
FROM base AS first
ENV A=env
ARG A=arg
RUN echo $A >/one
FROM first
RUN echo $A >/two
=
f 644 0:0 4 one arg
f 644 0:0 4 two env
D
check "ENTRYPOINT takes away the base's CMD but not its own" ".Entrypoint .Cmd .Shell" <<'D'
FROM scratch AS one
CMD ["base"]
FROM one
SHELL ["/bin/ash", "-c"]
ENTRYPOINT echo $HOME
=
["/bin/ash","-c","echo $HOME"]
null
["/bin/ash","-c"]
D
check "ports, volumes, health, signal, labels" ".ExposedPorts .Volumes .Healthcheck .StopSignal .Labels .User .WorkingDir" <<'D'
FROM scratch
EXPOSE 80 53/udp 8000-8001
VOLUME /a /b
VOLUME ["/d e"]
HEALTHCHECK --interval=1m30s --retries=3 CMD ["true"]
STOPSIGNAL SIGUSR1
LABEL a="b c" d=e
USER 5:6
WORKDIR rel
WORKDIR ../x
=
{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{}}
{"/a":{},"/b":{},"/d e":{}}
{"Interval":90000000000,"Retries":3,"Test":["CMD","true"]}
"SIGUSR1"
{"a":"b c","d":"e"}
"5:6"
"/x"
D

say "RUN"
options="--secret id=s,src=$scratch/secret"
check "every kind of mount, and nothing of them stays" "out made m x ctx run/secrets" <<'D'
FROM base AS one
RUN echo one >/made
FROM base
RUN --mount=type=cache,target=/cache,id=c1 --mount=from=one,source=/made,target=/m/made --mount=target=/ctx --mount=type=tmpfs,target=/t,size=1m \
    --mount=type=secret,id=s --mount=type=secret,id=s,env=SECRET --mount=type=secret,id=s,target=/x/y,mode=0444 --mount=type=secret,id=unknown \
    cat /m/made /ctx/one.txt >/out && test "$(cat /x/y)" = "$SECRET" && test "$(cat /run/secrets/s)" = "$SECRET" && \
    test "$(stat -c %a /x/y)" = 444 && test ! -e /run/secrets/unknown && ! touch /ctx/new && ! touch /m/made/new && echo x >>/cache/log
RUN --mount=type=cache,target=/other,id=c1 test "$(wc -l </other/log)" = 1
RUN --mount=target=/ctx,rw echo thrown-away >/ctx/one.txt && cat /ctx/one.txt
RUN --mount=target=/ctx test "$(cat /ctx/one.txt)" = one
=
f 644 0:0 8 out one
one
- made
- m
- x
- ctx
- run/secrets
D
if grep -rqF secret-of-four-words "$scratch/data" "$scratch/cache" "$scratch/out" "$scratch/log"; then fail "the secret is nowhere afterwards"; else pass "the secret is nowhere afterwards"; fi
# On no disk while it is used either, which a file in the cache mount tells of: whoever is to start the process may want a file with its environment.
cat >Dockerfile <<'D'
FROM base
RUN --mount=type=cache,id=secret-sync,target=/s --mount=type=secret,id=s,env=SECRET touch /s/started && until test -e /s/go; do busybox sleep 0.1; done
D
for runtime in "" native $(command -v runc >/dev/null && echo runc) $(command -v crun >/dev/null && echo crun); do
  rm -f data/build/mounts/*/0/go data/build/mounts/*/0/started
  env ${runtime:+ACETATE_RUNTIME=$runtime} acetate build --no-cache --build-context base="$scratch/base.tar" $options -o type=cacheonly -f Dockerfile ctx >log 2>&1 & building=$!
  until set -- data/build/mounts/*/0/started && [ -e "$1" ]; do kill -0 $building 2>/dev/null || break; sleep 0.1; done
  if [ -e "$1" ]; then
    found=$(grep -rlF secret-of-four-words data cache || true)
    touch "${1%/started}/go"
    wait $building || fail "a step with a secret variable: $(tail -n 3 log)"
    expect "a secret variable is on no disk while it is used${runtime:+, with $runtime}" "" "$found"
  else
    fail "a step with a secret variable${runtime:+, with $runtime}: $(tail -n 3 log)"
  fi
done
options=
check "a tmpfs is everybody's where the image has no such directory, and mounts lie by their targets" "modes order" <<'D'
FROM base
RUN --mount=type=tmpfs,target=/new --mount=type=tmpfs,target=/run/deep/er stat -c %a /new /run/deep/er >/modes
RUN --mount=type=tmpfs,target=/a/b --mount=target=/a,rw,source=dir ls /a >/order && test ! -e /a/b/x
=
f 644 0:0 10 modes 1777
1777
f 644 0:0 24 order b
hard
link
sub
top.txt
D
check "one cache mount twice in a step, and two steps that name two in another order" "x y" <<'D'
FROM base AS one
RUN --mount=type=cache,id=p,target=/1,sharing=locked --mount=type=cache,id=p,target=/2,sharing=locked touch /1/f && test -e /2/f && echo 1 >/x
FROM base AS two
RUN --mount=type=cache,id=p,target=/2,sharing=locked --mount=type=cache,id=q,target=/1,sharing=locked echo 2 >/y
FROM scratch
COPY --from=one /x /
COPY --from=two /y /
=
f 644 0:0 2 x 1
f 644 0:0 2 y 2
D
cat >Dockerfile <<'D'
FROM base AS first
RUN --mount=type=cache,id=meet,target=/meet until test -e /meet/other; do busybox sleep 0.1; done
FROM first AS waits
RUN touch /waited
FROM base AS other
RUN --mount=type=cache,id=meet,target=/meet touch /meet/other
FROM scratch
COPY --from=waits /waited /
COPY --from=other /bin/sh /sh
D
acetate build --jobs 2 --build-context base="$scratch/base.tar" -o type=cacheonly -f Dockerfile ctx >log 2>&1 && pass "a stage that waits for another keeps no third one from being built" ||
  fail "a stage that waits keeps a third one from being built: $(tail -n 5 log)"
printf 'FROM base AS long\nRUN --mount=type=cache,id=fail-sync,target=/s touch /s/started && busybox sleep 100000\n' >Dockerfile
printf 'FROM base AS short\nRUN --mount=type=cache,id=fail-sync,target=/s until test -e /s/started; do busybox sleep 0.1; done; exit 7\n' >>Dockerfile
printf 'FROM base\nCOPY --from=long / /\nCOPY --from=short / /\n' >>Dockerfile
expect_failure "a stage that fails ends the others" 1 'exit code: 7' acetate build --jobs 2 --build-context base="$scratch/base.tar" -f Dockerfile ctx
refuse "a secret that is required" 'secret s: not found' <<'D'
FROM base
RUN --mount=type=secret,id=s,required true
D
refuse "two mounts in one place" 'cannot have the same target /a' <<'D'
FROM base
RUN --mount=type=tmpfs,target=/a --mount=type=cache,target=/a true
D
refuse "a mount type that is none" 'unsupported mount type "cahce" \(did you mean cache\?\)' <<'D'
FROM base
RUN --mount=type=cahce,target=/a true
D
ln -s /etc ctx/out-of-it
refuse "a bind of the context does not lead out of it" '"/out-of-it/passwd": not found' <<'D'
FROM base
RUN --mount=source=out-of-it/passwd,target=/p cat /p
D
check "here-documents are scripts of the shell, or of what #! says" "a b" <<'D'
FROM base
RUN <<EOF
echo from the shell >/a
EOF
RUN <<EOF
#!/bin/cat
EOF
RUN cat <<ONE >/b
$0 is not expanded by us
ONE
=
f 644 0:0 15 a from the shell
f 644 0:0 30 b /bin/sh is not expanded by us
D
check "a user by name, and WORKDIR made for them" "w w/f" <<'D'
FROM base
USER me
WORKDIR /w
RUN id -un >f
=
d 755 1000:1000 w
f 644 1000:1000 3 w/f me
D
check "--network=none has no interface but lo" "n" <<'D'
FROM base
RUN --network=none ls /sys/class/net >/n
=
f 644 0:0 3 n lo
D
refuse "insecure is not for the asking" 'entitlement security.insecure is not allowed; --allow security.insecure' <<'D'
FROM base
RUN --security=insecure true
D

say "what is told of an image that is none, and what an output may be"
printf 'FROM scratch\nCOPY one.txt /\n' >Dockerfile
echo old >id
echo old >id
if acetate build --iidfile id -f nowhere ctx >log 2>&1; then fail "a build without a Dockerfile succeeded"; fi
expect "no id of an earlier build is left by one that fails" "" "$(cat id 2>/dev/null)"
acetate build --iidfile id --metadata-file meta -f Dockerfile -o files ctx >log 2>&1 || fail "files alone: $(cat log)"
expect "no id, and not an old one" " {}" "$(cat id) $(cat meta)"
expect_failure "a push that is neither yes nor no" 1 'push wants true or false, not "yes"' acetate build -f Dockerfile --output type=image,push=yes ctx
expect_failure "True is yes" any 'localhost:1' acetate build -f Dockerfile -t localhost:1/x --output type=image,push=True ctx

say "indexes of what is packed"
for how in gzip zstd; do
  acetate build -o type=oci,dest=packed-$how,compression=$how -f Dockerfile ctx >log 2>&1 || fail "packed by $how: $(tail -n 3 log)"
  mkdir -p mnt && acetate -v mount oci:packed-$how mnt 2>log || fail "mounted: $(tail -n 3 log)"
  expect_match "what was packed by $how has its index when it is first mounted" 'index was cached' "$(cat log)"
  expect "and its files" one "$(cat mnt/one.txt)"
  acetate unmount mnt
done

say "platforms, provenance, eStargz"
printf 'FROM --platform=$BUILDPLATFORM base AS tools\nARG TARGETARCH\nRUN echo $TARGETARCH >/made\nFROM scratch\nCOPY --from=tools /made /\nCOPY dir /dir\n' >Dockerfile
if acetate build --build-context base="$scratch/base.tar" --platform linux/amd64,linux/arm64 --provenance -o type=oci,dest=both,compression=estargz -f Dockerfile ctx >log 2>&1; then
  expect "an image for each, and what each was made from" "linux/amd64 amd64,linux/arm64 arm64,attestation-manifest,attestation-manifest" "$(python3 - both <<'P'
import io, json, sys, tarfile
def blob(of): return open(f"{sys.argv[1]}/blobs/sha256/{of['digest'][7:]}", "rb").read()
said = []
for entry in json.loads(blob(json.load(open(f"{sys.argv[1]}/index.json"))["manifests"][0]))["manifests"]:
    if "annotations" in entry: said.append(entry["annotations"]["vnd.docker.reference.type"]); continue
    layers = json.loads(blob(entry))["layers"]
    assert all("containerd.io/snapshot/stargz/toc.digest" in layer["annotations"] for layer in layers), layers
    made = tarfile.open(fileobj=io.BytesIO(blob(layers[0]))).extractfile("made").read().decode().strip()
    said.append(f"{entry['platform']['os']}/{entry['platform']['architecture']} {made}")
print(",".join(said))
P
)"
  for blob in both/blobs/sha256/*; do [ "$(od -An -tx1 -N2 "$blob")" = " 1f 8b" ] && break; done
  expect "their layers are tar.gz, with a table as their last entry" "stargz.index.json" "$(tar tzf "$blob" | tail -n 1)"
  if acetate verify oci:both >log 2>&1; then pass "and the tables tell what the tars hold"; else fail "and the tables tell what the tars hold: $(cat log)"; fi
else
  fail "an image for each platform: $(tail -n 5 log)"
fi

say "attacks"
refuse "a symlink that a step left in a cache mount leads nowhere" 'in the cache mount' <<'D'
FROM base
RUN --mount=type=cache,id=esc,target=/c ln -s /etc /c/out
RUN --mount=type=cache,id=esc,source=out,target=/x ls /x
D
check "and .. in its source stays in it" "n" <<'D'
FROM base
RUN --mount=type=cache,id=esc,source=../../..,target=/x ls /x >/n
=
f 644 0:0 4 n out
D
check "a bind resolves symlinks in what it shows, never on the host" "seen" <<'D'
FROM base AS evil
RUN ln -s /etc /link && ln -s ../../../../../../etc/passwd /up
FROM base
RUN --mount=from=evil,source=/link,target=/a --mount=from=evil,source=/up,target=/b cat /a/group /b | wc -l >/seen
=
f 644 0:0 2 seen 5
D
ln -s /etc/passwd ctx/absolute
ln -s ../../../../../etc/passwd ctx/relative
refuse "COPY does not follow the context's symlinks out of it" '"/absolute": not found' <<'D'
FROM scratch
COPY absolute /
D
refuse "neither upwards" '"/relative": not found' <<'D'
FROM scratch
COPY relative /
D
rm ctx/absolute ctx/relative ctx/out-of-it
refuse "a working directory in /proc" 'the working directory /proc/self/fd/7 lies in /proc' <<'D'
FROM base
WORKDIR /proc/self/fd/7
RUN ls
D
check "a target that climbs is below the root all the same" "n" <<'D'
FROM base
RUN --mount=type=tmpfs,target=/a/../../../b touch /b/x && ls / >/n && sed -i '/^b$/!d' /n
=
f 644 0:0 2 n b
D
# Somebody exchanges a file for a symlink to the host's again and again while it is copied.
printf 'FROM scratch\nCOPY race /race/\n' >Dockerfile
mkdir ctx/race
(
  while [ ! -e stop ]; do
    rm -rf ctx/race/f && echo ours >ctx/race/f && rm -f ctx/race/f && ln -s /etc/passwd ctx/race/f
  done
) &
racer=$!
leaked=no
for turn in 1 2 3 4 5 6 7 8; do
  acetate build -f Dockerfile -o type=tar,dest=race.tar ctx >/dev/null 2>&1 || continue
  if tar -xOf race.tar race/f 2>/dev/null | grep -q '^root:'; then leaked=yes; fi
done
touch stop
wait $racer
expect "a race in the context shows nothing of the host" no $leaked
rm -rf ctx/race

say "a full disk"
if [ "$(id -u)" = 0 ]; then
  mkdir small
  mount -t tmpfs -o size=6m tmpfs small
  printf 'FROM base\nRUN echo kept >/kept\nRUN cat /dev/zero >/big\n' >Dockerfile
  sed -i 's#cat /dev/zero >/big#echo big >/dev/null; busybox head -c 20000000 /dev/zero >/big#' Dockerfile
  if ACETATE_ROOT=$scratch/small/data acetate build --build-context base="$scratch/base.tar" -f Dockerfile ctx >"$scratch/log" 2>&1; then fail "a step that fills the disk fails"; else
    expect_match "a step that fills the disk fails, and says which" '(No space left|did not complete successfully)' "$(cat "$scratch/log")"
  fi
  printf 'FROM base\nRUN echo kept >/kept\nRUN cat /kept\n' >Dockerfile
  if ACETATE_ROOT=$scratch/small/data acetate build --build-context base="$scratch/base.tar" -f Dockerfile -o type=cacheonly ctx >"$scratch/log" 2>&1; then
    expect_match "and the cache is good afterwards" CACHED "$(cat "$scratch/log")"
  else
    fail "and the cache is good afterwards: $(tail -n 3 "$scratch/log")"
  fi
  # Memory that processes share for the cache's journal is a file, too, and takes room.
  cat /dev/zero >small/fill 2>/dev/null || true
  if ACETATE_ROOT=$scratch/small/data acetate gc --build-cache 0 >"$scratch/log" 2>&1; then
    pass "where no byte is free the cache can be emptied"
    expect "and is" 0 "$(find small/data/build/layers -type f | wc -l)"
  else
    fail "where no byte is free the cache can be emptied: $(cat "$scratch/log")"
  fi
  umount small
fi
finish
