# What the end-to-end scripts share: a scratch directory, checks that count, users with and without a subordinate
# range, and leaving nothing behind. Sourced with the directories of our programs, colon-separated, in $1.
#
# Exit code 77 is "skipped"; the last line printed is the reason.

PATH=$1:$PATH
export PATH
scratch=$(mktemp -d "${TMPDIR:-/tmp}/acetate-e2e.XXXXXX")
chmod 755 "$scratch"
failures=0
checks=0

say() { printf -- '-- %s\n' "$*"; }
skip() { echo "$*"; exit 77; }

cleanup() {
  # Whatever is still mounted below the scratch directory, deepest first.
  awk -v below="$scratch/" 'index($5, below) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r target; do
    umount -l "$target" 2>/dev/null || true
  done
  for user in ${test_users:-}; do one_by_one forget_user "$user"; done
  for group in ${test_groups:-}; do one_by_one groupdel "$group" 2>/dev/null || true; done
  # A daemon that is ending may write down one thing more: what was mounted may have been seen in a namespace that somebody else just made.
  rm -rf "$scratch" 2>/dev/null || { sleep 1; rm -rf "$scratch"; }
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

need_root() { [ "$(id -u)" = 0 ] || skip "needs root, to make users with and without a subordinate range"; }
need_fuse() {
  [ -c /dev/fuse ] || skip "there is no /dev/fuse"
  [ "$(stat -c %a /dev/fuse)" = 666 ] || chmod 666 /dev/fuse 2>/dev/null || skip "/dev/fuse is not open to everybody and cannot be made so"
}
need_userns() { setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Ur true 2>/dev/null || skip "user namespaces are not to be had here"; }
need_runtime() { command -v runc >/dev/null || command -v crun >/dev/null || skip "neither runc nor crun is installed"; }
# need_to_build: what a build with RUN steps on a busybox needs, as whoever we are; sets busybox_program
need_to_build() {
  need_fuse
  need_tools busybox
  need_runtime
  if [ "$(id -u)" != 0 ]; then unshare -Ur true 2>/dev/null || skip "user namespaces are not to be had here"; fi
  busybox_program=$(command -v busybox)
  if ldd "$busybox_program" >/dev/null 2>&1; then skip "busybox is not statically linked (busybox-static is)"; fi
}
need_tools() { for tool in "$@"; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done; }

pass() { checks=$((checks + 1)); printf 'ok   %s\n' "$1"; }
fail() { checks=$((checks + 1)); failures=$((failures + 1)); printf 'FAIL %s\n' "$1"; }
# expect WHAT WANTED GOT
expect() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1: wanted <$2>, got <$3>"; fi; }
# expect_match WHAT EXTENDED-REGEX GOT
expect_match() { if printf '%s\n' "$3" | grep -Eq -- "$2"; then pass "$1"; else fail "$1: wanted something like <$2>, got <$3>"; fi; }
# expect_failure WHAT CODE(or "any") REGEX COMMAND...: a clear sentence and a non-zero exit
expect_failure() {
  what=$1 wanted=$2 regex=$3
  shift 3
  got=0
  "$@" >"$scratch/failure.out" 2>&1 || got=$?
  if [ "$got" = 0 ]; then fail "$what: succeeded"; return; fi
  if [ "$wanted" != any ] && [ "$got" != "$wanted" ]; then fail "$what: exit code $got instead of $wanted: $(head -c 300 "$scratch/failure.out")"; return; fi
  expect_match "$what" "$regex" "$(cat "$scratch/failure.out")"
}
finish() {
  printf '%s checks, %s failed\n' "$checks" "$failures"
  [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
}

# The acetate that a background subshell of ours became or started.
child_of() {
  if tr '\0' ' ' <"/proc/$1/cmdline" | grep -q '^[^ ]*acetate run'; then echo "$1"; return; fi
  for below in $(cat "/proc/$1/task/$1/children"); do child_of "$below"; return; done
}

# umount_left DIR: of what a daemon that is ending may still have open
umount_left() {
  tries=0
  until umount "$1" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { umount "$1"; return; }
    sleep 0.1
  done
}

# busybox_in DIR APPLET...: a static busybox in DIR/bin, and those of its applets by their names
busybox_in() {
  busybox_bin=$1/bin
  shift
  mkdir -p "$busybox_bin"
  cp "$(command -v busybox)" "$busybox_bin/busybox"
  for applet in "$@"; do ln -s busybox "$busybox_bin/$applet"; done
}

# programs_in DIR PROGRAM...: programs of this machine in DIR/usr/local/bin, without what is for debuggers, and the libraries they are linked with.
programs_in() {
  programs_root=$1
  shift
  for program in "$@"; do
    program=$(readlink -f "$(command -v "$program")")
    install -D -m 755 "$program" "$programs_root/usr/local/bin/${program##*/}"
    strip "$programs_root/usr/local/bin/${program##*/}" 2>/dev/null || true
    # The C library loads libgcc_s when a thread ends before its function does, and aborts without.
    { ldd "$program" 2>/dev/null || true; cc -print-file-name=libgcc_s.so.1 2>/dev/null | xargs -r readlink -f; } | grep -o '/[^ ]*' | while read -r library; do
      [ -e "$programs_root$library" ] || install -D -m 755 "$(readlink -f "$library")" "$programs_root$library"
    done
  done
}

# debian_rootfs: the path of a real Debian root filesystem with python3 and gcc, 30,000+ entries, as .tar.gz. Made once for all
# scripts, in .cache/ of the checkout, from the archives of this machine's own apt list.
debian_rootfs() {
  command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
  cache=$(cd "$here/../.." && pwd)/.cache/e2e
  mkdir -p "$cache"
  (
    flock 9
    [ -e "$cache/debian.tar.gz" ] && exit 0
    debian_sources >"$cache/debian.list"
    [ -s "$cache/debian.list" ] || exit 0
    say "making a Debian root filesystem (mmdebstrap)" >&2
    # In a directory anybody may search, since mmdebstrap drops privileges for parts of it.
    made=$scratch/debian.tar
    mmdebstrap --quiet --variant=minbase --include=python3,gcc,libc6-dev,git,vim,perl,libboost-dev \
      bookworm "$made" "$cache/debian.list" >"$cache/mmdebstrap.log" 2>&1 || { tail -n 5 "$cache/mmdebstrap.log" >&2; exit 0; }
    gzip -1 "$made"
    mv "$made.gz" "$cache/debian.tar.gz"
  ) 9>"$cache/lock"
  [ -e "$cache/debian.tar.gz" ] || skip "mmdebstrap could not make a Debian root filesystem: no archive within reach"
  # The checkout may lie where other users cannot look.
  ln "$cache/debian.tar.gz" "$scratch/debian.tar.gz" 2>/dev/null || cp "$cache/debian.tar.gz" "$scratch/debian.tar.gz"
  chmod 644 "$scratch/debian.tar.gz"
}

# debian_debs PACKAGE...: they and what they need beyond that root filesystem, as $scratch/debs/*.deb
debian_debs() {
  mkdir -p "$scratch/debs/partial"
  tar -C "$scratch/debs/partial" -xzf "$scratch/debian.tar.gz" --wildcards --no-anchored 'var/lib/dpkg/status' || return 1
  apt-get -qq -y --no-install-recommends --download-only -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o "Dir::State::Status=$scratch/debs/partial/var/lib/dpkg/status" \
    -o "Dir::Cache::Archives=$scratch/debs" install "$@" >"$scratch/debs.log" 2>&1 || { say "no packages to be had: $(tail -n 1 "$scratch/debs.log")"; return 1; }
  rm -rf "$scratch/debs/partial"
}

# The Debian archives of this machine's own list, in either format, for mmdebstrap.
debian_sources() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | grep '^deb ' | grep '/debian' || true
  for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] || continue
    uri=$(sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' "$list" | grep '/debian/*$' | head -n 1 || true)
    [ -n "$uri" ] && echo "deb $uri bookworm main"
  done | head -n 1
}

# one_by_one COMMAND...: what writes the machine's files of users, which scripts that run side by side share
one_by_one() { (flock 9; "$@") 9>/run/acetate-test-users.lock; }
forget_user() {
  userdel "$1" 2>/dev/null || true
  sed -i "/^$1:/d" /etc/subuid /etc/subgid 2>/dev/null || true
}
add_user() { # NAME with|without
  useradd --create-home --home-dir "$scratch/home-$1" --shell /bin/sh "$1" 2>/dev/null || return 1
  sed -i "/^$1:/d" /etc/subuid /etc/subgid 2>/dev/null || true
  if [ "$2" = with ]; then
    echo "$1:1500000:65536" >>/etc/subuid
    echo "$1:1500000:65536" >>/etc/subgid
  fi
}

# make_user NAME with|without: an ordinary user, with 65536 subordinate ids or none.
make_user() {
  # Where podman, buildah and skopeo put what is big, whatever TMPDIR says: open to everybody, as on every distribution (file-hierarchy(7)).
  [ "$(stat -c %a /var/tmp)" = 1777 ] || chmod 1777 /var/tmp 2>/dev/null || skip "/var/tmp is not open to everybody and cannot be made so"
  command -v useradd >/dev/null || skip "useradd is not installed"
  one_by_one add_user "$1" "$2" || skip "could not make the user $1"
  test_users="${test_users:-} $1"
}
as_user() { # NAME COMMAND...
  as_name=$1
  shift
  (cd "$scratch/home-$as_name" && setpriv --reuid="$as_name" --regid="$as_name" --init-groups env -i PATH="$PATH" HOME="$scratch/home-$as_name" USER="$as_name" \
    LANG=C.UTF-8 TERM=dumb "$@")
}
# The two that every rootless check is made with. Call make_users first, in the script itself and not in a subshell,
# so that they are known when the script ends; their names carry its number, since scripts run side by side.
make_users() {
  ranged_user=act-r$$ single_user=act-s$$
  make_user "$ranged_user" with
  make_user "$single_user" without
}
ranged() { as_user "$ranged_user" "$@"; }
single() { as_user "$single_user" "$@"; }
