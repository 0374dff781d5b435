#!/usr/bin/env bash
# Builds classifyd for aarch64 with the glibc of JetPack 4 (2.27), on another machine.
#
#   scripts/arm64.sh             builds target/aarch64-unknown-linux-gnu/release/classifyd
#   scripts/arm64.sh fetch       fetches what that needs, and builds nothing
#   scripts/arm64.sh emulator    puts qemu-user in place, and prints its path
#
# All that it needs lies under .setup/arm64, nothing is installed on the system, and root is not
# needed: zig and cargo-zigbuild (pinned) link; an aarch64 Debian 12 has GStreamer; the standard
# library is the one that rustup has for the target (`rustup target add aarch64-unknown-linux-gnu`),
# or is built from its source: that of the toolchain, or Debian's package of the same version. A
# second run fetches nothing twice. DEBIAN_MIRROR names a mirror where the system has none of its own.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly target=aarch64-unknown-linux-gnu
readonly glibc=2.27
readonly program=target/$target/release/classifyd
readonly requirements=scripts/arm64-requirements.txt
readonly state=$PWD/.setup/arm64
readonly root=$state/root
readonly tools=$state/tools
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Headers for the build, plugins for the tests under qemu-user.
readonly packages=(
    libgstreamer1.0-dev
    libgstreamer-plugins-base1.0-dev
    gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good
    gstreamer1.0-libav
)

# The qemu of Debian 12 lacks instructions that newer ONNX Runtimes use.
readonly least_qemu=10

main() {
    mkdir -p "$state"
    case "$*" in
        "")
            fetch
            build
            check_glibc
            ;;
        fetch) fetch ;;
        emulator) find_emulator ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' scripts/arm64.sh; exit 64 ;;
    esac
}

note() {
    printf '    %s\n' "$1" >&2
}

fail() {
    printf '\narm64: %s\n' "$1" >&2
    exit 1
}

fetch() {
    install_tools
    install_root
    find_standard_library
}

install_tools() {
    local stamp
    stamp="$tools/installed-$(sha256sum "$requirements" | cut -c1-16)"
    [[ ! -e $stamp ]] || return 0
    note "installing zig and cargo-zigbuild (100 MB) ..."
    rm -rf "$tools"
    "${PYTHON:-python3}" -m venv "$tools" || fail "no virtual environment could be made (apt-get install python3-venv)"
    "$tools/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
        --require-hashes --only-binary=:all: --requirement "$requirements" ||
        fail "pip could not install $requirements. Check the network connection and run this again."
    touch "$stamp"
}

# The system's mirror of Debian.
mirror() {
    local found=${DEBIAN_MIRROR:-}
    [[ -n $found ]] || found=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' \
        'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)
    [[ -n $found ]] || fail "this system has no Debian mirror: name one that has Debian 12 with DEBIAN_MIRROR=URL"
    printf '%s\n' "$found"
}

# apt ARCHITECTURE SUITE COMMAND...: apt-get on lists of its own, for a system with nothing installed.
apt() {
    local architecture=$1 suite=$2 own=$state/apt/$1-$2
    shift 2
    mkdir -p "$own"/{lists/partial,archives/partial}
    : > "$own/status"
    local options=(
        -o "Dir::Etc::SourceList=$own/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$own/lists" -o "Dir::State::Status=$own/status"
        -o "Dir::Cache=$own" -o "Dir::Cache::Archives=$own/archives"
        -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
        -o Debug::NoLocking=1 -o Acquire::Languages=none -o APT::Sandbox::User=
    )
    if [[ ! -e $own/sources.list ]]; then
        [[ -e $keyring ]] || fail "there is no $keyring: install debian-archive-keyring"
        local repository
        repository=$(mirror)
        echo "deb [signed-by=$keyring] $repository $suite main" > "$own/sources.list.partial"
        mv "$own/sources.list.partial" "$own/sources.list"
    fi
    # `download` writes to the working directory.
    (cd "$own/archives" && apt-get "${options[@]}" "$@") >> "$state/apt.log" 2>&1 || {
        tail -n 6 "$state/apt.log" >&2
        rm -f "$own/sources.list"
        fail "apt-get could not get what is needed from $suite (the whole log: $state/apt.log)"
    }
}

# unpack ARCHITECTURE SUITE DIRECTORY [OPTION...]: what apt has fetched, by options of tar.
unpack() {
    local own=$state/apt/$1-$2 directory=$3 package
    shift 3
    mkdir -p "$directory"
    for package in "$own"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$directory" "$@"
    done
    rm -rf "$own/archives"
}

install_root() {
    local stamp
    stamp="$root/installed-$(printf '%s\n' "${packages[@]}" | sha256sum | cut -c1-16)"
    [[ ! -e $stamp ]] || return 0
    note "fetching GStreamer for aarch64 (180 MB) ..."
    rm -rf "$root"
    apt arm64 bookworm update
    apt arm64 bookworm install --yes --download-only --no-install-recommends "${packages[@]}"
    unpack arm64 bookworm "$root"
    touch "$stamp"
}

# Sets `sysroot` to where the source of the standard library is, empty if it need not be built.
find_standard_library() {
    local own
    own=$(rustc --print sysroot)
    sysroot=
    [[ ! -d $own/lib/rustlib/$target ]] || return 0
    sysroot=$own
    [[ ! -d $own/lib/rustlib/src/rust/library ]] || return 0
    sysroot=$state/rust
    local version stamp host
    version=$(rustc --version | cut -d' ' -f2)
    stamp=$sysroot/source-of-$version
    [[ ! -e $stamp ]] || return 0
    note "fetching the source of Rust's standard library $version (45 MB) ..."
    rm -rf "$sysroot"
    local architecture
    architecture=$(dpkg --print-architecture)
    apt "$architecture" trixie-backports update
    apt "$architecture" trixie-backports download "rust-src=$version+*"
    unpack "$architecture" trixie-backports "$sysroot/lib/rustlib/src/rust" \
        --strip-components=4 --wildcards './usr/src/rustc-*/library'
    host=$(rustc -vV | sed -n 's/^host: //p')
    ln -s "$own/lib/rustlib/$host" "$sysroot/lib/rustlib/$host"
    touch "$stamp"
}

build() {
    local options=() wrapper=$state/rustc
    if [[ -n $sysroot ]]; then
        # The compiler is the same, told where the source lies.
        printf '#!/bin/sh\nexec "%s/bin/rustc" --sysroot "%s" "$@"\n' \
            "$(rustc --print sysroot)" "$sysroot" > "$wrapper"
        chmod +x "$wrapper"
        export RUSTC=$wrapper RUSTC_BOOTSTRAP=1
        options=(-Zbuild-std)
        note "building, the standard library too ..."
    else
        note "building ..."
    fi
    export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$root
    export PKG_CONFIG_LIBDIR=$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig
    # jemalloc cannot ask the other machine for the size of its pages: up to 64 KiB are allowed for.
    export JEMALLOC_SYS_WITH_LG_PAGE=16
    PATH="$tools/bin:$PATH" cargo zigbuild --locked --release --target "$target.$glibc" --bin classifyd \
        "${options[@]}"
}

# Sees that the program needs no symbol of a later glibc.
check_glibc() {
    local newest
    newest=$(needed_versions | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1)
    [[ -n $newest ]] || fail "$program names no version of glibc: this check does not work here"
    [[ $(printf '%s\n' "${newest#GLIBC_}" "$glibc" | sort -V | tail -n 1) == "$glibc" ]] ||
        fail "$program needs $newest, and JetPack 4 has $glibc"
    note "$program: needs $newest at most"
}

needed_versions() {
    readelf --version-info --wide "$program"
}

find_emulator() {
    local found version
    if found=$(command -v qemu-aarch64 || command -v qemu-aarch64-static); then
        version=$("$found" --version | sed -nE '1s/.*version ([0-9]+).*/\1/p')
        if ((version >= least_qemu)); then
            printf '%s\n' "$found"
            return
        fi
    fi
    local own=$state/qemu
    if [[ ! -e $own/usr/bin/qemu-aarch64 ]]; then
        note "fetching qemu-user (13 MB) ..."
        local architecture
        architecture=$(dpkg --print-architecture)
        apt "$architecture" bookworm-backports update
        apt "$architecture" bookworm-backports download qemu-user
        unpack "$architecture" bookworm-backports "$own" ./usr/bin/qemu-aarch64
    fi
    printf '%s\n' "$own/usr/bin/qemu-aarch64"
}

main "$@"
