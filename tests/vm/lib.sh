# What the scripts with a virtual machine share, beside tests/e2e/lib.sh.

# debian_kernel FLAVOUR: Debian's kernel of that name (cloud-amd64, amd64), kept beside what the other suites keep; sets kernel and modules
debian_kernel() {
  kernel_dir=$(cd "$here/../.." && pwd)/.cache/vm/$1
  if [ ! -e "$kernel_dir/boot" ]; then
    mkdir -p "$kernel_dir"
    package=$(apt-cache depends "linux-image-$1" | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || skip "no archive within reach has linux-image-$1"
    (cd "$kernel_dir" && apt-get download -q "$package" >/dev/null 2>&1) || skip "$package could not be fetched"
    dpkg-deb -x "$kernel_dir"/linux-image-*.deb "$kernel_dir"
    rm "$kernel_dir"/linux-image-*.deb
  fi
  kernel=$(ls "$kernel_dir"/boot/vmlinuz-*)
  modules=$(ls -d "$kernel_dir"/lib/modules/*)
}

# A root filesystem for the kernel to begin with: initramfs_of DIR FILE
initramfs_of() { (cd "$1" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$2"; }
