#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package in a container over this system, which
# leaves this system as it is. `make test-deb` builds the package first. Needs root, overlay mounts and
# systemd-nspawn; where they are missing it says so and ends with 0.
#
#   scripts/test-deb.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly old=target/debian/test/old new=target/debian/test/new

main() {
    ((EUID == 0)) || skip "only root can make a container"
    command -v systemd-nspawn >/dev/null || skip "systemd-nspawn (package systemd-container) is missing"
    make_packages
    scratch=$(mktemp -d)
    trap 'umount --lazy "$scratch/root" "$scratch" 2>/dev/null; rmdir "$scratch"' EXIT
    mount -t tmpfs tmpfs "$scratch"
    mkdir "$scratch"/{upper,work,root}
    mount -t overlay overlay "$scratch/root" \
        -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" ||
        skip "an overlay cannot be mounted here"
    systemd-nspawn --directory="$scratch/root" --register=no --keep-unit --quiet --console=pipe \
        --machine="classifyd-deb-$$" --private-network --bind-ro="$PWD:/checkout" \
        bash -euo pipefail -c "$(declare -f inside show step fail same); inside" </dev/null
    printf 'the package installs, upgrades, removes and purges cleanly\n'
}

skip() {
    printf 'skipped: %s\n' "$1" >&2
    exit 0
}

make_packages() {
    local version
    version=$(sed -nE '0,/^version/s/^version = "(.*)"/\1/p' Cargo.toml)
    rm -rf "$old" "$new"
    mkdir -p "$old" "$new"
    mv "$(scripts/deb.sh amd64 "$version~before")" "$old"
    mv "$(scripts/deb.sh amd64 "$version")" "$new"
}

# In the container.
inside() {
    local before after share=/usr/share/classifyd
    # systemd's, and there to stay.
    mkdir -p /var/lib/private /var/cache/private
    before=$(show)
    step "installing"
    dpkg --install /checkout/target/debian/test/old/*.deb
    same "$(command -v classifyd)" /usr/bin/classifyd
    classifyd --version
    man -w classifyd >/dev/null || [[ -e /usr/share/man/man1/classifyd.1.gz ]]
    [[ -e /usr/share/man/man1/classifyd-run.1.gz && -e /usr/share/bash-completion/completions/classifyd ]]
    [[ -e $share/models/premodel.safetensors && -e $share/pipelines/rtsp.toml ]]
    same "$(systemctl is-enabled classifyd)" disabled
    classifyd models --list 2>&1 | grep -q efficientnet_lite0 || fail "it does not find its manifests"
    classifyd check --config /etc/classifyd/classifyd.toml && fail "there are no models yet" || true
    step "fetching from what a checkout has already"
    mkdir -p "$share/lib"
    cp /checkout/models/*.onnx /checkout/models/imagenet_labels.txt "$share/models/"
    cp --dereference /checkout/lib/libonnxruntime.so "$share/lib/libonnxruntime.so.1.32.0"
    mkdir -p /var/cache/classifyd-setup
    cp -r /checkout/.setup/venv /var/cache/classifyd-setup/
    classifyd-setup
    classifyd check --config /etc/classifyd/classifyd.toml
    same "$(readlink $share/lib/libonnxruntime.so)" libonnxruntime.so.1.32.0
    step "upgrading"
    printf '# mine\n' >>/etc/classifyd/classifyd.toml
    dpkg --force-confold --install /checkout/target/debian/test/new/*.deb
    same "$(tail -n 1 /etc/classifyd/classifyd.toml)" "# mine"
    [[ -e $share/models/efficientnet_lite0.onnx ]] || fail "the upgrade took the models away"
    step "removing"
    mkdir -p /var/lib/private/classifyd /var/cache/private/classifyd/engines
    ln -s private/classifyd /var/lib/classifyd
    touch "$share/models/porch.onnx"
    dpkg --remove classifyd
    same "$(find $share -type f)" "$share/models/porch.onnx"
    rm -r "$share"
    [[ -e /etc/classifyd/classifyd.toml && -e /var/lib/private/classifyd ]]
    step "purging"
    dpkg --purge classifyd
    after=$(show)
    diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") || fail "this is left, or gone"
}

# All files that a package could leave, but for what dpkg and its triggers keep of themselves.
show() {
    find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /checkout -o -path /root \
        -o -path /work -o -path /dev -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache/man \
        -o -path /var/lib/systemd/deb-systemd-helper-masked \) -prune -o -print | sort
}

step() {
    printf '==> %s\n' "$1"
}

fail() {
    printf '\nthe package is faulty: %s\n' "$1" >&2
    exit 1
}

same() {
    [[ $1 == "$2" ]] || fail "\`$1\` should be \`$2\`"
}

main "$@"
