#!/bin/sh
# Dockerfiles of the kinds people write: built by us as root and without, by buildah and by docker's BuildKit, to the same tree and configuration; nginx
# from every tutorial answers over HTTP. See build_real.py.
#
# usage: build_real_test.sh BIN-DIRECTORIES(colon-separated) [PROJECT...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
shift
need_root
need_fuse
need_userns
need_runtime
need_tools python3 git setpriv buildah skopeo
make_users
debian_rootfs
debs=
if debian_debs nginx; then debs=$scratch/debs; fi
python3 "$here/build_real.py" "$scratch/debian.tar.gz" "$scratch/work" "$ranged_user" "$single_user" "$debs" "$@"
