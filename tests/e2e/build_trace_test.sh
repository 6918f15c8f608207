#!/bin/sh
# A RUN is taken from the cache exactly when nothing of what it looked at has changed: each way to look at a file is a stage of its
# own, and each change concerns one of them. Not our log is believed but a random number that every run leaves in the image.
#
# usage: build_trace_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3

export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/proc" "$scratch/base/dev" "$scratch/base/sys"
cp "$busybox_program" "$scratch/base/bin/busybox"
for applet in sh cat ls chmod mv rm test readlink stat cp find mkdir ln; do ln -s busybox "$scratch/base/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$scratch/base/etc/passwd"
echo 'root:x:0:' >"$scratch/base/etc/group"
# make_base SECONDS FILE...: the same files, another image
make_base() { tar -C "$scratch/base" --owner=0 --group=0 --mtime="@$1" --sort=name -cf "$scratch/base.tar" .; }
make_base 1000000000

cd "$scratch"
umask 022
mkdir -p ctx/d/listed ctx/d/walked/sub ctx/d/copied
for name in read mode size copied_up appended renamed removed mapped; do echo "$name" >"ctx/d/$name"; done
echo one >ctx/d/listed/one
echo one >ctx/d/walked/sub/one
echo one >ctx/d/copied/one
ln -s target ctx/d/link
printf 'exit 0\n' >ctx/d/script

stages=
: >Dockerfile
# stage NAME COMMAND: a command that looks at something in one way
stage() {
  stages="$stages $1"
  printf 'FROM base AS %s\nCOPY d /d/\nRUN --network=none %s; cat /proc/sys/kernel/random/uuid >/%s\n' "$1" "$2" "$1" >>Dockerfile
}
stage read 'cat /d/read'
stage absent 'if test -e /d/absent; then cat /d/absent; fi'
stage listed 'ls /d/listed'
stage link 'readlink /d/link'
stage mode 'stat -c %a /d/mode'
stage size 'stat -c %s /d/size'
stage copied_up 'chmod 600 /d/copied_up'
stage appended 'echo x >>/d/appended'
stage renamed 'mv /d/renamed /d/other'
stage removed 'rm /d/removed'
stage script 'sh /d/script'
stage walked 'find /d/walked'
stage copied 'cp -a /d/copied /copy'
stage nothing 'test -d /d'
{
  echo 'FROM scratch'
  for name in $stages; do echo "COPY --from=$name /$name /"; done
} >>Dockerfile

# build_and_tell: the stages whose command ran since the last time, in a line
build_and_tell() {
  rm -rf out.last
  [ ! -d out ] || mv out out.last
  acetate build --build-context base="$scratch/base.tar" -o out ctx -f Dockerfile >log 2>&1 || { cat log >&2; exit 1; }
  for name in $stages; do
    if ! cmp -s "out/$name" "out.last/$name" 2>/dev/null; then printf '%s ' "$name"; fi
  done
}

say "first"
expect "every command runs the first time" "$(echo $stages) " "$(build_and_tell)"
expect "and none the second time" "" "$(build_and_tell)"

say "one change each"
# after WHAT CHANGE...: what has run again
after() {
  what=$1 wanted=$2
  shift 2
  eval "$*"
  expect "$what" "$wanted" "$(build_and_tell)"
}
after "the content of a file that was read" "read " 'echo other >ctx/d/read'
after "a file that was looked for and is there now" "absent " 'touch ctx/d/absent'
after "a name in a directory that was listed" "listed " 'touch ctx/d/listed/two'
after "where a symlink leads" "link " 'ln -sfn elsewhere ctx/d/link'
after "a mode that was asked for" "mode " 'chmod 640 ctx/d/mode'
after "a size that was asked for" "size " 'echo longer >>ctx/d/size'
after "what is below a file that was only chmod-ed" "copied_up " 'echo other >ctx/d/copied_up'
after "what is below a file that was only appended to" "appended " 'echo other >ctx/d/appended'
after "a file that was renamed" "renamed " 'echo other >ctx/d/renamed'
after "a file that was removed, and is another kind of file" "removed " 'rm ctx/d/removed; ln -s nowhere ctx/d/removed'
after "a script that was run" "script " 'printf "exit 0 # other\n" >ctx/d/script'
after "a name deep in a tree that was walked" "walked " 'touch ctx/d/walked/sub/two'
after "a mode deep in a tree that was copied" "copied " 'chmod 600 ctx/d/copied/one'

say "content alone"
printf aaaa >ctx/d/read
build_and_tell >/dev/null
touch -d @1600000000 ctx/d/read
after "a file of the same size and time" "read " 'printf bbbb >ctx/d/read; touch -d @1600000000 ctx/d/read'

say "what concerns nobody"
after "a file that nobody looked at" "" 'touch ctx/d/new'
after "a context whose times are others" "" 'find ctx -exec touch -h -d @1700000000 {} +'
after "a base image with a file more" "" 'echo more >base/etc/motd; make_base 1000000000'
grep -q 'nothing of the [0-9]* paths that this step looks at' log && pass "the log says so" || fail "the log does not say so: $(head -c 500 log)"

say "policy"
sed -i 's/--network=none //' Dockerfile
first=$(build_and_tell)
expect "with network every command is another one" "$(echo $stages) " "$first"
after "and a change below runs it again" "$(echo $stages) " 'touch ctx/d/third'
make_base 1100000000
expect "but not a base image whose files are the same" "" "$(build_and_tell)"

say "explained"
sed -i 's/^RUN /RUN --network=none /' Dockerfile
build_and_tell >/dev/null
echo third >ctx/d/read
acetate build --explain --build-context base="$scratch/base.tar" -o out ctx -f Dockerfile >log 2>&1
expect_match "the first path that differs is named" "of what the step looked at last time, /d/read was" "$(cat log)"

say "verified"
acetate build --trace-cache=verify --build-context base="$scratch/base.tar" -o out ctx -f Dockerfile >/dev/null 2>&1
touch ctx/d/fourth
acetate build --trace-cache=verify --target read --build-context base="$scratch/base.tar" -o out2 ctx -f Dockerfile >log 2>&1
expect_match "a command that leaves a random number is found out" "the cache has something else for this step" "$(cat log)"

finish
