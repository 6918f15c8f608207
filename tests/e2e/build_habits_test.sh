#!/bin/sh
# What people and their CI do to a build that is no Dockerfile: end it with a signal in the middle of a step, stand in a directory that is gone, have a
# TMPDIR that nobody made, give names that are none, link to a Dockerfile elsewhere.
#
# usage: build_habits_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3

export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
busybox_in "$scratch/base" sh cat echo sleep ls touch
tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
mkdir "$scratch/ctx"
cd "$scratch/ctx"
echo one >one
# build ARGUMENT...: the Dockerfile on standard input
build() { acetate build --progress plain --build-context base="$scratch/base.tar" -f - "$@" 2>"$scratch/log"; }
# said REGEX: whether the log has it
said() { if grep -Eq -- "$1" "$scratch/log"; then echo said; else tail -n 6 "$scratch/log"; fi; }

say "signals, sent to the build alone and to its group"
# signalled SIGNAL FILE alone|group: waits until the step has begun, and says what came of it: exit code, whether it took long, what is left in the
# scratch directory. As $as.
as=
signalled() { $as env BASE="$BASE" ACETATE_ROOT="$ACETATE_ROOT" ACETATE_CACHE="$ACETATE_CACHE" python3 "$scratch/signalled.py" "$@"; }
cat >"$scratch/signalled.py" <<'PY'
import os, signal, subprocess, sys, time
name, dockerfile, whom = sys.argv[1:]
begun = time.time()
default = lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]  # under nohup, or in the background of a script
build = subprocess.Popen(['acetate', 'build', '--no-cache', '--progress', 'plain', '--build-context', 'base=' + os.environ['BASE'], '-f', dockerfile, '-o', 'type=cacheonly', '.'],
                         stderr=subprocess.PIPE, start_new_session=True, preexec_fn=default)
seen = []
for line in build.stderr:
    seen.append(line)
    if b'begun' in line and b'RUN' not in line: break
time.sleep(0.3)
(os.killpg if whom == 'group' else os.kill)(build.pid, getattr(signal, name))
build.stderr.read()
code = build.wait()
left = [each for each in os.listdir(os.environ['ACETATE_ROOT'] + '/scratch') if each.startswith('run-')]
print('code', code, 'late' if time.time() - begun > 40 else 'soon', *left)
PY
export BASE="$scratch/base.tar"
printf 'FROM base\nRUN echo begun; sleep 60; echo done\n' >"$scratch/waits"
printf 'FROM base\nRUN trap "" INT TERM HUP; echo begun; sleep 60; echo done\n' >"$scratch/deaf"
printf 'FROM base AS a\nRUN echo begun; sleep 60; echo done\nFROM base AS b\nRUN sleep 61\nFROM base\nCOPY --from=a /bin /a\nCOPY --from=b /bin /b\n' >"$scratch/both"
for file in waits deaf both; do
  expect "SIGTERM ends a build whose step $file" "code 143 soon" "$(signalled SIGTERM "$scratch/$file" alone)"
  expect "SIGINT ends a build whose step $file" "code 130 soon" "$(signalled SIGINT "$scratch/$file" alone)"
  expect "SIGHUP ends a build whose step $file" "code 129 soon" "$(signalled SIGHUP "$scratch/$file" alone)"
done
expect "to all of its group, as timeout(1) and CI send it, one is one" "code 143 soon" "$(signalled SIGTERM "$scratch/waits" group)"
if [ "$(id -u)" = 0 ]; then
  make_users
  chmod 644 "$scratch/base.tar" "$scratch/waits" "$scratch/signalled.py"
  for as in ranged single; do
    for whom in alone group; do
      expect "of $as, below a holder, $whom" "code 143 soon" "$(eval "home=\$scratch/home-\$${as}_user" && ACETATE_ROOT=$home/data ACETATE_CACHE=$home/cache && signalled SIGTERM "$scratch/waits" $whom 2>&1)"
    done
  done
fi
ended=0
build --no-cache -o type=cacheonly . <"$scratch/base/../waits" & building=$!
until grep -q ' begun' "$scratch/log" 2>/dev/null; do sleep 0.1; done
kill -INT $building
sleep 1
kill -0 $building 2>/dev/null || ended=1
kill -TERM $building
wait $building || true
expect "who was started with SIGINT ignored, as a script's background jobs are, does not hear it" 0 $ended

say "odd surroundings"
mkdir "$scratch/gone"
expect "in a directory that is gone" built "$(cd "$scratch/gone" && rmdir "$scratch/gone" && printf 'FROM base\nRUN echo hi\n' | build -o type=cacheonly "$scratch/ctx" && echo built || cat "$scratch/log")"
mkdir "$scratch/gone"
expect "and a volume below it is refused" "1 said" "$(cd "$scratch/gone" && rmdir "$scratch/gone" && code=0 && { printf 'FROM base\nRUN echo hi\n' | build -v ./x:/x -o type=cacheonly "$scratch/ctx" || code=$?; } && echo "$code $(said 'the directory we are in')")"
for odd in "$scratch/nobody/made" "$scratch/ctx/one" relative ""; do
  rm -rf "$ACETATE_ROOT/run"  # what is known of runtimes
  expect "TMPDIR=$odd" built "$(export TMPDIR="$odd"; printf 'FROM base\nRUN echo hi\n' | build --no-cache -o type=cacheonly . && echo built || cat "$scratch/log")"
done

say "what may not be read"
mkdir -p "$scratch/closed/shut" "$scratch/nobody"
echo secret >"$scratch/closed/key"
chmod 0 "$scratch/closed/key" "$scratch/closed/shut"
stranger=
[ "$(id -u)" != 0 ] || { chown 65534:65534 "$scratch/nobody" && stranger="setpriv --reuid=65534 --regid=65534 --clear-groups"; }
# closed FILE WHAT: what a build says that copies it
closed() { printf 'FROM scratch\nCOPY %s /\n' "$1" | $stranger env ACETATE_ROOT="$scratch/nobody/data" ACETATE_CACHE="$scratch/nobody/cache" acetate build -f - -o type=cacheonly "$scratch/closed" 2>&1 | grep '^acetate: ' || true; }
expect "a file of the context that may not be read is named" "acetate: failed to solve: reading /key: Permission denied" "$(closed .)"
rm -f "$scratch/closed/key"
expect "a directory too" "acetate: failed to solve: reading /shut: Permission denied" "$(closed .)"
chmod 700 "$scratch/closed/shut"

say "names that are none"
digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
printf 'FROM scratch\nCOPY one /\n' >Dockerfile
expect_failure "an image that is built has no digest beforehand" 1 'has a digest, which follows from the image' acetate build -t "some@$digest" .
expect_failure "nor one that is exported" 1 'has a digest, which follows from the image' acetate build -o "type=oci,dest=$scratch/out,name=some@$digest" .
acetate build -q -t some . >/dev/null
acetate save -o "$scratch/some.tar" some
expect_failure "nor one that is loaded" 125 'has a digest, which follows from the image' acetate load -i "$scratch/some.tar" -t "some@$digest"
expect_failure "nor one that is tagged" 125 'has a digest, which follows from the image' acetate tag some "some@$digest"
expect_failure "an argument too many is told by its name, a dot too" 2 'not expected: \.$' acetate build . .

say "a Dockerfile elsewhere"
mkdir "$scratch/elsewhere" "$scratch/linked"
cp Dockerfile "$scratch/elsewhere/Dockerfile"
ln -s ../elsewhere/Dockerfile "$scratch/linked/Dockerfile"
expect_failure "a link that leads out of the context is told as one" 1 'Dockerfile is a symbolic link that leads to no file of the context' acetate build "$scratch/linked"
expect_failure "by its name too" 1 'Dockerfile is a symbolic link that leads to no file of the context' acetate build -f "$scratch/linked/Dockerfile" "$scratch/linked"

finish
