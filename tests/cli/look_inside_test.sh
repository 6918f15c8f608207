#!/bin/sh
# ls, cat, tar, explore, index and verify: an image looked into where it lies, without a mount.
#
# usage: look_inside_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../e2e/lib.sh"
cd "$scratch"
export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"

mkdir -p tree/etc tree/usr/lib
echo hello >tree/etc/greeting
ln -s ../etc/greeting tree/usr/link
ln tree/etc/greeting tree/usr/lib/same
printf 'x%.0s' $(seq 100000) >tree/usr/lib/big
chmod 4711 tree/usr/lib/big
touch -d '2020-01-02 03:04 UTC' tree/usr/lib/big
tar --owner=0 --group=0 --sort=name -C tree -cf layer.tar .
gzip -k layer.tar
packings="layer.tar layer.tar.gz"
for pack in zstd:zst xz:xz bzip2:bz2; do
  command -v "${pack%:*}" >/dev/null || { say "${pack%:*} is not installed"; continue; }
  "${pack%:*}" -q -k layer.tar && packings="$packings layer.tar.${pack#*:}"
done

for layer in $packings; do
  say "$layer"
  expect "ls" "etc usr" "$(acetate ls "$layer" | tr '\n' ' ' | sed 's/ $//')"
  expect "ls of everything" "$(cd tree && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort)" "$(acetate ls -R "$layer" | LC_ALL=C sort)"
  expect_match "ls -l" '^-rws--x--x +1 +0 +0 +100000 2020-01-02 03:04 big$' "$(acetate ls -l "$layer" /usr/lib)"
  expect_match "ls -l of a symlink follows it" 'greeting|link' "$(acetate ls -l "$layer" usr/link)"
  expect "cat follows symlinks" hello "$(acetate cat "$layer" /usr/link)"
  acetate cat "$layer" /usr/lib/big etc/greeting >got
  expect "cat of two files" "$(cat tree/usr/lib/big tree/etc/greeting | sha256sum)" "$(sha256sum <got)"
  acetate tar "$layer" >all.tar
  mkdir x && tar -xpf all.tar -C x
  expect "tar is the whole tree" "" "$(diff -r tree x)"
  expect "hard links stay links" 2 "$(stat -c %h x/usr/lib/same)"
  expect "modes stay" 4711 "$(stat -c %a x/usr/lib/big)"
  acetate tar "$layer" /usr/lib >part.tar
  expect "tar of a part" "./ usr/ usr/lib/ usr/lib/big usr/lib/same" "$(tar tf part.tar | tr '\n' ' ' | sed 's/ $//')"
  tar xf part.tar -C x usr/lib/same && expect "a link whose first name is elsewhere is a file" hello "$(cat x/usr/lib/same)"
  rm -rf x
  expect_match "verify" ' entries, .* index right$' "$(acetate verify "$layer")"
  expect "the index shows the diff id" "sha256:$(sha256sum <layer.tar | cut -d' ' -f1)" "$(acetate index "$layer" | awk '/^diff id/ {print $3}')"
done

say "what layers bring"
expect_match "explore tells sizes and counts" '^1 +[0-9.]+k?B +100kB +7 +0 +0 +0B' "$(acetate explore layer.tar.gz)"
expect_match "and lists what is added" '^A +100kB /usr/lib/big$' "$(acetate explore --layer 1 layer.tar)"
acetate explore --html page.html layer.tar
expect "the page is one file that loads nothing" "1 0" "$(grep -c '<!doctype html>' page.html) $(grep -c 'src=\|href=' page.html || true)"
expect_failure "a layer that is not there" 1 "has 1 layers, and no layer 2" acetate explore --layer 2 layer.tar

say "what is wrong"
expect_failure "a file that is not there" 1 "no 'nothing'|there is no" acetate cat layer.tar nothing
expect_failure "a directory has no bytes" 1 "no regular file" acetate cat layer.tar /usr
expect_failure "a directory needs no index" 1 "needs no index" acetate index tree
index=$(acetate index layer.tar.gz | tail -n 1 | tr -d ' ')
expect "the index lies where it is said" yes "$([ -s "$index" ] && echo yes)"
expect_match "an index is made again when asked" 'made$' "$(acetate index --again layer.tar.gz | grep '^index')"
printf 'damage' | dd of="$index" bs=1 seek=5000 conv=notrunc 2>/dev/null
expect_match "a damaged index is told and mended" 'index made|WRONG' "$(acetate verify layer.tar.gz)"
expect_match "and is right then" 'index right$' "$(acetate verify layer.tar.gz)"
cp layer.tar.gz bad.gz
printf 'damage' | dd of=bad.gz bs=1 seek=300 conv=notrunc 2>/dev/null
expect_failure "a damaged layer" 1 "" acetate verify bad.gz
expect_match "is told by where it is damaged" 'DAMAGED: .*damaged' "$(acetate verify bad.gz || true)"
finish
