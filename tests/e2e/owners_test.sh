#!/bin/sh
# Whom files belong to that a user without a subordinate range gives away: everybody is root to the container, and the image has the
# owners all the same. By an OCI runtime and by our own launcher. Needs no network.
#
# usage: owners_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_userns
need_to_build
need_tools setpriv tar python3

make_user "act-o$$" without
me() { as_user "act-o$$" env ACETATE_RUNTIME="$runtime" "$@"; }
home=$scratch/home-act-o$$

busybox_in "$scratch/base" sh cat echo ls rm mkdir ln chmod chown mv cp stat touch tar id mknod
mkdir -p "$scratch/base/etc" "$scratch/base/srv"
printf 'root:x:0:0:root:/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n' >"$scratch/base/etc/passwd"
printf 'root:x:0:\nstaff:x:50:\n' >"$scratch/base/etc/group"
echo lower >"$scratch/base/srv/kept"
chown 33:34 "$scratch/base/srv/kept"
mkdir "$home/context"
tar -C "$scratch/base" -cf "$home/context/base.tar" .
cat >"$home/context/Dockerfile" <<'D'
FROM ./base.tar
RUN mkdir -p /d/sub && echo a >/d/a && echo b >/d/sub/b && ln -s a /d/link && ln -s /d/sub/b /outside && touch /user /group /plain /again /suid
RUN chown -R 1:2 /d && chown 5:6 /outside && chown me /user && chown :staff /group && chown 7:8 /again && chmod 4755 /suid && chown 9 /suid
RUN echo more >>/srv/kept && mv /again /moved && cp -a /d /copied && chown 3 /dev/stdout && ln -s /dev/stdout /log && chown 3 /log && \
    stat -c '%u:%g %a' /moved /suid /srv/kept
D

# owners PATH...: what the image's layers say of them together, the last word on each.
owners() {
  rm -rf "$scratch/tree"
  me acetate save --format oci-archive -o "$home/owners.tar" owners
  mkdir -p "$scratch/tree"
  tar -C "$scratch/tree" -xf "$home/owners.tar"
  python3 - "$scratch/tree" "$@" <<'P'
import gzip, io, json, sys, tarfile
def blob(digest): return open(sys.argv[1] + '/blobs/' + digest.replace(':', '/'), 'rb').read()
index = json.load(open(sys.argv[1] + '/index.json'))
manifest = json.loads(blob(index['manifests'][0]['digest']))
found = {}
for layer in manifest['layers']:
    data = blob(layer['digest'])
    for member in tarfile.open(fileobj=io.BytesIO(data)):
        found[member.name.lstrip('./').rstrip('/')] = f'{member.uid}:{member.gid} {member.mode:o}'
        wrong = [name for name in member.pax_headers if 'override' in name or 'acetate' in name]
        if wrong: print('an attribute of ours:', member.name, wrong)
for path in sys.argv[2:]:
    print(path, found.get(path))
P
}
owned='d 1:2 755
d/a 1:2 644
d/sub 1:2 755
d/sub/b 5:6 644
user 1000:0 644
group 0:50 644
plain 0:0 644
moved 7:8 644
suid 9:0 755
srv/kept 33:34 644
copied/sub/b 5:6 644'

for runtime in runc crun native; do
  say "$runtime"
  if ! me acetate run "$home/context/base.tar" echo works >"$scratch/log" 2>&1; then echo "     $runtime runs no container here"; continue; fi
  if me acetate build --no-cache --progress plain -t owners "$home/context" >"$scratch/log" 2>&1; then pass "builds"; else fail "builds: $(tail -5 "$scratch/log")"; continue; fi
  expect_match "everybody sees root's files" '0:0 755' "$(cat "$scratch/log")"
  # cp -a gives its copies what it sees, which is root.
  expect "the image has their owners" "$(echo "$owned" | sed 's/^copied.*/copied\/sub\/b 0:0 644/')" "$(owners d d/a d/sub d/sub/b user group plain moved suid srv/kept copied/sub/b)"
  expect_failure "what is not there cannot be given away" any 'No such file' me acetate run "$home/context/base.tar" chown 1 /nothing
  expect "a volume stays as it is" "0" "$(mkdir -p "$home/volume" && touch "$home/volume/f" && chown -R "act-o$$" "$home/volume" && me acetate run -v "$home/volume:/v" "$home/context/base.tar" chown 7 /v/f 2>&1; echo $?)"
  me acetate run --keep box "$home/context/base.tar" sh -c 'echo x >/kept; chown 11:12 /kept' >"$scratch/log" 2>&1 || fail "keeping: $(cat "$scratch/log")"
  me acetate commit box owners >/dev/null
  expect_match "a kept container's files, too" '^kept 11:12 644$' "$(owners kept)"
  me acetate rm box >/dev/null
done
finish
