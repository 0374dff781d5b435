#!/usr/bin/env bash
# Pulls a V4L2 camera out under `classifyd run` and plugs it in again: the kernel's test camera (vivid), in
# a virtual machine whose root is this system's, read-only. scripts/v4l2/guest.py says what is expected.
#
# Needed beforehand: an amd64 Debian, QEMU, and `make build`, as `make test-v4l2` sees to. The first time a
# kernel is fetched into .setup/v4l2 (70 MB to download); it is not installed. Without KVM the machine is
# emulated, and the test takes a minute.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly fetched=.setup/v4l2
readonly modules=(virtio_pci 9pnet_virtio 9p vivid)

# Seconds; longer than all that the guest waits for.
readonly limit=600

main() {
    local needed
    for needed in target/release/classifyd lib/libonnxruntime.so .setup/venv/bin/python; do
        [[ -e $needed ]] || fail "there is no $needed: run \`make test-v4l2\`"
    done
    command -v qemu-system-x86_64 >/dev/null || fail "QEMU is missing: apt-get install qemu-system-x86"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    [[ -e $fetched/vmlinuz ]] || fetch
    make_initramfs
    mkdir "$scratch/results"
    boot || true
    [[ $(cat "$scratch/results/status" 2>/dev/null) == 0 ]] || show_and_fail
}

fail() {
    printf 'test-v4l2: %s\n' "$1" >&2
    exit 1
}

# A static busybox, Debian's kernel, and of its modules those that are needed. All of it is unpacked only.
fetch() {
    local kernel version root=$scratch/root
    kernel=$(apt-cache depends linux-image-amd64 2>/dev/null |
        sed -nE 's/^ *Depends: (linux-image-[^ ]+-amd64)$/\1/p' | head -n 1)
    [[ -n $kernel ]] || fail "apt knows no linux-image-amd64: an amd64 Debian is needed, and \`apt-get update\`"
    version=${kernel#linux-image-}
    printf '==> Fetching %s\n' "$kernel"
    unpack "$kernel" "$root"
    unpack busybox-static "$root"
    "$root/bin/busybox" depmod -b "$root" "$version"
    rm -rf "$fetched"
    mkdir -p "$fetched"
    cp "$root/bin/busybox" "$fetched/"
    copy_modules "$root/lib/modules/$version" "$fetched/lib/modules/$version"
    # The last, as it says that all is there.
    cp "$root/boot/vmlinuz-$version" "$fetched/vmlinuz"
}

# unpack PACKAGE ROOT
unpack() {
    (cd "$scratch" && apt-get download "$1" > apt.log 2>&1) || {
        cat "$scratch/apt.log" >&2
        fail "$1 could not be fetched: run \`apt-get update\` as root, and this again"
    }
    dpkg -x "$scratch/$1"_*.deb "$2"
}

# copy_modules FROM TO: the modules, what they depend on, and the list that says so.
copy_modules() {
    local from=$1 to=$2 module line file
    mkdir -p "$to"
    cp "$from/modules.dep" "$to/"
    for module in "${modules[@]}"; do
        line=$(grep "/$module\.ko:" "$from/modules.dep") || fail "this kernel has no module $module"
        for file in ${line/:/}; do
            mkdir -p "$to/${file%/*}"
            cp "$from/$file" "$to/$file"
        done
    done
}

make_initramfs() {
    local root=$scratch/initramfs
    mkdir -p "$root"/{bin,proc,sys,dev,root}
    cp "$fetched/busybox" "$root/bin/"
    cp -r "$fetched/lib" "$root/"
    cp scripts/v4l2/init "$root/"
    printf '%s' "$PWD" > "$root/checkout"
    (cd "$root" && find . | bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 > "$scratch/initramfs.gz"
}

# The kernel's words go to the first serial line, those of the test to the second one.
boot() {
    timeout --foreground "$limit" qemu-system-x86_64 -nodefaults -display none -no-reboot -nic none \
        -accel "$(accelerator)" -cpu max -smp 2 -m 2G \
        -kernel "$fetched/vmlinuz" -initrd "$scratch/initramfs.gz" -append "console=ttyS0 panic=-1" \
        -serial "file:$scratch/console" -serial stdio \
        -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
        -virtfs "local,path=$scratch/results,mount_tag=results,security_model=none" < /dev/null
}

# Where the processor does not virtualise, /dev/kvm may be there and run no kernel but those made for it.
accelerator() {
    if [[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo; then echo kvm; else echo tcg; fi
}

show_and_fail() {
    local log
    for log in "$scratch/console" "$scratch/results/daemon.log"; do
        [[ ! -e $log ]] || { printf '\nThe end of %s:\n' "${log##*/}"; tail -n 20 "$log"; } >&2
    done
    fail "failed, see above"
}

main
