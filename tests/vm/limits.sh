#!/bin/sh
# --memory, --cpus and --pids-limit seen to act, on a machine whose cgroups are of version 2 alone: a small virtual one, with Debian's kernel.
# As real root, and as users to whom a cgroup was delegated the way systemd does it with Delegate=yes; by runc, crun and our launcher.
# Not in any suite: it fetches a kernel (apt-get download) and emulates a processor, which takes some minutes.
#
# usage: limits.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../e2e/lib.sh"
. "$here/lib.sh"
need_root
need_tools acetate fuse-overlay busybox runc qemu-system-x86_64 cpio apt-get dpkg-deb newuidmap

debian_kernel cloud-amd64

root=$scratch/root
mkdir -p "$root/etc" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/home/ranged" "$root/home/single" "$root/root" "$root/modules" "$scratch/image/bin"
for module in fs/fuse/fuse.ko fs/overlayfs/overlay.ko; do
  if [ -e "$modules/kernel/$module" ]; then cp "$modules/kernel/$module" "$root/modules/"; fi
done
programs_in "$root" acetate fuse-overlay runc setpriv newuidmap newgidmap
! command -v crun >/dev/null || programs_in "$root" crun
chmod u+s "$root/usr/local/bin/newuidmap" "$root/usr/local/bin/newgidmap"
busybox_in "$root" sh mount umount insmod mkdir chown chmod ls cat echo sleep reboot grep sed tr cut find id env test head cp rm switch_root seq
printf 'root:x:0:0::/root:/bin/sh\nranged:x:1000:1000::/home/ranged:/bin/sh\nsingle:x:1001:1001::/home/single:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nranged:x:1000:\nsingle:x:1001:\n' >"$root/etc/group"
for file in subuid subgid; do echo ranged:100000:65536 >"$root/etc/$file"; done
chown 1000:1000 "$root/home/ranged"
chown 1001:1001 "$root/home/single"
busybox_in "$scratch/image" sh cat echo tail head sleep timeout grep cut true wc
tar -C "$scratch/image" --owner=0 --group=0 -cf "$root/image.tar" .
cp "$here/limits_guest.sh" "$root/guest.sh"
# A root that may be left behind: pivot_root(2) does not leave the initial one.
cat >"$root/init" <<'EOF'
#!/bin/sh
export PATH=/usr/local/bin:/bin
mkdir /new
mount -t tmpfs -o size=80% tmpfs /new
for dir in bin etc home lib lib64 modules root tmp usr image.tar guest.sh; do [ ! -e /$dir ] || cp -a /$dir /new/; done
mkdir /new/proc /new/sys /new/dev /new/run
exec switch_root /new /bin/sh /guest.sh
EOF
chmod 755 "$root/init"
initramfs_of "$root" "$scratch/initramfs"

say "booting $(basename "$kernel")"
timeout 1500 qemu-system-x86_64 -cpu max -m 1536 -smp 1 -display none -no-reboot -nodefaults -serial stdio -kernel "$kernel" -initrd "$scratch/initramfs" \
  -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all swapaccount=1" </dev/null 2>"$scratch/qemu.err" | tr -d '\r' | tee "$scratch/console" || true
[ ! -s "$scratch/qemu.err" ] || cat "$scratch/qemu.err"
checks=$(grep -c '^ok ' "$scratch/console" || true)
failures=$(grep -c '^FAIL ' "$scratch/console" || true)
grep -q '^the guest is done$' "$scratch/console" || fail "the guest came to its end"
finish
