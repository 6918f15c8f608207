#!/bin/sh
# acetate inside containers of rootless podman: as they are by default but for /dev/fuse, with the options that give back what podman
# takes, and privileged. Prints the table of docs/running.md; a cell is what really happened.
#
# usage: inside_podman_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/cells.sh"
. "$here/inside_lib.sh"
need_root
need_fuse
need_userns
need_to_build
need_tools acetate fuse-overlay runc podman setpriv
. "$here/podman_lib.sh"

outer_root "$scratch/outer.tar"
chmod 644 "$scratch/outer.tar"
make_users
home=$scratch/home-$ranged_user
store_config "$home"
chown -R "$ranged_user" "$home"
podman() { in_store ranged "$home" podman "$@"; }
podman import -q -c 'ENV PATH=/usr/local/bin:/bin' "$scratch/outer.tar" acetate-inside >/dev/null || fail "podman import: $(complaint)"
podman run --rm --network none acetate-inside sh -c : >/dev/null || skip "podman runs no container here: $(complaint)"

: >"$scratch/why"
# inside NAME OPTION...: a row
inside() {
  name=$1
  shift
  podman run --rm --network none "$@" acetate-inside sh /inside.sh "$name" || echo "the container for $name failed" >>"$scratch/why"
  cat "$scratch/podman.err" >>"$scratch/why"
}
{
  echo "| \`podman run\` with | $inside_columns"
  echo "|---|$inside_rule"
  inside 'nothing else'
  inside '`--device /dev/fuse`' --device /dev/fuse
  inside 'that and `--cap-add SYS_ADMIN`, `seccomp=unconfined`, `unmask=ALL`' --device /dev/fuse --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt unmask=ALL
  inside '`--privileged`' --privileged
} >"$scratch/table"
cat "$scratch/table"
say "why not"
cat "$scratch/why"

for who in '`--device /dev/fuse`' 'that and .*' '`--privileged`'; do
  for column in 3 4 5 8 11 12 13; do has "$who" "$column" yes; done
done
for column in 6 7 9; do has '`--privileged`' "$column" yes; done
nothing_stays ranged "$home"
no_daemon_stays
finish
