#!/bin/sh
# The image store from the command line, and with skopeo, umoci and podman as counterparts: what they write is loaded, what we save
# they read, digests unchanged; and whatever interrupts us leaves a store that is whole. Tools that are not installed are passed over
# by name.
#
# usage: store_test.sh BIN-DIRECTORIES(colon-separated) MAKE-LAYOUT-PROGRAM
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../e2e/lib.sh"
make_layout=$2
have() { command -v "$1" >/dev/null || { say "$1 is not installed"; return 1; }; }

cd "$scratch"
export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
mkdir tree
echo hello >tree/greeting
tar --owner=0 --group=0 --sort=name --mtime=@0 -C tree -cf layer.tar .
"$make_layout" layout image.tar layer.tar
digest=$(sed 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/' layout/index.json)
store=$ACETATE_ROOT/images

say "names"
expect "nothing is an empty list" "" "$(acetate images -q)"
expect "load says what it loaded" "Loaded image: app:v1" "$(acetate load -t app:v1 -i image.tar)"
acetate tag app:v1 quay.io/team/app localhost/app
expect "every name has a line" 3 "$(acetate images -n | wc -l)"
expect "a template prints fields" "app:v1" "$(acetate images --filter reference=app --format '{{.Repository}}:{{.Tag}}')"
expect "a table has headings" "REPOSITORY TAG" "$(acetate images --format 'table {{.Repository}}\t{{.Tag}}' | head -1 | tr -s ' ')"
id=$(acetate images -q --no-trunc)
expect "an id and its beginning mean the image" "$digest $digest" "$(acetate inspect -f '{{.Digest}}' "$id" | tr '\n' ' ')$(acetate inspect -f '{{.Digest}}' "$(acetate images -q)")"
expect "json is one object an image" 1 "$(acetate images --format json | grep -c '"Id"')"
expect "history has a line for each step" 2 "$(acetate history -q app:v1 | wc -l)"
expect_failure "a name that is not there" 125 'no image "nosuch"' acetate tag nosuch x
expect_failure "rmi of a name that is not there" 1 'no image "nosuch"' acetate rmi nosuch
expect_failure "rmi of an id with several names" 2 'has 3 names' acetate rmi "$id"
expect_failure "a template that is not understood" 125 'no field "Nosuch"' acetate images --format '{{.Nosuch}}'
acetate rmi localhost/app >/dev/null
acetate untag quay.io/team/app quay.io/team/app
expect "one name is left" "docker.io/library/app:v1" "$(acetate inspect -f '{{range .RepoTags}}docker.io/library/{{.}}{{end}}' "$id")"

say "forms"
acetate save -o docker.tar app:v1
acetate save --format oci-archive -o oci.tar app:v1
acetate save --format oci-dir -o oci-dir app:v1
acetate save --format docker-dir -o docker-dir app:v1
acetate save app:v1 | gzip >docker.tar.gz
acetate copy -q app:v1 oci-archive:copied.tar:other:v9
for form in docker.tar oci.tar oci-dir docker-dir docker.tar.gz copied.tar; do
  ACETATE_ROOT=$scratch/other acetate load -q -t back -i "$form"
  expect "$form has the digest it was saved with" "$digest" "$(ACETATE_ROOT=$scratch/other acetate inspect -f '{{.Digest}}' back)"
  rm -r other
done
expect "a pipe is read" "Loaded image: app:v1" "$(ACETATE_ROOT=$scratch/other acetate load <docker.tar.gz)"
expect "shared images are used in place" "$digest" "$(ACETATE_SHARED_IMAGES=$store ACETATE_ROOT=$scratch/none acetate inspect -f '{{.Digest}}' app:v1)"
expect_failure "and not written to" 125 'is not written to' env ACETATE_SHARED_IMAGES="$store" ACETATE_ROOT="$scratch/none" acetate rmi app:v1
expect "nothing half-made is left" "" "$(find . -name '*.partial' -o -name '.acetate-blob-*')"

if have skopeo; then
  say "skopeo"
  expect "reads the store" "$digest" "$(skopeo inspect --format '{{.Digest}}' "oci:$store:docker.io/library/app:v1")"
  for form in docker-archive:docker.tar oci-archive:oci.tar oci-archive:docker.tar dir:docker-dir; do
    expect "reads $form" "$id" "sha256:$(skopeo copy -q "$form" dir:skopeo-out && sed 's/.*"config":{[^}]*"digest":"sha256:\([0-9a-f]*\)".*/\1/' skopeo-out/manifest.json | tr -d '\n ')"
    rm -r skopeo-out
  done
  skopeo copy -q oci:layout:v1 docker-archive:skopeo.tar:localhost/sample:v1
  skopeo copy -q oci:layout:v1 dir:skopeo-dir
  expect "its docker-archive is loaded under its name" "Loaded image: localhost/sample:v1" "$(acetate load -i skopeo.tar)"
  expect "and keeps its id" "$id" "sha256:$(acetate inspect -f '{{.Id}}' sample:v1)"
  expect "its dir keeps its digest" "$digest" "$(acetate copy dir:skopeo-dir from-dir)"
fi
if have umoci; then
  say "umoci"
  expect "lists our names" "docker.io/library/app:v1" "$(umoci list --layout "$store" | grep -x 'docker.io/library/app:v1')"
fi
if have podman; then
  say "podman"
  podman_here() { podman --root "$scratch/podman" --runroot "$scratch/podman-run" --storage-driver vfs "$@"; }
  if podman_here info >/dev/null 2>&1; then
    for form in docker.tar oci.tar; do
      expect_match "loads $form under its name" 'docker.io/library/app:v1' "$(podman_here load -q -i "$form" 2>&1)"
      expect "with the id it has" "$id" "sha256:$(podman_here inspect --type image -f '{{.Id}}' app:v1)"
      podman_here save -q --format oci-archive -o podman-oci.tar docker.io/library/app:v1
      podman_here save -q -o podman-docker.tar docker.io/library/app:v1
      for theirs in podman-oci.tar podman-docker.tar; do
        expect "its $theirs is loaded under its name" "Loaded image: app:v1" "$(ACETATE_ROOT=$scratch/third acetate load -i $theirs)"
        rm -r third "$theirs"
      done
      podman_here rmi -f app:v1 >/dev/null 2>&1
    done
  else
    say "podman does not work here"
  fi
fi

say "interruptions"
# Each call of a kind is made to kill us, one after the other from the same beginning, until the command gets by without.
interrupted() { # WHAT CALL BEGINNING COMMAND...
  what=$1; call=$2; beginning=$3; shift 3
  n=1
  while [ $n -lt 60 ]; do
    $beginning
    if ACETATE_FAULT="$call#$n=$fault" "$@" >/dev/null 2>&1; then break; fi
    acetate inspect app:v1 >/dev/null 2>err || { fail "$what at $call $n ($fault) leaves the store whole: $(cat err)"; return; }
    "$@" >/dev/null 2>err || { fail "$what after $call $n ($fault) is finished by the next try: $(cat err)"; return; }
    n=$((n + 1))
  done
  if [ $n -gt 1 ]; then pass "$what survives $fault at $((n - 1)) calls of $call"; else fail "$what makes no call of $call"; fi
}
mkdir tree2 && echo other >tree2/file
tar --owner=0 --group=0 -C tree2 -cf layer2.tar .
"$make_layout" layout2 new.tar layer2.tar
without_new() { acetate rmi -f new >/dev/null; }
unnamed_new() { acetate load -q -t new -i new.tar && acetate untag new; }
for fault in kill ENOSPC; do
  for call in renameat2 fsync write; do interrupted load $call without_new acetate load -t new -i new.tar; done
  interrupted save write : acetate save -o saved.tar app:v1
  interrupted tag renameat2 : acetate tag app:v1 again
  for call in unlinkat renameat2; do interrupted gc $call unnamed_new acetate gc; done
done
expect "what was saved is whole" "$digest" "$(acetate copy oci-archive:saved.tar oci:check)"
expect "gc leaves nothing behind" "" "$(acetate rmi -f again new >/dev/null 2>&1; acetate gc -q >/dev/null; find "$ACETATE_ROOT" -name '.acetate-blob-*')"
finish
