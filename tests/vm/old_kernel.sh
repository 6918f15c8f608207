#!/bin/sh
# A command, this checkout's tests above all, on the kernel that Debian 12 has, in a virtual machine whose root is this machine's: read by 9p, what is written
# goes to a disk that is thrown away. Without KVM a processor is emulated, twenty times slower.
# Not in any suite. Ends as the command does.
#
# usage: old_kernel.sh COMMAND...      as root, in this directory
# example: tests/vm/old_kernel.sh build/tests/fs/fuse/fuse_test
set -eu
here=$(cd "$(dirname "$0")" && pwd)
set -- "$@"
words=
for word in "$@"; do words="$words '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"; done
[ -n "$words" ] || { echo "usage: old_kernel.sh COMMAND..." >&2; exit 2; }
. "$here/../e2e/lib.sh"
. "$here/lib.sh"
need_root
need_tools busybox qemu-system-x86_64 cpio apt-get dpkg-deb modprobe depmod mkfs.ext4
debian_kernel amd64

version=$(basename "$modules")
root=$scratch/root
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/modules" "$root/below" "$root/disk" "$root/new"
busybox_in "$root" sh mount umount insmod mkdir ls cat switch_root sleep poweroff
[ -e "$modules/modules.dep" ] || depmod -b "$kernel_dir" "$version"
# In the order in which they need one another.
for module in virtio_pci virtio_blk 9pnet_virtio 9p ext4 overlay fuse loop; do
  modprobe -d "$kernel_dir" -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod //p'
done | awk '!seen[$1]++ {print $1}' >"$scratch/modules"
while read -r module; do
  cp "$module" "$root/modules/"
  basename "$module"
done <"$scratch/modules" >"$root/modules/order"
cat >"$root/init" <<'EOF'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module" || echo "no $module"; done </modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose tree /below
mount -t ext4 /dev/vda /disk
mkdir /disk/upper /disk/work /disk/tmp
mount -t overlay -o lowerdir=/below,upperdir=/disk/upper,workdir=/disk/work overlay /new
mount -o move /dev /new/dev
mount -o move /proc /new/proc
mkdir -p /new/run/lock
for dir in tmp var/tmp home; do
  mkdir -p "/disk/tmp/$dir"
  mount -o bind "/disk/tmp/$dir" "/new/$dir"
done
cat /guest.sh >/new/guest.sh
exec switch_root /new /bin/sh /guest.sh
EOF
cat >"$root/guest.sh" <<EOF
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666,gid=5,mode=620 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do ln -sf "\${link#*:}" "/dev/\${link%%:*}"; done
chmod 1777 /tmp /var/tmp /dev/shm
chmod 666 /dev/fuse
ip link set lo up
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd '$PWD' && $words
echo "ended with \$?"
sync
busybox poweroff -f
EOF
chmod 755 "$root/init"
initramfs_of "$root" "$scratch/initramfs"
truncate -s 20G "$scratch/disk"
mkfs.ext4 -q "$scratch/disk"

say "booting $version"
qemu-system-x86_64 -cpu max -m "${VM_MEMORY:-6144}" -smp 2 -display none -no-reboot -nodefaults -serial stdio -kernel "$kernel" -initrd "$scratch/initramfs" \
  -drive "file=$scratch/disk,format=raw,if=virtio,cache=unsafe" -fsdev local,id=tree,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=tree,mount_tag=tree \
  -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' | tee "$scratch/console" || true
code=$(sed -n 's/^ended with //p' "$scratch/console" | tail -n 1)
exit "${code:-125}"
