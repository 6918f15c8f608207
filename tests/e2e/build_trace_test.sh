#!/bin/sh
# A RUN is taken from the cache exactly when nothing of what it looked at has changed: each way to look at a file is a stage of its
# own, and each change concerns one of them. Not our log is believed but a random number that every run leaves in the image. Ways
# that no program of a small system takes are those of prober.c, which is compiled here.
#
# usage: build_trace_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3 cc

export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/proc" "$scratch/base/dev" "$scratch/base/sys"
cp "$busybox_program" "$scratch/base/bin/busybox"
for applet in sh cat ls chmod mv rm test readlink stat cp find mkdir ln rmdir truncate touch id chown; do ln -s busybox "$scratch/base/bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\nme:x:1000:\n' >"$scratch/base/etc/group"
cc -static -O1 -o "$scratch/base/bin/probe" "$here/prober.c" || skip "no static C library to be had"
for name in mapped linked xattr capability unreadable older newer exchanged sent owner; do echo "$name" >"$scratch/base/etc/$name"; done
cp "$scratch/base/bin/probe" "$scratch/base/etc/program"
cp "$scratch/base/bin/probe" "$scratch/base/etc/interpreter"
ln "$scratch/base/etc/linked" "$scratch/base/etc/linked2"
mkdir -p "$scratch/base/etc/dirs/inside" "$scratch/base/etc/behind" "$scratch/base/etc/through-a" "$scratch/base/etc/through-b"
echo a >"$scratch/base/etc/through-a/f"
echo b >"$scratch/base/etc/through-b/f"
echo f >"$scratch/base/etc/behind/f"
ln -s through-a "$scratch/base/etc/through"
# make_base SECONDS: the same files, another image; with what $changes, a piece of Python, does to an entry of the tarball
changes=
make_base() {
  python3 - "$scratch/base" "$scratch/base.tar" "$1" "$changes" <<'P'
import os, sys, tarfile
root, out, seconds, changes = sys.argv[1:]
with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
    def entry(info):
        info.uid = info.gid = 0
        info.mtime = int(seconds)
        info.uname = info.gname = ""
        info.name = info.name or "."
        if info.name == "etc/xattr": info.pax_headers["SCHILY.xattr.user.note"] = "one"
        if info.name == "etc/capability": info.pax_headers["SCHILY.xattr.user.other"] = "one"
        exec(changes, {"info": info})
        return info
    for folder, dirs, files in sorted(os.walk(root)):
        dirs.sort()
        for name in sorted(dirs + files):
            path = os.path.join(folder, name)
            if os.path.islink(path) or name in files or name in dirs: tar.add(path, os.path.relpath(path, root), recursive=False, filter=entry)
P
}
make_base 1000000000

cd "$scratch"
umask 022
mkdir -p ctx/d/listed ctx/d/walked/sub ctx/d/copied ctx/d/glob ctx/d/emptied ctx/d/moved_dir
for name in read mode size copied_up appended renamed removed overwritten truncated kind hard_linked chowned tested; do echo "$name" >"ctx/d/$name"; done
echo one >ctx/d/moved_dir/one
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
stage overwritten 'echo new >/d/overwritten'
stage truncated 'truncate -s 3 /d/truncated'
stage below_a_file 'test -e /d/kind/inside || true'
stage glob 'echo /d/glob/*.cfg'
stage emptied 'rmdir /d/emptied || true'
stage made 'mkdir /d/made || true'
stage moved_dir 'mv /d/moved_dir /d/moved_away'
stage hard_linked 'ln /d/hard_linked /d/hard_linked2'
stage chowned 'chown 5 /d/chowned'
stage tested 'test -x /d/tested || true'
# Of the base image, whose times, owners and attributes are what they are.
stage program '/etc/program true'
stage interpreter 'test -x /etc/interpreter && printf "#!/etc/interpreter true\\n" >/s && chmod 755 /s && /s'
stage mapped 'probe map /etc/mapped'
stage sent 'probe send /etc/sent'
stage exchanged 'probe exchange /etc/exchanged /etc/exchanged2'
stage xattr 'probe getxattr /etc/xattr user.note'
stage xattrs 'probe listxattr /etc/capability'
stage links 'stat -c %h /etc/linked'
stage same 'test /etc/linked -ef /etc/linked2'
stage owner 'stat -c %u /etc/owner'
stage older 'test /etc/older -nt /etc/newer || true'
stage through 'cat /etc/through/f'
stage behind 'probe as 1000 access /etc/behind/f'
stage unreadable 'probe as 1000 read /etc/unreadable'
stage account 'probe true'
stage directories 'stat -c "%h %s %Y" /etc/dirs'
sed -i 's/^FROM base AS account$/&\nCOPY --chmod=666 <<E \/account\nE\nUSER me/' Dockerfile
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

after "a mode that came along in a file that was emptied and written" "overwritten " 'chmod 640 ctx/d/overwritten'
after "what is left of a file that was shortened" "truncated " 'echo other >ctx/d/truncated'
after "a file that is a directory now" "below_a_file " 'rm ctx/d/kind; mkdir ctx/d/kind; touch ctx/d/kind/inside'
after "what a pattern matches" "glob " 'touch ctx/d/glob/a.cfg'
after "a directory that could be removed while it was empty" "emptied " 'touch ctx/d/emptied/in'
after "a directory that was made and is there now" "made " 'mkdir ctx/d/made'
after "a file in a directory that was moved" "moved_dir " 'echo other >ctx/d/moved_dir/one'
after "a file that got a second name" "hard_linked " 'echo other >ctx/d/hard_linked'
after "a file that got another owner" "chowned " 'echo other >ctx/d/chowned'
after "whether a file can be executed" "tested " 'chmod 755 ctx/d/tested'

say "the base image"
# of_base WHAT WANTED CHANGE
of_base() { after "$1" "$2" "$3"'; make_base 1000000000'; }
# also LINE: one more thing that is done to entries of the tarball
also() { changes="$changes
$1"; }
of_base "a program that was run" "program " 'printf x >>base/etc/program'
of_base "the interpreter of a script" "interpreter " 'printf x >>base/etc/interpreter'
of_base "a file that was mapped" "mapped " 'echo other >base/etc/mapped'
of_base "a file that was sent by the kernel" "sent " 'echo other >base/etc/sent'
of_base "a file that changed places with another" "exchanged " 'echo other >base/etc/exchanged'
of_base "the value of an attribute" "xattr " 'also "if info.name == \"etc/xattr\": info.pax_headers[\"SCHILY.xattr.user.note\"] = \"two\""'
of_base "the name of an attribute" "xattrs " 'also "if info.name == \"etc/capability\": info.pax_headers = {\"SCHILY.xattr.user.another\": \"one\"}"'
of_base "how many names a file has, and whether two are one" "links same " 'rm base/etc/linked2; cp base/etc/linked base/etc/linked2'
of_base "an owner that was asked for" "owner " 'also "if info.name == \"etc/owner\": info.uid = 7"'
of_base "a time that was asked for" "older " 'also "if info.name == \"etc/older\": info.mtime += 9"'
of_base "where a symlink on the way leads" "through " 'ln -sfn through-b base/etc/through'
of_base "whether one may go through a directory" "behind " 'also "if info.name == \"etc/behind\": info.mode = 0o700"'
of_base "whether one may read a file" "unreadable " 'also "if info.name == \"etc/unreadable\": info.mode = 0o600"'
of_base "what a directory counts and when it changed, which no step sees" "" 'mkdir base/etc/dirs/more'
of_base "who an account is, which every step may ask" "$(echo $stages) " 'sed -i "s/1000:1000/1001:1000/" base/etc/passwd'
of_base "the shell" "$(echo $stages) " 'printf x >>base/bin/busybox'

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
printf 'FROM base\nCOPY d/read /read\nRUN --network=none cat /read >/made; chmod 600 /read\n' >Moved
acetate build --trace-cache=verify --build-context base="$scratch/base.tar" -o type=cacheonly ctx -f Moved >/dev/null 2>&1
sed -i 's/^RUN/RUN --network=none echo before >\/before\n&/' Moved
acetate build --trace-cache=verify --build-context base="$scratch/base.tar" -o type=cacheonly ctx -f Moved >log 2>&1
expect_match "one that has another place, and so another time, is not" "verified: the cache has the same" "$(cat log)"

say "the kernel's overlay above what is recorded"
# A base in which nothing has attributes: that none are there is seen of each file like all else.
changes='info.pax_headers.clear()'
make_base 1000000000
printf 'FROM base\nRUN --network=none probe getxattr /etc/xattr user.note || true; cat /proc/sys/kernel/random/uuid >/made\n' >Above
# above: what the command left behind, this time or an earlier one
above() {
  acetate build --upper=kernel --build-context base="$scratch/base.tar" -o above ctx -f Above >log 2>&1 || return
  cat above/made
}
if first=$(above); then
  echo more >base/etc/more
  make_base 1000000000
  expect "a file that nobody looked at concerns nobody" "$first" "$(above)"
  changes=
  make_base 1000000000
  if [ "$(above)" != "$first" ]; then pass "an attribute where there was none at all"; else fail "an attribute that a step asked for and that came is not seen"; fi
else
  expect_match "it cannot keep what is written here" "the kernel's overlay" "$(cat log)"
fi

finish
