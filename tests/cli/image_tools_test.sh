#!/bin/sh
# What skopeo, podman and umoci write is read and mounted; what we write, they read. Each tool that is not installed is
# passed over by name; with none of them the test is skipped.
#
# usage: image_tools_test.sh BIN-DIRECTORIES(colon-separated) MAKE-LAYOUT-PROGRAM
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../e2e/lib.sh"
make_layout=$2
have() { command -v "$1" >/dev/null || { say "$1 is not installed"; return 1; }; }
have skopeo || skip "skopeo is not installed, which converts between the forms"

cd "$scratch"
export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir -p tree/bin tree/etc
echo hello >tree/etc/greeting
ln -s greeting tree/etc/link
tar --owner=0 --group=0 --sort=name -C tree -cf layer.tar .

say "what we write"
"$make_layout" layout image.tar layer.tar
for ref in oci:layout:v1 oci-archive:image.tar:v1; do
  expect "skopeo inspects $ref" "GREETING=hello" "$(skopeo inspect --config --format '{{index .Config.Env 0}}' "$ref")"
  skopeo copy -q "$ref" "dir:copied"
  expect "skopeo copies the layer of $ref as it is" "$(sha256sum <layer.tar)" "$(sha256sum <"copied/$(sha256sum layer.tar | cut -d' ' -f1)")"
  rm -r copied
done
if have umoci; then
  expect "umoci lists our tag" v1 "$(umoci list --layout layout)"
  umoci unpack --rootless --image layout:v1 bundle >/dev/null 2>&1
  expect "umoci unpacks our image" hello "$(cat bundle/rootfs/etc/greeting)"
  umoci config --image layout:v1 --tag v2 --config.env MORE=1 >/dev/null 2>&1
  expect "a tag that umoci adds beside ours is read" 2 "$(acetate inspect layout:v2 | grep -c '=[h1]')"
fi
if have podman; then
  podman_here() { podman --root "$scratch/podman" --runroot "$scratch/podman-run" --storage-driver vfs "$@"; }
  if podman_here info >/dev/null 2>&1; then
    podman_here pull -q "oci-archive:$scratch/image.tar:v1" >pulled 2>podman.log && expect "podman pulls our archive" hello \
      "$(cat "$(podman_here image mount "$(cat pulled)")/etc/greeting")" || fail "podman pulls our archive: $(cat podman.log)"
    podman_here save -q -o saved-docker.tar "$(cat pulled)"
    podman_here save -q --format oci-archive -o saved-oci.tar "$(cat pulled)"
    podman_here image umount -a >/dev/null 2>&1 || true
  else
    say "podman does not work here"
  fi
fi

say "what they write"
skopeo copy -q oci:layout:v1 docker-archive:skopeo-docker.tar:localhost/sample:v1
skopeo copy -q oci:layout:v1 oci-archive:skopeo-oci.tar
skopeo copy -q --dest-compress-format zstd --dest-compress oci:layout:v1 oci:zstd:v1
skopeo copy -q --format v2s2 --dest-compress oci:layout:v1 oci:skopeo-layout:v1 2>/dev/null || skopeo copy -q oci:layout:v1 oci:skopeo-layout:v1
forms="layout:v1 image.tar oci:layout:v1 skopeo-docker.tar docker-archive:skopeo-docker.tar:localhost/sample:v1 skopeo-oci.tar zstd skopeo-layout"
[ -e saved-docker.tar ] && forms="$forms saved-docker.tar saved-oci.tar"
for form in $forms; do
  expect_match "$form is read" 'GREETING=hello' "$(acetate inspect "$form" 2>&1)"
done
gzip -k skopeo-docker.tar
expect_failure "an archive compressed as a whole says what to do" 1 'gzip -d' acetate inspect skopeo-docker.tar.gz
expect_failure "a tag that is not there is told with those that are" 1 'named "v9"; it holds .*v1' acetate inspect layout:v9

if [ -c /dev/fuse ] && command -v fuse-overlay >/dev/null; then
  need_fuse
  say "mounted"
  mkdir mnt
  for form in $forms layer.tar; do
    acetate mount "$form" mnt || { fail "$form is mounted"; continue; }
    expect "$form is mounted" "hello greeting" "$(cat mnt/etc/greeting) $(readlink mnt/etc/link)"
    acetate unmount mnt
  done

  mkdir tree2
  echo two >tree2/two
  tar --owner=0 --group=0 -C tree2 -czf top.tar.gz .
  acetate -v mount layer.tar top.tar.gz mnt 2>verbose
  expect "two tarballs lie over one another" "hello two" "$(cat mnt/etc/greeting) $(cat mnt/two)"
  expect_match "and -v tells of them" 'top.tar.gz: [0-9]+ entries.*index (made|was cached)' "$(cat verbose)"
  if (echo x >mnt/no) 2>/dev/null; then fail "a mount without --rw is read-only"; else pass "a mount without --rw is read-only"; fi
  expect_failure "a second mount on one directory is refused" 1 'mounted on mnt already' acetate mount layer.tar mnt
  acetate umount mnt
  expect_failure "what is not mounted cannot be unmounted" 1 'nothing is mounted' acetate unmount mnt
  if mount -t tmpfs tmpfs mnt 2>/dev/null; then
    echo "of somebody else" >mnt/file
    expect_failure "nor is what others mounted" 1 'tmpfs and not ours.*umount mnt' acetate unmount mnt
    expect "which stays" "of somebody else" "$(cat mnt/file)"
    umount mnt
  fi

  acetate mount --rw layer.tar mnt 2>where
  expect_match "--rw says where what is written is kept" "kept in $ACETATE_ROOT/writable/mnt-" "$(cat where)"
  echo mine >>mnt/etc/greeting
  acetate unmount mnt
  acetate mount --rw layer.tar mnt 2>/dev/null
  expect "what was written is there at the next mount" "hello mine" "$(tr '\n' ' ' <mnt/etc/greeting | sed 's/ $//')"
  (cd mnt && expect_failure "a busy mount is told to be in use" 1 'in use|busy' acetate unmount "$scratch/mnt" && acetate unmount --lazy "$scratch/mnt")
  expect "a lazy unmount takes even a busy one away" "" "$(ls mnt)"
  expect_failure "what was written is not laid over another image" 1 'belongs to another image' acetate mount --rw top.tar.gz mnt
  cp layer.tar changing.tar
  mkdir other
  acetate mount --rw changing.tar other 2>/dev/null
  echo mine >other/mine
  acetate unmount other
  gzip -dc top.tar.gz >changing.tar
  expect_failure "nor over another one of the same path" 1 'belongs to another image' acetate mount --rw changing.tar other
  mkdir up wk
  acetate mount --upper up --work wk layer.tar mnt
  echo x >mnt/new
  acetate unmount mnt
  expect "--upper is where it says" x "$(cat up/new)"
fi
finish
