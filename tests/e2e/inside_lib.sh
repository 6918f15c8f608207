# What is shared by the scripts that run acetate inside somebody's containers: a root file system with our programs, and what makes a row
# of a table of docs/running.md of it. Sourced after lib.sh and cells.sh, by scripts that say where the container comes from.

# inside_columns, inside_rule: the head of such a table
inside_columns="$columns a build | a build without RUN | ls, cat, tar |"
inside_rule="$rule---|---|---|"

# outer_root TARBALL: the root file system, whose /inside.sh NAME prints the row and says on stderr why a cell is "no"
outer_root() {
  mkdir -p "$scratch/small/bin" "$scratch/small/etc" "$scratch/outer/etc" "$scratch/outer/tmp"
  chmod 1777 "$scratch/outer/tmp"
  busybox_in "$scratch/small" sh ls cat echo touch chown stat id ip wc true
  tar -C "$scratch/small" --owner=0 --group=0 -cf "$scratch/outer/small.tar" .
  programs_in "$scratch/outer" acetate fuse-overlay runc
  busybox_in "$scratch/outer" sh cat echo id env head mkdir printf grep tar cp
  printf 'root:x:0:0::/root:/bin/sh\nperson:x:1000:1000::/tmp:/bin/sh\n' >"$scratch/outer/etc/passwd"
  cp "$here/cells.sh" "$scratch/outer/cells.sh"
  cat >"$scratch/outer/inside.sh" <<'EOF'
set -eu
scratch=/tmp/cells base=/small.tar HOME=/tmp/home
export HOME
mkdir -p "$scratch" "$HOME" /tmp/steps
: >"$scratch/why"
. /cells.sh
plain() { "$@"; }
row "$1" plain
cp /small.tar /tmp/steps/small.tar
printf 'FROM scratch\nADD small.tar /\nRUN echo made >/made\n' >/tmp/steps/Dockerfile
column="a build"; cell made plain sh -c 'acetate build -q -o type=oci,dest=/tmp/built.tar /tmp/steps >&2 && acetate cat oci-archive:/tmp/built.tar /made'
printf 'FROM scratch\nADD small.tar /\nWORKDIR /here\nCOPY Dockerfile .\n' >/tmp/steps/Dockerfile
column="a build without RUN"; cell FROM plain sh -c 'acetate build -q -o type=oci,dest=/tmp/copied.tar /tmp/steps >&2 && acetate cat oci-archive:/tmp/copied.tar /here/Dockerfile | head -c 4'
column="ls, cat, tar"; cell busybox plain sh -c 'acetate ls /small.tar / >&2 && acetate tar /small.tar | tar -t | grep -o busybox | head -n 1'
echo
cat "$scratch/why" >&2
EOF
  tar -C "$scratch/outer" --owner=0 --group=0 -cf "$1" .
}

# has NAME-REGEX COLUMN yes|no: of $scratch/table
has() {
  expect "$1, column $2" " $3 " "$(grep -E "^\| $1 \|" "$scratch/table" | cut -d'|' -f"$2")"
}
