#!/bin/sh
# Random Dockerfiles and edits: what the traced cache says is what is true (build_random.py). Another seed each time; a failing one is printed.
#
# usage: build_random_test.sh BIN-DIRECTORIES(colon-separated) [OPTION of build_random.py...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
shift
need_to_build
need_tools python3
busybox_in "$scratch/base" sh cat ls chmod mv rm test readlink stat cp find mkdir rmdir ln truncate touch sort wc sed grep tar head diff echo true
mkdir -p "$scratch/base/etc" "$scratch/base/proc" "$scratch/base/dev" "$scratch/base/sys"
echo 'root:x:0:0:root:/root:/bin/sh' >"$scratch/base/etc/passwd"
tar -C "$scratch/base" --owner=0 --group=0 --mtime=@1000000000 --sort=name -cf "$scratch/base.tar" .
umask 022
python3 "$here/build_random.py" "$scratch/base.tar" "$scratch/work" "$@"
