#!/bin/sh
# Uppers go round: what one overlay wrote, another mounts, and both show the same tree. Ours, the kernel's overlayfs (also with
# redirect_dir and metacopy, which it writes in its own way) and fuse-overlayfs; as root, where all three can be had.
#
# usage: interop_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools unshare setfattr getfattr

lower=$scratch/lower
mkdir -p "$lower/dir/sub" "$lower/gone/deep" "$lower/moved/sub" "$lower/fresh"
echo file >"$lower/file"
echo changed >"$lower/changed"
echo x >"$lower/dir/x"
echo y >"$lower/dir/sub/y"
echo z >"$lower/gone/deep/z"
echo m >"$lower/moved/m"
echo s >"$lower/moved/sub/s"
echo old >"$lower/fresh/old"
ln -s file "$lower/link"
head -c 300000 /dev/urandom >"$lower/big"
chmod 4755 "$lower/big"

mount_kernel() { mount -t overlay overlay -o "lowerdir=$lower,upperdir=$1/upper,workdir=$1/work${2:+,$2}" "$scratch/mnt"; }
mount_ours() { fuse-overlay -o "lowerdir=$lower,upperdir=$1/upper,workdir=$1/work" "$scratch/mnt"; }
mount_peer() { "$peer" -o "lowerdir=$lower,upperdir=$1/upper,workdir=$1/work,fsync=0" "$scratch/mnt"; }
let_go() { umount "$scratch/mnt"; }

# Everything a reader can tell. Directories' sizes and links are the file system's own business.
tree() {
  (cd "$scratch/mnt" && find . -mindepth 1 \( -type d -printf '%y %m %U %G %p\n' -o -type l -printf '%y %p %l\n' -o -printf '%y %m %U %G %s %n %p\n' \) | sort -k 5
    find . -type f | sort | xargs sha256sum)
}

# What every overlay can do, with each kind of mark it leaves.
change() {
  cd "$scratch/mnt"
  echo more >>changed
  rm file
  rm -r gone
  rm -r fresh
  mkdir fresh
  echo new >fresh/new
  chmod 700 dir
  mv dir/x dir/renamed
  ln changed second-name
  rm link
  ln -s elsewhere link
  mkfifo fifo
  mv dir/sub/y dir/renamed
  chown 5:6 big
  chmod 4711 big
  cd "$scratch"
}

# pass_on FROM TO [KERNEL-OPTIONS]: FROM changes, TO reads.
pass_on() {
  from=$1 to=$2 options=${3:-}
  what="an upper of $from${options:+ ($options)}, read by $to"
  layers=$scratch/layers
  rm -rf "$layers"
  mkdir -p "$layers/upper" "$layers/work" "$scratch/mnt"
  if [ "$from" = kernel ]; then mount_kernel "$layers" "$options"; else "mount_$from" "$layers"; fi
  change
  # Only the kernel asked to, moves a directory of the lower.
  case $options in *redirect_dir=on*) mv "$scratch/mnt/moved" "$scratch/mnt/fresh/moved" && mv "$scratch/mnt/fresh/moved/sub" "$scratch/mnt/dir/sub2" ;; esac
  tree >"$scratch/wanted"
  let_go
  case $options in
    *metacopy=on*)
      getfattr -n trusted.overlay.metacopy "$layers/upper/big" >/dev/null 2>&1 || say "(the kernel copied the bytes up all the same)" ;;
  esac
  "mount_$to" "$layers"
  tree >"$scratch/got"
  let_go
  if cmp -s "$scratch/wanted" "$scratch/got"; then pass "$what"; else fail "$what: $(diff "$scratch/wanted" "$scratch/got" | head -n 5)"; fi
}

mkdir -p "$scratch/probe/upper" "$scratch/probe/work" "$scratch/mnt"
if mount_kernel "$scratch/probe" 2>/dev/null; then
  let_go
  pass_on ours kernel
  pass_on kernel ours
  pass_on kernel ours redirect_dir=on,metacopy=on
else
  say "the kernel's overlayfs cannot be mounted here: left out"
fi
pass_on ours ours
# By its own path: our build has a link of that name.
peer=/usr/bin/fuse-overlayfs
if [ -x "$peer" ] && "$peer" --version 2>/dev/null | grep -q '^fuse-overlayfs: version 1'; then
  pass_on ours peer
  pass_on peer ours
else
  say "fuse-overlayfs is not installed: left out"
fi
finish
