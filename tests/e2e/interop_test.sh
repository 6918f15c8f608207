#!/bin/sh
# Uppers go round: what one overlay wrote, another mounts, and both show the same tree. Ours, the kernel's overlayfs (also with
# redirect_dir and metacopy, which it writes in its own way) and fuse-overlayfs; as root, as root of a user namespace (where the kernel's
# marks are "user." attributes), with ".wh." files in the place of whiteout devices, and root with what was made without it.
#
# usage: interop_test.sh BIN-DIRECTORIES(colon-separated)
#        interop_test.sh BIN-DIRECTORIES inside              the same in the user namespace we are in
#        interop_test.sh BIN-DIRECTORIES make DIR KIND       only an upper, and what it shows, in DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
mode=${2:-root}
need_root
need_fuse
need_tools unshare setfattr getfattr awk
[ "$mode" != make ] || scratch_of_ours=$3

# By its own path: our build has a link of that name.
peer=/usr/bin/fuse-overlayfs
has_peer() { [ -x "$peer" ] && "$peer" --version 2>/dev/null | grep -q '^fuse-overlayfs: version 1'; }

lower=${scratch_of_ours:-$scratch}/lower mnt=${scratch_of_ours:-$scratch}/mnt
mkdir -p "$lower/dir/sub" "$lower/gone/deep" "$lower/moved/sub" "$lower/fresh" "$mnt"
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

# mount_KIND LAYERS [OPTIONS]
userxattr=
[ "$mode" = root ] || userxattr=userxattr
mount_kernel() { mount -t overlay overlay -o "lowerdir=$lower,upperdir=$1/upper,workdir=$1/work${userxattr:+,$userxattr}${2:+,$2}" "$mnt"; }
mount_ours() { fuse-overlay -o "lowerdir=$lower,upperdir=$1/upper,workdir=$1/work${2:+,$2}" "$mnt"; }
mount_peer() { "$peer" -o "lowerdir=$lower,upperdir=$1/upper,workdir=$1/work,fsync=0" "$mnt"; }
mount_ours_wh() { FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT=1 mount_ours "$@"; }
mount_peer_wh() { FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT=1 mount_peer "$@"; }
let_go() { umount "$mnt"; }

# Everything a reader can tell. Directories' sizes and links are the file system's own business.
tree() {
  (cd "$mnt" && find . -mindepth 1 \( -type d -printf '%y %m %U %G %p\n' -o -type l -printf '%y %p %l\n' -o -printf '%y %m %U %G %s %n %p\n' \) | sort -k 5
    find . -type f | sort | xargs sha256sum)
}

# What every overlay can do, with each kind of mark it leaves.
change() {
  cd "$mnt"
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
  cd "${scratch_of_ours:-$scratch}"
}

compare() { # WHAT
  if cmp -s "$scratch/wanted" "$scratch/got"; then pass "$1"; else fail "$1: $(diff "$scratch/wanted" "$scratch/got" | head -n 5)"; fi
}

# pass_on FROM TO [OPTIONS-OF-FROM] [OPTIONS-OF-TO]: FROM changes, TO reads.
pass_on() {
  from=$1 to=$2 options=${3:-}
  what="an upper of $from${options:+ ($options)}, read by $to"
  layers=$scratch/layers
  rm -rf "$layers"
  mkdir -p "$layers/upper" "$layers/work"
  "mount_$from" "$layers" "$options"
  change
  # Only who is asked to moves a directory of the lower.
  case $options in *redirect_dir=on*) mv "$mnt/moved" "$mnt/fresh/moved" && mv "$mnt/fresh/moved/sub" "$mnt/dir/sub2" ;; esac
  tree >"$scratch/wanted"
  let_go
  case $options in
    *metacopy=on*)
      getfattr -n trusted.overlay.metacopy "$layers/upper/big" >/dev/null 2>&1 || say "(the kernel copied the bytes up all the same)" ;;
  esac
  case $from in *_wh) [ -e "$layers/upper/.wh.file" ] || fail "$what: there is no .wh. file in it" ;; esac
  "mount_$to" "$layers" "${4:-}"
  tree >"$scratch/got"
  let_go
  compare "$what"
}

if [ "$mode" = make ]; then
  mkdir -p "$3/upper" "$3/work"
  "mount_$4" "$3"
  change
  tree >"$3/wanted"
  let_go
  exit 0
fi

has_kernel=
mkdir -p "$scratch/probe/upper" "$scratch/probe/work"
if mount_kernel "$scratch/probe" 2>/dev/null; then
  let_go
  has_kernel=yes
  pass_on ours kernel
  pass_on kernel ours
  if [ "$mode" = root ]; then
    pass_on kernel ours redirect_dir=on,metacopy=on
    pass_on ours kernel redirect_dir=on redirect_dir=on
  fi
else
  say "the kernel's overlayfs cannot be mounted here: left out"
fi
pass_on ours ours
pass_on ours ours redirect_dir=on
pass_on ours_wh ours
if has_peer; then
  pass_on ours peer
  pass_on peer ours
  pass_on ours_wh peer
  pass_on peer_wh ours
else
  say "fuse-overlayfs is not installed: left out"
fi

# --- a layer that says of itself what only who mounts it may say

say "a redirect and a metacopy that an image brought along ($mode)"
mkdir -p "$scratch/hostile/open"
setfattr -n user.overlay.impure -v y "$scratch/hostile"
setfattr -n user.overlay.redirect -v /secret/dir "$scratch/hostile/open"
truncate -s 300000 "$scratch/hostile/file"
setfattr -n user.overlay.metacopy "$scratch/hostile/file"
setfattr -n user.overlay.redirect -v /secret/dir/key "$scratch/hostile/file"
mkdir -p -m 700 "$lower/secret/dir"
(umask 077 && head -c 300000 /dev/urandom >"$lower/secret/dir/key")
key=$(sha256sum <"$lower/secret/dir/key")
# shows_secret MOUNT-COMMAND...: whether anything of it is in sight at another place
shows_secret() {
  "$@" "$mnt"
  seen=no
  [ ! -e "$mnt/open/key" ] || seen=directory
  if [ "$(sha256sum <"$mnt/file" 2>/dev/null)" = "$key" ]; then seen=file; fi
  let_go
  echo "$seen"
}
stacked="lowerdir=$scratch/hostile:$lower"
[ -z "$has_kernel" ] || expect "the kernel's overlayfs follows neither" no "$(shows_secret mount -t overlay overlay -o "$stacked${userxattr:+,$userxattr}")"
expect "nor do we" no "$(shows_secret fuse-overlay -o "$stacked")"
expect "nor with an upper" no "$(mkdir "$scratch/hu" "$scratch/hw" && shows_secret fuse-overlay -o "$stacked,upperdir=$scratch/hu,workdir=$scratch/hw")"
expect "a redirect that was asked for is followed" directory "$(shows_secret fuse-overlay -o "$stacked,redirect_dir=follow")"
rm -r "$lower/secret"

[ "$mode" = root ] || finish || exit 1
[ "$mode" = root ] || exit 0

# --- without root

make_users
in_namespace() { ranged unshare --user --map-auto --map-root-user --mount "$@"; }
if ! in_namespace true 2>/dev/null; then
  say "no user namespace with a range of ids is to be had here: what is made without root is left out"
  finish
  exit
fi
say "the same as root of a user namespace"
if in_namespace sh "$here/interop_test.sh" "$1" inside >"$scratch/inside" 2>&1; then pass "in a user namespace: $(tail -n 1 "$scratch/inside")"; else fail "in a user namespace"; fi
sed 's/^/   /' "$scratch/inside"

# Whose ids a namespace's are on disk: its root is the user and its group, whose numbers need not be the same; 1 is the first of the range.
in_ids_of_namespace() {
  awk -v uid="$(id -u "$ranged_user")" -v gid="$(id -g "$ranged_user")" 'function inner(id, root) { return id == root ? 0 : id - 1500000 + 1 }
    /^[a-z] [0-9]+ [0-9]+ [0-9]+ / { $3 = inner($3, uid); $4 = inner($4, gid) } { print }'
}
by_kernel() { userxattr=userxattr mount_kernel "$@"; }
for from in ours kernel peer; do
  [ $from != peer ] || has_peer || continue
  [ $from != kernel ] || [ -n "$has_kernel" ] || continue
  made=$scratch/home-$ranged_user/$from
  in_namespace sh "$here/interop_test.sh" "$1" make "$made" $from
  for to in ours by_kernel; do
    [ $to != by_kernel ] || [ -n "$has_kernel" ] || continue
    # What fuse-overlayfs writes without root is an attribute of its own, and a file, by which the kernel's overlayfs sees nothing start afresh.
    [ "$from-$to" != peer-by_kernel ] || continue
    lower=$made/lower
    case $to in ours) mount_ours "$made" ;; *) by_kernel "$made" ;; esac
    tree | in_ids_of_namespace | sort >"$scratch/got"
    let_go
    # Columns are read and printed anew on one side only.
    sed 's/  */ /g' "$made/wanted" | sort >"$scratch/wanted"
    sed -i 's/  */ /g' "$scratch/got"
    compare "an upper of $from without root, read by root's ${to#by_}"
  done
done
finish
