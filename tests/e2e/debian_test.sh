#!/bin/sh
# A real Debian root filesystem (python3, gcc, 30,000+ entries) as one .tar.gz, as an unprivileged user with a
# subordinate range and as one without: python, the compiler, dpkg -i into the writable layer, and a second mount
# that decodes nothing again.
#
# usage: debian_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools dpkg-deb setpriv
make_users

debian_rootfs
image=$scratch/debian.tar.gz
say "$(tar tzf "$image" | wc -l) entries, $(stat -c %s "$image") bytes compressed"

# A package whose installation writes, runs a maintainer script and touches dpkg's database.
mkdir -p "$scratch/deb/DEBIAN" "$scratch/deb/usr/share/acetate-sample"
cat >"$scratch/deb/DEBIAN/control" <<'D'
Package: acetate-sample
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: a package for a test
D
printf '#!/bin/sh\necho configured >/usr/share/acetate-sample/state\n' >"$scratch/deb/DEBIAN/postinst"
chmod 755 "$scratch/deb/DEBIAN/postinst"
echo data >"$scratch/deb/usr/share/acetate-sample/data"
mkdir "$scratch/packages"
dpkg-deb --root-owner-group --build "$scratch/deb" "$scratch/packages/sample.deb" >/dev/null
chmod -R a+rX "$scratch/packages"

python_and_compiler() { # RUN-AS
  "$1" acetate run "$image" python3 -c 'import json, ssl, sqlite3; print(json.dumps({"ssl": bool(ssl.OPENSSL_VERSION), "db": sqlite3.connect(":memory:").execute("select 42").fetchone()[0]}))' >"$scratch/out"
  expect "python3 with json, ssl and sqlite3 as $1" '{"ssl": true, "db": 42}' "$(cat "$scratch/out")"
  "$1" acetate run "$image" sh -c 'cd /tmp && printf "#include <stdio.h>\nint main(void){puts(\"compiled\");return 7;}\n" >a.c && gcc -O1 -o a a.c && ./a' >"$scratch/out" && code=0 || code=$?
  expect "a C program compiled and run as $1" "compiled 7" "$(cat "$scratch/out") $code"
}

python_and_compiler ranged
ranged acetate run -v "$scratch/packages:/packages:ro" "$image" sh -c \
  'dpkg -i /packages/sample.deb >/dev/null 2>&1 && dpkg-query -W -f "\${Status}" acetate-sample && cat /usr/share/acetate-sample/state && stat -c " %u:%g" /usr/share/acetate-sample/data' >"$scratch/out"
expect "dpkg -i into the writable layer" "install ok installedconfigured
 0:0" "$(cat "$scratch/out")"
python_and_compiler single

say "apt, which fetches as somebody else"
user_of_apt() { "$1" acetate run "$image" apt-config dump APT::Sandbox::User; }
expect "with one id it is told that there is nobody else" 'APT::Sandbox::User "root";' "$(user_of_apt single)"
expect "and with more it goes on doing so" 'APT::Sandbox::User "_apt";' "$(user_of_apt ranged)"
printf 'FROM base\nRUN touch /etc/apt/apt.conf.d/mine\n' >"$scratch/Dockerfile"
single acetate build -q --build-context base="$image" -o type=oci,dest=- - <"$scratch/Dockerfile" >"$scratch/apt.tar" 2>"$scratch/err" || fail "built: $(cat "$scratch/err")"
mkdir "$scratch/apt" && tar -C "$scratch/apt" -xf "$scratch/apt.tar"
layer=$(ls -S "$scratch"/apt/blobs/sha256/* | while read -r blob; do tar tzf "$blob" 2>/dev/null | grep -q 'apt.conf.d/mine' && echo "$blob"; done)
expect "which is in no image" "etc/apt/apt.conf.d/ etc/apt/apt.conf.d/mine" "$(tar tzf "$layer" | grep apt.conf.d | tr '\n' ' ' | sed 's/ $//')"

say "what Python has compiled in a build"
cat >"$scratch/Dockerfile" <<D
FROM base
RUN mkdir -p /app/pkg && echo 'x = 1' >/app/pkg/__init__.py && echo 'y = 2' >/app/pkg/mod.py && python3 -m compileall -q /app
WORKDIR /app
D
mkdir -m 777 "$scratch/one" "$scratch/two"
in_place() { place=$1 && shift && ranged env ACETATE_ROOT="$scratch/$place/data" acetate "$@"; }
compiled_in() { in_place "$1" build -q --build-context base="$image" -t pyc - <"$scratch/Dockerfile" 2>"$scratch/err" || cat "$scratch/err"; }
first=$(compiled_in one)
expect_match "an image is built" '^sha256:' "$first"
expect "the same image of two builds that share nothing" "$first" "$(compiled_in two)"
in_place one run pyc python3 -v -c 'import pkg.mod' >"$scratch/out" 2>&1
expect "each of its files belongs to its source" 2 "$(grep -c 'cpython.* matches /app/pkg' "$scratch/out")"

say "the second mount of the same blob"
mkdir "$scratch/mnt"; chmod 777 "$scratch/mnt"
ranged acetate -v mount "$image" "$scratch/mnt" 2>"$scratch/second"
expect_match "uses the index it has" 'index was cached' "$(cat "$scratch/second")"
entries=$(sed -n 's/.*: \([0-9]*\) entries.*/\1/p' "$scratch/second")
expect "of 30,000 entries and more" yes "$([ "$entries" -ge 30000 ] && echo yes || echo "no: $entries")"
decoded() { ranged acetate stat "$scratch/mnt" | awk '$1 == "decoded_bytes" {print $2}'; }
expect "and decodes nothing" 0 "$(decoded)"
ranged cat "$scratch/mnt/etc/debian_version" >/dev/null
after=$(decoded)
expect "a small file then little" yes "$([ "$after" -le 8388608 ] && echo yes || echo "no: $after")"
ranged acetate unmount "$scratch/mnt"
finish
