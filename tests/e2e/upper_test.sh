#!/bin/sh
# The same by both keepers of what is written: our daemon, and the kernel's overlay above our layers. Runs, kept containers that go
# on under the other one, layers that builds make; as root, with a subordinate range and with one id.
#
# usage: upper_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay busybox setpriv

mkdir -p "$scratch/base/bin" "$scratch/base/etc" "$scratch/base/dir/sub" "$scratch/base/full/deep"
busybox_in "$scratch/base" sh ls cat echo rm mkdir touch chown chmod stat id sleep true mv ln find mknod cp dd test du
for name in one two moved linked owned; do echo "$name" >"$scratch/base/dir/$name"; done
ln "$scratch/base/dir/linked" "$scratch/base/dir/linked-too"
echo three >"$scratch/base/full/three"
echo deep >"$scratch/base/full/deep/file"
tar -C "$scratch/base" --owner=0 --group=0 --sort=name --mtime=@1000000000 -czf "$scratch/base.tar.gz" .
chmod 644 "$scratch/base.tar.gz"
base=$scratch/base.tar.gz

# Everything that an overlay has a way of its own to write down.
cat >"$scratch/work.sh" <<'EOF'
set -e
echo changed >/dir/one
rm /dir/two
mv /dir/moved /dir/sub/moved
echo more >>/dir/linked
chmod 4750 /dir/owned
chown 7:8 /dir/owned
mkdir -p /made/in
echo new >/made/in/new
ln /made/in/new /made/in/name
ln -s new /made/in/link
mknod /made/in/fifo p
chmod 1777 /made
rm -r /full
mkdir /full
echo four >/full/four
cp -a /dir/sub /copied
dd if=/dev/zero of=/made/holes bs=1k count=1 seek=1000 2>/dev/null
touch /gone; rm /gone
ln -s /dir /dir/sub/up
EOF
cp "$scratch/work.sh" "$scratch/base/work.sh"
cat >"$scratch/Dockerfile" <<'EOF'
FROM base
COPY work.sh /work.sh
RUN sh /work.sh
RUN rm -r /made/in && mkdir /made/in && echo again >/made/in/new && rm /full/four
RUN --network=none mv /copied /renamed && chmod 700 /dir && test ! -e /dir/two
EOF
chmod 644 "$scratch/work.sh" "$scratch/Dockerfile"

# What a tree is to whoever looks at it, without times of directories and numbers of inodes.
look='cd /; find bin dir full made copied -exec stat -c "%n %F %a %u:%g %h" {} + | while read -r line; do echo "$line"; done; cat dir/one dir/linked dir/linked-too dir/sub/moved full/four made/in/name; test ! -e dir/two; test ! -e full/three'

suite() { # AS NAME
  as=$1 name=$2
  say "$name"
  expect "$name: the kernel keeps it" "overlay / overlay" "$($as acetate run --upper=kernel "$base" cat /proc/mounts 2>&1 | grep -o '^overlay / overlay')"
  # Which programs for 32 bits can take, and those that keep them as doubles.
  numbers() { $as acetate run --upper="$1" "$base" stat -c '%n %i' /dir/one /full/deep/file /bin/busybox; }
  expect "$name: files below have the same numbers" "$(numbers own)" "$(numbers kernel)"
  for first in own kernel; do
    $as acetate run --upper=$first --keep $first -v "$scratch/work.sh:/work.sh:ro" "$base" sh /work.sh
    $as acetate diff $first >"$scratch/$first.diff"
    $as acetate run --upper=$first $first sh -c "$look" 2>&1 | sort >"$scratch/$first.look"
    $as acetate export $first | tar -tvf - 2>/dev/null | grep -v ' \./\?$' | sed 's/ 20[0-9-]* [0-9:]* / /' >"$scratch/$first.export"
    $as acetate commit -o $first.tar $first >/dev/null
  done
  # With one id ours records whom a file was given to, and the kernel's cannot.
  if [ "$name" = single ]; then
    expect_match "single: ours records an owner" '7/8 .* dir/owned$' "$(cat "$scratch/own.export")"
    sed -i '/dir\/owned/d' "$scratch"/own.look "$scratch"/kernel.look "$scratch"/own.export "$scratch"/kernel.export
  fi
  expect "$name: the same changes" "" "$(diff "$scratch/own.diff" "$scratch/kernel.diff")"
  expect "$name: some" yes "$(grep -q '^D /dir/two$' "$scratch/own.diff" && echo yes)"
  expect "$name: the same tree" "" "$(diff "$scratch/own.look" "$scratch/kernel.look")"
  expect "$name: and all of it" four "$(grep -x four "$scratch/own.look")"
  expect "$name: the same export" "" "$(diff "$scratch/own.export" "$scratch/kernel.export")"
  # Each goes on with what the other wrote.
  $as acetate run --upper=kernel own sh -c 'rm /dir/one; mkdir /dir/one; rm -r /made; echo 2 >/full/five'
  $as acetate run --upper=own kernel sh -c 'rm /dir/one; mkdir /dir/one; rm -r /made; echo 2 >/full/five'
  expect "$name: changed once more by the other" "$($as acetate diff own)" "$($as acetate diff kernel)"
  $as acetate rm own kernel >/dev/null

  for upper in own kernel auto; do
    $as env ACETATE_ROOT="$($as sh -c pwd)/build-$upper" acetate build -q --upper=$upper --build-context base="$base" -f "$scratch/Dockerfile" "$scratch/context" >"$scratch/$upper.id" 2>&1 || cat "$scratch/$upper.id"
    $as env ACETATE_ROOT="$($as sh -c pwd)/build-$upper" acetate build -q --upper=$upper --trace-cache=on --no-cache --build-context base="$base" -f "$scratch/Dockerfile" "$scratch/context" >"$scratch/$upper.traced" 2>&1 ||
      cat "$scratch/$upper.traced"
  done
  expect_match "$name: an image was built" '^sha256:' "$(cat "$scratch/own.id")"
  [ "$name" = single ] || expect "$name: the same image" "$(cat "$scratch/own.id")" "$(cat "$scratch/kernel.id")"
  expect "$name: the same where it is left to us" "$(cat "$scratch/own.id")" "$(cat "$scratch/auto.id")"
  for upper in own kernel auto; do expect "$name: the same when what it looks at is recorded" "$(cat "$scratch/$upper.id")" "$(cat "$scratch/$upper.traced")"; done
}

# Of a step with a network, of one without, and of one with every capability.
keepers() { # OPTION...
  $as env ACETATE_ROOT="$($as sh -c pwd)/keepers" acetate build --progress plain --no-cache --allow security.insecure "$@" --build-context base="$base" \
    -f "$scratch/Dockerfile.keepers" "$scratch/context" 2>&1 | sed -n 's/^#[0-9]* [0-9.]* \([^ ]*\) \/ .*/\1/p' | sed 's/^overlay$/kernel/; t; s/.*/own/' | tr '\n' ' '
}
printf 'FROM base\nRUN cat /proc/mounts\nRUN --network=none cat /proc/mounts\nRUN --security=insecure cat /proc/mounts\n' >"$scratch/Dockerfile.keepers"
chmod 644 "$scratch/Dockerfile.keepers"

who_keeps_steps() { # AS NAME
  as=$1 name=$2
  say "$name: who keeps what a step writes"
  with_network=kernel
  [ "$name" = single ] && with_network=own # which notes owners
  expect "$name: the kernel, where nothing is recorded" "$with_network own own " "$(keepers)"
  expect "$name: ours, where it is recorded" "own own own " "$(keepers --trace-cache=on)"
  expect "$name: the kernel, where nothing ever is" "$with_network $with_network own " "$(keepers --trace-cache=off)"
  expect "$name: ours, asked for" "own own own " "$(keepers --upper=own)"
  expect "$name: the kernel, asked for" "kernel kernel kernel " "$(keepers --upper=kernel)"
}

# What no path may break, and what a killed command leaves.
odd_places() {
  odd="$scratch/odd, with: a\\backslash"
  mkdir "$odd"
  expect "a path with commas and colons" changed "$(ACETATE_ROOT=$odd acetate run --upper=kernel "$base" sh -c 'echo changed >/dir/one; cat /dir/one' 2>&1)"
  expect "leaves nothing" "" "$(ls -A "$odd/run" | grep '^run-' || true)"

  mkfifo "$scratch/up"
  acetate run --upper=kernel --keep cut -v "$scratch/up:/up" "$base" sh -c 'echo half >/dir/half; echo up >/up; exec sleep 86397' &
  pid=$!
  read -r _ <"$scratch/up"
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null || true
  tries=0
  while acetate ps --noheading | grep -q running && [ $tries -lt 200 ]; do tries=$((tries + 1)); sleep 0.05; done
  expect "killed, it goes on" half "$(acetate run --upper=kernel cut cat /dir/half 2>/dev/null)"
  expect "with ours too" half "$(acetate run cut cat /dir/half 2>/dev/null)"
  expect "no mount is left" "" "$(grep -F "$HOME" /proc/self/mountinfo || true)"
  acetate rm cut >/dev/null
}

# What a step wrote while its layers were errors is not believed, however it ended.
layers_lost() {
  ACETATE_ROOT=$scratch/lost
  export ACETATE_ROOT
  printf 'FROM base\nRUN mkdir /own; echo up; read -r _ </gate/go; cat /dir/one >/own/one 2>/dev/null; true\n' >"$scratch/Dockerfile.lost"
  mkdir "$scratch/gate"
  mkfifo "$scratch/gate/go"
  acetate build --upper=kernel --trace-cache=off --progress=plain -v "$scratch/gate:/gate" --build-context base="$base" -f "$scratch/Dockerfile.lost" "$scratch/context" >"$scratch/lost.log" 2>&1 &
  pid=$!
  exec 8<>"$scratch/gate/go"
  while kill -0 $pid 2>/dev/null && ! grep -Eq '^#[0-9]+ [0-9.]+ up' "$scratch/lost.log"; do sleep 0.05; done
  for daemon in $(pgrep -x fuse-overlay); do
    if { tr '\0' '\n' <"/proc/$daemon/cmdline"; } 2>/dev/null | grep -q "^$scratch/lost/.*/layers$"; then kill -KILL "$daemon"; fi
  done
  echo go >&8
  code=0
  wait $pid || code=$?
  exec 8>&-
  expect "a step whose layers were lost fails" 1 $code
  expect_match "and it is said why" 'layers was lost: fuse-overlay was killed by SIGKILL' "$(cat "$scratch/lost.log")"
  unset ACETATE_ROOT
}

# Where the kernel's overlay is not to be had: a file system that cannot be its upper is one, here another overlay.
refused() {
  mkdir -p "$scratch/fat/lower" "$scratch/fat/root"
  fuse-overlay -o "lowerdir=$scratch/fat/lower,upperdir=$scratch/fat/lower.up,workdir=$scratch/fat/lower.work" "$scratch/fat/root"
  expect_failure "kernel: an error" 125 "kernel's overlay cannot keep what is written here" env ACETATE_ROOT="$scratch/fat/root" acetate run --upper=kernel "$base" true
  expect "auto: ours" one "$(ACETATE_ROOT=$scratch/fat/root acetate run --upper=auto "$base" cat /dir/one 2>&1)"
  expect_match "auto: says so when asked" "our daemon keeps what is written" "$(ACETATE_ROOT=$scratch/fat/root acetate run --verbose --upper=auto "$base" true 2>&1)"
  umount "$scratch/fat/root"
  expect_failure "ids in another order: an error" 125 "keep-id" ranged acetate run --upper=kernel --userns keep-id "$base" true
  expect "ids in another order: ours" one "$(ranged acetate run --upper=auto --userns keep-id "$base" cat /dir/one 2>&1)"
  expect_match "doctor tells" "kernel upper +--upper=kernel works" "$(acetate doctor 2>&1 || true)"
}

make_users
mkdir "$scratch/context" "$scratch/fat" "$scratch/fat/lower.up" "$scratch/fat/lower.work"
cp "$scratch/work.sh" "$scratch/context/work.sh"
chmod 755 "$scratch/context"
plain() { (cd "$HOME" && "$@"); }
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
for who in plain ranged single; do
  suite $who $who
  who_keeps_steps $who $who
done
say "odd places"
odd_places
say "layers lost"
layers_lost
say "refused"
refused
finish
