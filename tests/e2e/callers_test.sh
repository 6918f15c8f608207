#!/bin/sh
# The command lines of those who start fuse-overlayfs, word for word, with our daemon under that name: what each of them relies on
# before, while and after the mount is there.
#
# usage: callers_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools setpriv unshare fusermount3 setfattr

command -v fuse-overlayfs >/dev/null || skip "fuse-overlayfs is not in $PATH"
overlay=$(command -v fuse-overlay)
mkdir -p "$scratch/bin"
ln -s "$overlay" "$scratch/bin/fuse-overlayfs"
PATH=$scratch/bin:$PATH
gone() { # WHAT MOUNTPOINT: no mount, and no daemon that still has it
  expect "$1: no mount stays" "" "$(awk -v at="$2" '$5 == at {print $5}' /proc/self/mountinfo)"
}
ended() { # PID: waits until it has ended (it is nobody's child here)
  while kill -0 "$1" 2>/dev/null; do sleep 0.02; done
}
daemons() { pgrep -f "fuse-overlayfs.*$scratch" || true; }
tree() { # DIR: a store as containers/storage lays it out
  mkdir -p "$1/overlay/l" "$1/overlay/base/diff/etc" "$1/overlay/mid/diff/etc" "$1/overlay/mid/diff1/opt" "$1/overlay/top/diff" "$1/overlay/top/work" "$1/overlay/top/merged" "$1/overlay/top/empty"
  echo base >"$1/overlay/base/diff/etc/base"; echo base >"$1/overlay/base/diff/etc/both"
  echo mid >"$1/overlay/mid/diff/etc/both"; echo one >"$1/overlay/mid/diff1/opt/one"
  ln -sf ../base/diff "$1/overlay/l/BASEBASEBASEBASEBASEBASEBA"
  ln -sf ../mid/diff "$1/overlay/l/MIDMIDMIDMIDMIDMIDMIDMIDMI"
}

say "containers/storage (podman, buildah, CRI-O): lowers through symlinks, with .. behind one of them"
store=$scratch/store; tree "$store"; top=$store/overlay/top
out=$(cd "$store/overlay" && fuse-overlayfs -o "lowerdir=$store/overlay/l/MIDMIDMIDMIDMIDMIDMIDMIDMI:$store/overlay/l/MIDMIDMIDMIDMIDMIDMIDMIDMI/../diff1:$store/overlay/l/BASEBASEBASEBASEBASEBASEBA,upperdir=$top/diff,workdir=$top/work,volatile,context=\"system_u:object_r:container_file_t:s0:c1,c2\"" "$top/merged" 2>&1) || fail "containers/storage: $out"
expect "containers/storage: silence" "" "$out"
expect "containers/storage: the uppermost wins" "mid" "$(cat "$top/merged/etc/both")"
expect "containers/storage: .. is the kernel's to follow" "one" "$(cat "$top/merged/opt/one" 2>&1)"
expect_match "containers/storage: the magic it asks for is FUSE's" "^fuse" "$(stat -f -c %T "$top/merged")"
echo new >"$top/merged/etc/new"
fusermount3 -u "$top/merged"; gone containers/storage "$top/merged"
expect "containers/storage: the upper" "new" "$(cat "$top/diff/etc/new")"

say "containers/storage, read-only: two lowers at least, no upper"
fuse-overlayfs -o "lowerdir=$top/empty:$store/overlay/l/BASEBASEBASEBASEBASEBASEBA" "$top/merged"
expect "read-only: it is" "base" "$(cat "$top/merged/etc/base")"
expect_failure "read-only: nothing can be written" any "Read-only file system" touch "$top/merged/x"
umount "$top/merged"; gone read-only "$top/merged"

say "CRI-O with a user namespace: the map begins with a colon, ids are shown and written through it"
mkdir -p "$scratch/crio"; tree "$scratch/crio"; top=$scratch/crio/overlay/top
fuse-overlayfs -o "lowerdir=$scratch/crio/overlay/l/BASEBASEBASEBASEBASEBASEBA,upperdir=$top/diff,workdir=$top/work,uidmapping=:0:200000:65536,gidmapping=:0:200000:65536" "$top/merged"
expect "CRI-O: the image's root is the container's" "200000:200000" "$(stat -c %u:%g "$top/merged/etc/base")"
setpriv --reuid=200000 --regid=200000 --clear-groups sh -c "echo x >$top/merged/etc/new && chmod 600 $top/merged/etc/base"
expect "CRI-O: what it makes is root's on disk" "0:0" "$(stat -c %u:%g "$top/diff/etc/new")"
expect "CRI-O: and its own to itself" "200000:200000" "$(stat -c %u:%g "$top/merged/etc/new")"
expect "CRI-O: nothing was chowned" "0:0" "$(stat -c %u:%g "$top/diff/etc/base")"
umount "$top/merged"; gone CRI-O "$top/merged"

say "containers/storage with force_mask: permissions in an attribute, devices too"
mkdir -p "$scratch/mask"; tree "$scratch/mask"; top=$scratch/mask/overlay/top
for dir in "$scratch/mask/overlay/base/diff" "$top/diff"; do setfattr -n user.containers.override_stat -v 0:0:0755:dir "$dir"; done
setfattr -n user.containers.override_stat -v 7:8:4711:file "$scratch/mask/overlay/base/diff/etc/base"; chmod 644 "$scratch/mask/overlay/base/diff/etc/base"
fuse-overlayfs -o "lowerdir=$scratch/mask/overlay/l/BASEBASEBASEBASEBASEBASEBA,upperdir=$top/diff,workdir=$top/work,xattr_permissions=2" "$top/merged"
expect "force_mask: a layer's attribute is what is seen" "7:8:4711" "$(stat -c %u:%g:%a "$top/merged/etc/base")"
mknod "$top/merged/etc/null" c 1 3; chmod 666 "$top/merged/etc/null"; chown 5:6 "$top/merged/etc/null"
expect "force_mask: a device is one" "5:6:666:1:3" "$(stat -c %u:%g:%a:%t:%T "$top/merged/etc/null")"
expect "force_mask: and a file on disk" "regular empty file:5:6:0666:char-1-3" "$(stat -c %F "$top/diff/etc/null"):$(getfattr --only-values -n user.containers.override_stat "$top/diff/etc/null" 2>/dev/null)"
expect_failure "force_mask: nobody forges it" any "not permitted" setfattr -n user.containers.override_stat -v 0:0:4755:file "$top/merged/etc/base"
umount "$top/merged"; gone force_mask "$top/merged"

say "buildah's overlay volumes: an escaped colon, and 'private'"
mkdir -p "$scratch/vol/a:b" "$scratch/vol/upper" "$scratch/vol/work" "$scratch/vol/merge"; echo v >"$scratch/vol/a:b/f"
for escape in '\:' '\\:'; do
  lower=$(printf %s "$scratch/vol/a:b" | sed "s/:/$(printf %s "$escape" | sed 's/\\/\\\\/g')/")
  out=$(fuse-overlayfs -o "lowerdir=$lower,upperdir=$scratch/vol/upper,workdir=$scratch/vol/work,private" "$scratch/vol/merge" 2>&1) || fail "buildah: $out"
  expect "buildah with $escape: the one line it knows" "unknown argument ignored: private" "$out"
  expect "buildah with $escape: the volume" "v" "$(cat "$scratch/vol/merge/f")"
  umount "$scratch/vol/merge"
done
gone buildah "$scratch/vol/merge"

say "containerd's and BuildKit's snapshotter: through mount.fuse3, the source first"
mkdir -p "$scratch/snap/1" "$scratch/snap/2" "$scratch/snap/3/fs" "$scratch/snap/3/work" "$scratch/snap/target"; echo 1 >"$scratch/snap/1/f"; echo 2 >"$scratch/snap/2/g"
if command -v mount.fuse3 >/dev/null; then
  mount.fuse3 overlay "$scratch/snap/target" -o "workdir=$scratch/snap/3/work" -o "upperdir=$scratch/snap/3/fs" -o "lowerdir=$scratch/snap/2:$scratch/snap/1" -t fuse-overlayfs || fail "snapshotter: mount.fuse3"
  expect "snapshotter: both layers" "1 2" "$(cat "$scratch/snap/target/f" "$scratch/snap/target/g" | tr '\n' ' ' | sed 's/ $//')"
  expect "snapshotter: the mount's type and source" "fuse.fuse-overlayfs fuse-overlayfs" "$(awk -v at="$scratch/snap/target" '$5 == at {for (i = 7; i <= NF; ++i) if ($i == "-") print $(i + 1), $(i + 2)}' /proc/self/mountinfo)"
  umount "$scratch/snap/target"
fi
fuse-overlayfs overlay "$scratch/snap/target" -o "workdir=$scratch/snap/3/work,upperdir=$scratch/snap/3/fs,lowerdir=$scratch/snap/2:$scratch/snap/1,dev,suid"
expect "snapshotter: as mount.fuse3 hands it on" "1" "$(cat "$scratch/snap/target/f")"
umount "$scratch/snap/target"; gone snapshotter "$scratch/snap/target"

say "apptainer: in the foreground, no line on either stream, SIGTERM"
mkdir -p "$scratch/app/upper" "$scratch/app/work" "$scratch/app/target"
fuse-overlayfs -f -o "allow_other,lowerdir=$scratch/snap/2:$scratch/snap/1,upperdir=$scratch/app/upper,workdir=$scratch/app/work,noacl" "$scratch/app/target" >"$scratch/app/said" 2>&1 &
pid=$!
while ! grep -q "$scratch/app/target " /proc/self/mountinfo; do kill -0 $pid || break; sleep 0.02; done  # as apptainer waits
expect "apptainer: it can be used as soon as it is mounted" "2" "$(cat "$scratch/app/target/g")"
kill -USR1 $pid
kill -TERM $pid
code=0; wait $pid || code=$?
expect "apptainer: ended by a signal is 1, as fuse-overlayfs has it" 1 "$code"
gone apptainer "$scratch/app/target"
expect "apptainer: only what SIGUSR1 asked for was said" "# INODES" "$(head -n 1 "$scratch/app/said" | cut -d: -f1)"

say "dockerd without root: in a user namespace, with an SELinux context"
make_users
home=$scratch/home-$ranged_user; mkdir -p "$home/l1" "$home/l2" "$home/u" "$home/w" "$home/m"; echo d >"$home/l1/f"; chown -R "$ranged_user:" "$home"
out=$(ranged unshare -Urm sh -ec "fuse-overlayfs -o 'lowerdir=l1:l2,upperdir=u,workdir=w,context=\"a:b:c\"' m && cat m/f && rm m/f && ls m && umount m" 2>&1) || true
expect "dockerd: from relative directories" "d" "$out"
expect "dockerd: a whiteout that needs no privilege" "character special file" "$(stat -c %F "$home/u/f" 2>&1)"

say "a mapping that is none, and plugins"
expect_failure "a bad map" 1 "^fuse-overlayfs: invalid mapping specified: 0:1$" fuse-overlayfs -o "lowerdir=$scratch/snap/1,uidmapping=0:1" "$scratch/snap/target"
expect_failure "a plugin" 1 "there are no plugins here" fuse-overlayfs -o "lowerdir=$scratch/snap/1,plugins=/p.so" "$scratch/snap/target"
expect_failure "a plugin's layer" 1 "there is no plugin 'squash'" fuse-overlayfs -o "lowerdir=//squash/data/x" "$scratch/snap/target"

for pid in $(daemons); do ended "$pid"; done
expect "no daemon stays" "" "$(daemons)"
finish
