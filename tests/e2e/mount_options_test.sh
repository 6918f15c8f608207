#!/bin/sh
# Every option of fuse-overlay(1) on a real mount, by what it does; and the table of differences there, row by row as far as a mount can
# show them, beside Debian's fuse-overlayfs 1.10 where it is installed.
#
# usage: mount_options_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools setpriv setfattr getfattr python3

peer=/usr/bin/fuse-overlayfs  # our build has a link of that name
if [ -x "$peer" ] && "$peer" --version 2>/dev/null | grep -q '^fuse-overlayfs: version 1'; then :; else
  peer=
  say "fuse-overlayfs is not installed: its side of the table is left out"
fi
daemon=fuse-overlay
base=$scratch/base m=$scratch/base/m
mkdir "$base"
fresh() {
  umount "$m" 2>/dev/null || true
  rm -rf "$base"
  mkdir -p "$base/low/dir/sub" "$base/top" "$base/upper" "$base/work" "$m"
  echo low >"$base/low/file"
  ln "$base/low/file" "$base/low/second"
  echo top >"$base/top/top"
  chown 1000:1000 "$base/low/file"
}
# try OPTIONS: a fresh writable mount with these; its words are in $said
try() {
  fresh
  code=0
  said=$(cd "$base" && "$daemon" -o "lowerdir=top:low,upperdir=upper,workdir=work${1:+,$1}" m 2>&1 </dev/null) || code=$?
  # What its libfuse puts in front of everything.
  [ "$daemon" != "$peer" ] || said=$(echo "$said" | grep -v 'ignored: lazytime$' || true)
}
# quiet_try OPTIONS: and it says nothing
quiet_try() {
  try "$1"
  [ $code = 0 ] && [ -z "$said" ] || fail "$1: exit code $code, '$said'"
}
flags() { awk -v at="$m" '$5 == at {for (i = 7; i <= NF; ++i) if ($i == "-") print "," $6 "," $(i + 3) ","}' /proc/self/mountinfo; }
errno_of() { python3 -c 'import errno, os, sys
try: eval(sys.argv[1])
except OSError as e: print(errno.errorcode[e.errno])
else: print("done")' "$1"; }
# user::rw-, user:1:r--, group::---, mask::r--, other::---
acl=0200000001000600ffffffff020004000100000004000000ffffffff10000400ffffffff20000000ffffffff
covered=
asks() { covered="$covered $*"; }

say "layers"
asks lowerdir upperdir workdir
quiet_try ""
expect "lowerdir: the first is on top, both show" "low top" "$(cat "$m/file" "$m/top" | tr '\n' ' ' | sed 's/ $//')"
echo new >"$m/new"
expect "upperdir: changes go there" new "$(cat "$base/upper/new")"
expect "workdir: its own directory is below it" work "$(ls "$base/work")"
fresh; (cd "$base" && "$daemon" -o lowerdir=top:low m)
expect "without an upperdir it is read-only" EROFS "$(errno_of "open('$m/x', 'w')")"
fresh
expect_failure "an upperdir without a workdir" 1 "workdir not specified" "$daemon" -o "lowerdir=$base/low,upperdir=$base/upper" "$m"
expect_failure "a workdir that is not there" 1 "no-such" "$daemon" -o "lowerdir=$base/low,upperdir=$base/upper,workdir=$base/no-such" "$m"
expect_failure "a lowerdir that is not there" 1 "no-such" "$daemon" -o "lowerdir=$base/no-such" "$m"
expect_failure "no lowerdir" 1 "lowerdir not specified" "$daemon" "$m"
expect_failure "a layer for data alone" 1 "'::'" "$daemon" -o "lowerdir=$base/top::$base/low" "$m"
expect_failure "a plugin" 1 "there are no plugins" "$daemon" -o "lowerdir=$base/low,plugins=/p.so" "$m"
quiet_try plugins=
say "owners"
asks uidmapping gidmapping squash_to_root squash_to_uid squash_to_gid xattr_permissions note_owners
quiet_try uidmapping=1000:7:1:0:0:1,gidmapping=:1000:8:1:0:0:1
expect "uidmapping, gidmapping: who is seen" 7:8 "$(stat -c %u:%g "$m/file")"
chown 7:8 "$m/top"
expect "uidmapping, gidmapping: who is written" 1000:1000 "$(stat -c %u:%g "$base/upper/top")"
quiet_try squash_to_root; expect squash_to_root 0:0 "$(stat -c %u:%g "$m/file")"
quiet_try squash_to_uid=5,squash_to_gid=6; expect "squash_to_uid, squash_to_gid" 5:6 "$(stat -c %u:%g "$m/file")"
quiet_try squash_to_uid=5,squash_to_root; expect "the particular one goes before" 5:0 "$(stat -c %u:%g "$m/file")"
quiet_try xattr_permissions=2
mknod "$m/null" c 1 3
expect "xattr_permissions=2: a device is a file that is described" "character special file:char-1-3" "$(stat -c %F "$m/null"):$(getfattr --only-values -n user.containers.override_stat "$base/upper/null" 2>/dev/null | sed 's/.*://')"
quiet_try xattr_permissions=1; : >"$m/f"
expect_match "xattr_permissions=1" '^0:0:0?644' "$(getfattr --only-values -n security.fuseoverlayfs.override_stat "$base/upper/f" 2>/dev/null)"
fresh; chown -R 65534 "$base" "$scratch"
(cd "$base" && setpriv --reuid=65534 --clear-groups unshare -Urm sh -ec 'fuse-overlay -o lowerdir=low,upperdir=upper,workdir=work,squash_to_root,note_owners m; setfattr -n security.acetate.owner -v 3:4 m/file; umount m') || fail "note_owners: no mount"
expect_match "note_owners: whom it was given to is noted" '^3:4:' "$(getfattr --only-values -n user.fuseoverlayfs.override_stat "$base/upper/file" 2>/dev/null)"
chown 0 "$scratch"

say "caches, and what is kept on the disk"
asks timeout writeback volatile threaded fsync sync
asked_twice() { # OPTIONS: lookups and attributes that a second look asks for
  quiet_try "$1"
  stat "$m/dir/sub" >/dev/null
  count='import json, sys; operations = json.load(sys.stdin)["operations"]; print(sum(operations.get(name, {"count": 0})["count"] for name in ("lookup", "getattr")))'
  before=$(acetate stat --json "$m" | python3 -c "$count")
  stat "$m/dir/sub" >/dev/null
  expr "$(acetate stat --json "$m" | python3 -c "$count")" - "$before" || true
}
need_tools acetate
often=$(asked_twice timeout=0) seldom=$(asked_twice "")
if [ "$often" -gt "$seldom" ]; then pass "timeout=0: the kernel asks again ($often requests, $seldom without)"; else fail "timeout=0: $often requests, $seldom without"; fi
# By one process: another's end would be a close of what it has inherited.
in_upper() { python3 -c 'import os, sys; file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT); os.write(file, b"hi\n"); print(os.stat(sys.argv[2]).st_size)' "$m/f" "$base/upper/f"; }
behind() { # OPTIONS: what the upper has of a write that nobody has closed yet
  quiet_try "$1"
  in_upper
}
expect "writeback=0, the default" "3 3" "$(behind "") $(behind writeback=0)"
expect "writeback=1: the kernel keeps it for a while" 0 "$(behind writeback=1)"
for word in volatile fsync=0 sync=0 volatile=0; do
  quiet_try $word; touch "$m/f"; umount "$m"
  expect "$word" "$([ $word = volatile ] && echo marked || echo none)" "$([ -e "$base/work/work/incompat/volatile" ] && echo marked || echo none)"
done
for word in threaded=0 threaded=1 threaded; do quiet_try $word; expect "$word" low "$(cat "$m/file")"; done

say "attributes"
asks noxattrs noacl static_nlink ino32_t xino fast_ino
quiet_try ""; setfattr -n user.x -v y "$m/file" && expect "attributes, as it is by default" y "$(getfattr --only-values -n user.x "$m/file" 2>/dev/null)"
may_read() { # OPTIONS: whether an access control list lets one in whom the mode would not
  quiet_try "$1"
  python3 -c 'import os, sys; os.setxattr(sys.argv[1], "system.posix_acl_access", bytes.fromhex(sys.argv[2]))' "$m/file" $acl
  setpriv --reuid=1 --regid=1 --clear-groups cat "$m/file" 2>/dev/null || echo no
}
expect "access control lists count, and with noacl they do not" "low no" "$(may_read "") $(may_read noacl)"
for word in noxattrs noxattrs=1; do quiet_try $word; expect "$word" ENOTSUP "$(errno_of "os.setxattr('$m/file', 'user.x', b'y')")"; done
for word in noxattrs=0 noxattrs=auto; do quiet_try $word; expect "$word, with an upper" done "$(errno_of "os.setxattr('$m/file', 'user.x', b'y')")"; done
links() { quiet_try "$1"; mkdir -p "$m/a/b" "$m/a/c"; echo "$(stat -c %h "$m/a") $(stat -c %h "$m/dir")"; }
expect "links of directories: counted in the upper, 1 where a lower takes part" "4 1" "$(links "")"
expect static_nlink "1 1" "$(links static_nlink)"
number() { quiet_try "$1"; expr "$(stat -c %i "$m/file")" - "$(stat -c %i "$base/low/file")" || true; }
expect "xino, fast_ino: numbers are the layer's with and without" 0 "$(for word in "" xino=on xino=off xino=auto fast_ino=0 fast_ino=1; do number "$word"; done | sort -u)"
quiet_try ino32_t
if [ "$(stat -c %i "$m/file")" -lt 4294967296 ]; then pass "ino32_t"; else fail "ino32_t: $(stat -c %i "$m/file")"; fi

say "directories, links, and how files are reached"
asks redirect_dir index passthrough no_open access_log
for word in redirect_dir=off redirect_dir=follow redirect_dir=nofollow; do quiet_try $word; expect "$word: a layer's directory stays" EXDEV "$(errno_of "os.rename('$m/dir', '$m/moved')")"; done
quiet_try redirect_dir=on; expect "redirect_dir=on: it goes" "done sub" "$(errno_of "os.rename('$m/dir', '$m/moved')") $(ls "$m/moved")"
quiet_try index=off; echo more >>"$m/file"; expect "index=off: copy-up parts names" low "$(cat "$m/second")"
quiet_try index=on; echo more >>"$m/file"; expect "index=on: it does not" "low more" "$(tr '\n' ' ' <"$m/second" | sed 's/ $//')"
for word in passthrough=auto passthrough=off no_open; do quiet_try $word; echo x >"$m/new"; echo y >>"$m/file"; expect "$word: files are what they are" "x low y" "$(cat "$m/new" "$m/file" | tr '\n' ' ' | sed 's/ $//')"; done
quiet_try "access_log=$scratch/log"; cat "$m/file" >/dev/null; umount "$m"
while [ ! -e "$scratch/log" ]; do sleep 0.02; done
expect_match "access_log" "^[a-z]*o[a-z]* file$" "$(tr '\0' '\n' <"$scratch/log")"

say "what is mounted"
asks ro allow_other allow_root default_permissions suid dev exec fsname
quiet_try ro; expect_match "ro" ",ro," "$(flags)"; expect "ro, with an upper" EROFS "$(errno_of "open('$m/x', 'w')")"
quiet_try ""; expect_match "by default, as root" ",rw,.*noatime.*default_permissions.*allow_other" "$(flags)"
expect "suid by default, and no devices" "suid nodev" "$(case $(flags) in *nosuid*) echo nosuid ;; *) echo suid ;; esac) $(case $(flags) in *,nodev,*) echo nodev ;; *) echo dev ;; esac)"
quiet_try nosuid,noexec; expect_match "nosuid, noexec" ",nosuid,.*noexec" "$(flags)"
quiet_try dev,exec,suid,noatime,default_permissions,allow_other; case $(flags) in *,nodev,*) fail "dev: $(flags)" ;; *) pass dev ;; esac
quiet_try allow_root; case $(flags) in *allow_other*) pass "allow_root (libfuse's, by allow_other)" ;; *) fail "allow_root: $(flags)" ;; esac
quiet_try fsname=mine; expect "fsname" mine "$(awk -v at="$m" '$5 == at {for (i = 7; i <= NF; ++i) if ($i == "-") print $(i + 2)}' /proc/self/mountinfo)"
for word in atime diratime nodiratime splice_read splice_write splice_move kernel_cache max_write 'context="a:b:c1,c2"'; do
  quiet_try "$word"; expect "$word: no word about it" low "$(cat "$m/file")"
done
for word in rw relatime lazytime private slave metacopy=on userxattr nonempty auto_unmount clone_fd max_threads=4 max_write=4 no-such; do
  try "$word"; expect "$word: nobody knows it, and that is told" "0 unknown argument ignored: $word low" "$code $said $(cat "$m/file")"
done
fresh; expect "-s" "unknown argument ignored: -s" "$("$daemon" -s -o "lowerdir=$base/low" "$m" 2>&1)"
fresh; FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT=1 "$daemon" -o "lowerdir=$base/low,upperdir=$base/upper,workdir=$base/work" "$m"; rm "$m/file"
expect "FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT" .wh.file "$(ls -A "$base/upper")"

say "the command"
expect_match "--version" "^$daemon: version [0-9]" "$("$daemon" --version | head -n 1)"
expect_match "--help" "^usage: " "$("$daemon" --help | head -n 1)"
asks debug f d
fresh; "$daemon" -d -o "lowerdir=$base/low" "$m" >"$scratch/debug" 2>&1 & pid=$!
while ! grep -q " $m " /proc/self/mountinfo; do kill -0 $pid || break; sleep 0.02; done
cat "$m/file" >/dev/null; kill -TERM $pid; code=0; wait $pid || code=$?
expect "-d stays in the foreground and prints requests; a signal is 1" "1 yes" "$code $(grep -q LOOKUP "$scratch/debug" && echo yes)"

# Every option that the summary has was asked for.
missing=
for option in $("$daemon" --help | grep -o '^ *-o .*' | sed 's/ -o //; s/   .*//; s/=[^ ,]*//g; s/,/ /g') ; do
  case " $covered " in *" $option "*) ;; *) missing="$missing $option" ;; esac
done
expect "every option of --help has been tried here" "" "$missing"

# --- the table of differences: the same done to both

# differs WHAT OURS THEIRS SCRIPT
differs() {
  got=$(daemon=fuse-overlay; eval "$4" 2>&1) || true
  expect "$1: here" "$2" "$got"
  [ -n "$peer" ] || return 0
  got=$(daemon=$peer; eval "$4" 2>&1) || true
  expect "$1: fuse-overlayfs" "$3" "$got"
}
say "differences from fuse-overlayfs"
differs "writeback" 3 0 'try ""; in_upper'
differs "links of a merged directory" 1 3 'try ""; stat -c %h "$m/dir"'
differs "a layer that changes, with timeout=0" "dir" "dir later" 'try timeout=0; ls "$m" >/dev/null; touch "$base/low/later"; ls "$m" | grep -E "dir|later" | tr "\n" " " | sed "s/ $//"'
differs "redirect_dir=on" done "fuse-overlayfs: fuse-overlayfs only supports redirect_dir=off" 'try redirect_dir=on; if [ $code = 0 ]; then errno_of "os.rename(\"$m/dir\", \"$m/moved\")"; else echo "$said"; fi'
differs "index=on" "" "unknown argument ignored: index=on" 'try index=on; echo "$said"'
differs "volatile" marked none 'try volatile; touch "$m/f"; umount "$m"; [ -e "$base/work/work/incompat/volatile" ] && echo marked || echo none'
differs "timeout= that is no number" 1 0 'try timeout=soon; echo $code'
differs "fsname=" mine fuse-overlayfs 'try fsname=mine; awk -v at="$m" '"'"'$5 == at {for (i = 7; i <= NF; ++i) if ($i == "-") print $(i + 2)}'"'"' /proc/self/mountinfo'
differs "sync=0" "" "unknown argument ignored: sync=0" 'try sync=0; echo "$said"'
differs "a redirect of a layer, set by root" "sub" "" 'fresh; mkdir "$base/top/new"; setfattr -n trusted.overlay.impure -v y "$base/top"; setfattr -n trusted.overlay.redirect -v /dir "$base/top/new"; "$daemon" -o "lowerdir=$base/top:$base/low" "$m" 2>/dev/null; ls "$m/new"'
umount "$m" 2>/dev/null || true
finish
