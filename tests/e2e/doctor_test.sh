#!/bin/sh
# acetate doctor: each thing it looks at taken away, as its table and its JSON tell it, with the way out; exit code 0 when all is well, 1 when something is missing that
# can be done without, 2 when something is needed.
#
# usage: doctor_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools acetate fuse-overlay setpriv python3
[ ! -c /dev/net/tun ] || chmod 666 /dev/net/tun

# says WHAT CODE CHECK STATE FOUND FIX COMMAND...: CODE and the three of that check, FOUND and FIX as extended regular expressions; the table says the same. Whatever is not well has a way out.
says() {
  what=$1 code=$2 check=$3 state=$4 found=$5 fix=$6
  shift 6
  got=0
  "$@" acetate doctor --format json >"$scratch/json" 2>"$scratch/err" || got=$?
  if [ "$code" != any ] && [ "$got" != "$code" ]; then fail "$what: exit code $got instead of $code: $(tr -d '\n' <"$scratch/json") $(cat "$scratch/err")"; return; fi
  python3 - "$scratch/json" "$check" "$state" "$found" "$fix" "$got" >"$scratch/out" 2>&1 <<'P' && pass "$what" || fail "$what: $(cat "$scratch/out")"
import json, re, sys
path, check, state, found, fix, code = sys.argv[1:]
checks = json.load(open(path))
for each in checks:
    assert list(each) == ["check", "state", "found", "fix"], each
    assert each["state"] in ("ok", "degraded", "bad"), each
    if each["state"] != "ok" : assert each["found"] and each["fix"], f"no way out: {each}"
worst = max(("ok", "degraded", "bad").index(each["state"]) for each in checks)
assert worst == int(code), f"exit code {code}, and the worst is {worst}"
one = [each for each in checks if each["check"] == check]
assert len(one) == 1, [each["check"] for each in checks]
assert one[0]["state"] == state and re.search(found, one[0]["found"]) and re.search(fix, one[0]["fix"]), one[0]
P
  case $state in ok) mark=✓ ;; degraded) mark=! ;; bad) mark=✗ ;; esac
  "$@" acetate doctor >"$scratch/table" 2>"$scratch/err" || true
  expect_match "$what, in the table" "^$mark $check  +.*$found" "$(cat "$scratch/table")"
  [ "$state" = ok ] || expect_match "$what, with the way out" "^ +-> .*$fix" "$(cat "$scratch/table")"
}

make_users
HOME=$scratch/home-root
export HOME
mkdir "$HOME"
plain() { "$@"; }

# without PROGRAM... -- AS COMMAND...: where these are not there
: >"$scratch/nothing"
mkdir "$scratch/nothing-in-it"
without() {
  programs=
  while [ "$1" != -- ]; do programs="$programs $1"; shift; done
  shift
  unshare -m sh -ec '. "$0"; for program in $1; do p=$(command -v "$program") && mount --bind "$scratch/nothing" "$p"; done; shift; "$@"' "$scratch/as.sh" "$programs" "$@"
}
# prepared SHELL-COMMANDS AS COMMAND...: after these, as root in a mount namespace
prepared() { unshare -m sh -ec '. "$0"; eval "$1"; shift; "$@"' "$scratch/as.sh" "$@"; }
cat >"$scratch/as.sh" <<END
scratch=$scratch PATH=$PATH HOME=$HOME
$(sed -n '/^as_user()/,/^}/p' "$here/lib.sh")
ranged() { as_user $ranged_user "\$@"; }
single() { as_user $single_user "\$@"; }
plain() { "\$@"; }
END

say "as it is"
tools=any
if command -v runc >/dev/null && command -v pasta >/dev/null && command -v fusermount3 >/dev/null && [ -c /dev/net/tun ]; then tools=0; fi
says "root" "$tools" "user ids" ok "running as root" "" plain
says "a kernel" any kernel ok "$(uname -r)" "" plain
says "the daemon" any fuse-overlay ok "version" "" plain
says "our launcher" any native ok "ran a container" "" single
says "a user with a range" any "user ids" ok "65536 subordinate user ids" "" ranged
says "one without" 1 "user ids" degraded "one only: .*/etc/subuid" "usermod --add-subuids" single
says "whose limits are not kept" 1 limits degraded "are not kept" "" single

say "taken away"
says "newuidmap" 1 "user ids" degraded "newuidmap is not installed$" "apt install uidmap" without newuidmap newgidmap -- ranged
says "the runtimes" any runc ok "not needed, and does not work" "" without runc -- plain
says "pasta and slirp4netns: the first" 1 pasta degraded "pasta" "apt install passt" without pasta slirp4netns -- plain
says "and the second" 1 slirp4netns degraded "slirp4netns" "apt install slirp4netns" without pasta slirp4netns -- plain
says "fusermount3" 1 "acetate mount" degraded "outside of namespaces" "apt install fuse3" without fusermount3 fusermount -- ranged
says "the daemon" 2 fuse-overlay bad "is not a program" "ACETATE_FUSE_OVERLAY" plain env ACETATE_FUSE_OVERLAY=/no/such
says "one that does not run" 2 fuse-overlay bad "/bin/false does not run" "ACETATE_FUSE_OVERLAY" plain env ACETATE_FUSE_OVERLAY=/bin/false
# A file of that name that nobody may open.
says "/dev/fuse" any "/dev/fuse" degraded "layers are unpacked" "modprobe fuse; chmod 666" \
  prepared 'mkdir -p "$scratch/dev"; : >"$scratch/dev/fuse"; chmod 0 "$scratch/dev/fuse"; mount --bind "$scratch/dev/fuse" /dev/fuse' ranged
says "a new /proc" 1 /proc degraded "a container sees our processes" "systempaths=unconfined" single unshare -Urm sh -c 'mount --bind /dev/null /proc/version && exec "$@"' sh
says "user namespaces" 2 "user namespaces" bad "max_user_namespaces is 0.*What works without" "sysctl -w user.max_user_namespaces" \
  single unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all "$@"' sh
says "cgroups" any limits degraded "there are no cgroups here" "mount -t cgroup2" prepared 'umount -R -l /sys/fs/cgroup; mount --bind "$scratch/nothing-in-it" /sys/fs' plain

say "where everything is kept"
says "nowhere" 2 storage bad "/proc/nowhere" "set ACETATE_ROOT" plain env ACETATE_ROOT=/proc/nowhere
says "hardly any room" any storage degraded "0.0 GB free" "make room" prepared 'mkdir -p $scratch/small; mount -t tmpfs -o size=8m,mode=777 none $scratch/small' plain env "ACETATE_ROOT=$scratch/small"
says "no attributes" any attributes degraded "no user.* attributes" "another file system" prepared 'mkdir -p $scratch/ram; mount -t ramfs none $scratch/ram' plain env "ACETATE_ROOT=$scratch/ram"
expect_failure "what it does not know" 2 "json" acetate doctor --format yaml
expect "nothing is left" "" "$(ls -d "$scratch"/home-*/.local/share/acetate/run/run-* "$scratch"/home-*/.local/share/acetate/.doctor* 2>/dev/null || true)"
expect "and nothing mounted" "" "$(grep -F "$scratch" /proc/self/mountinfo || true)"
finish
