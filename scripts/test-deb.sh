#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package in a container over this system, which
# leaves this system as it is. `make test-deb` builds the package first. Needs root, overlay mounts and
# systemd-nspawn; where they are missing it says so and ends with 0.
#
#   scripts/test-deb.sh [amd64|arm64]
#
# The program for arm64 runs under qemu-user, as in `make test-arm64`, which has to be run before. What
# the package depends on is not asked for then: there is no such library on this system.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly architecture=${1:-amd64}
readonly old=target/debian/test/old new=target/debian/test/new
readonly library_of_arm64=lib/aarch64/libonnxruntime.so.1.32.0

main() {
    ((EUID == 0)) || skip "only root can make a container"
    command -v systemd-nspawn >/dev/null || skip "systemd-nspawn (package systemd-container) is missing"
    emulator=
    if [[ $architecture == arm64 ]]; then
        if [[ ! -e $library_of_arm64 ]]; then
            printf 'test-deb: there is no %s: run `make test-arm64`\n' "$library_of_arm64" >&2
            exit 1
        fi
        emulator=$(scripts/arm64.sh emulator)
    fi
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
        --setenv=LIBRARY_OF_ARM64="$library_of_arm64" \
        --setenv=EMULATOR="${emulator/#"$PWD"//checkout}" \
        bash -euo pipefail -c "$(declare -f "${in_container[@]}"); inside" </dev/null
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
    mv "$(scripts/deb.sh "$architecture" "$version~before")" "$old"
    mv "$(scripts/deb.sh "$architecture" "$version")" "$new"
}

readonly in_container=(inside install_package emulate fetch_by_setup copy_for_arm64 show step fail same)

# In the container.
inside() {
    local before after share=/usr/share/classifyd own=()
    [[ -z $EMULATOR ]] || emulate
    # systemd's, and there to stay.
    mkdir -p /var/lib/private /var/cache/private
    before=$(show)
    step "installing"
    install_package /checkout/target/debian/test/old/*.deb
    same "$(type -P classifyd)" /usr/bin/classifyd
    classifyd --version
    man -w classifyd >/dev/null || [[ -e /usr/share/man/man1/classifyd.1.gz ]]
    [[ -e /usr/share/man/man1/classifyd-run.1.gz && -e /usr/share/bash-completion/completions/classifyd ]]
    [[ -e $share/models/premodel.safetensors && -e $share/pipelines/rtsp.toml ]]
    same "$(systemctl is-enabled classifyd)" disabled
    classifyd models --list 2>&1 | grep -q efficientnet_lite0 || fail "it does not find its manifests"
    classifyd check --config /etc/classifyd/classifyd.toml && fail "there are no models yet" || true
    step "putting models and ONNX Runtime in place"
    if [[ -z $EMULATOR ]]; then fetch_by_setup; else copy_for_arm64; fi
    classifyd check --config /etc/classifyd/classifyd.toml
    step "upgrading"
    printf '# mine\n' >>/etc/classifyd/classifyd.toml
    install_package --force-confold /checkout/target/debian/test/new/*.deb
    same "$(tail -n 1 /etc/classifyd/classifyd.toml)" "# mine"
    [[ -e $share/models/efficientnet_lite0.onnx ]] || fail "the upgrade took the models away"
    step "removing"
    mkdir -p /var/lib/private/classifyd /var/cache/private/classifyd/engines
    ln -s private/classifyd /var/lib/classifyd
    touch "$share/models/porch.onnx"
    own+=("$share/models/porch.onnx")
    dpkg --remove classifyd
    same "$(find $share -type f | sort)" "$(printf '%s\n' "${own[@]}")"
    rm -r "$share"
    [[ -e /etc/classifyd/classifyd.toml && -e /var/lib/private/classifyd ]]
    step "purging"
    dpkg --purge classifyd
    after=$(show)
    diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") || fail "this is left, or gone"
}

install_package() {
    dpkg ${EMULATOR:+--force-depends} --install "$@"
}

# Has this system take the packages of arm64, and run their program.
emulate() {
    dpkg --add-architecture arm64
    classifyd() {
        "$EMULATOR" -L /checkout/.setup/arm64/root /usr/bin/classifyd "$@"
    }
}

# What a checkout has already is not fetched again.
fetch_by_setup() {
    mkdir -p "$share/lib"
    cp /checkout/models/*.onnx /checkout/models/imagenet_labels.txt "$share/models/"
    cp --dereference /checkout/lib/libonnxruntime.so "$share/lib/libonnxruntime.so.1.32.0"
    mkdir -p /var/cache/classifyd-setup
    cp -r /checkout/.setup/venv /var/cache/classifyd-setup/
    classifyd-setup
    same "$(readlink $share/lib/libonnxruntime.so)" libonnxruntime.so.1.32.0
}

# By hand, as where no Python is new enough for classifyd-setup.
copy_for_arm64() {
    mkdir -p "$share/lib"
    cp /checkout/models/*.onnx /checkout/models/imagenet_labels.txt "$share/models/"
    cp "/checkout/$LIBRARY_OF_ARM64" "$share/lib/libonnxruntime.so"
    own+=("$share/lib/libonnxruntime.so")
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
