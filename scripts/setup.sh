#!/usr/bin/env bash
# Fetches all that classifyd needs beside Rust: system packages (GStreamer), the ONNX Runtime
# library, models, label names and sample videos.
#
#   scripts/setup.sh [--all | --set NAME]
#
# --all: EfficientNet-Lite 1 and ResNet v1 50 too; --set tests: what only tests need too, an older ONNX
# Runtime and promtool; --set arm64: the libraries for `make test-arm64` too.
#
# What is there is left alone, so a second run changes nothing. Root (sudo) is needed only if
# system packages are missing. With SERVICE_TESTS=1, as `make test` sets it for root, systemd-nspawn and
# `tc` are among them; with V4L2_TESTS=1, as `make test-v4l2` sets it, QEMU. PYTHON names another Python than
# `python3` (3.10 to 3.13).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly state=.setup
readonly venv=$state/venv
readonly python=${PYTHON:-python3}

source models/convert/tools.sh

readonly gstreamer_packages=(
    libgstreamer1.0-dev
    libgstreamer-plugins-base1.0-dev
    libgstrtspserver-1.0-dev
    gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad
    gstreamer1.0-plugins-ugly
    gstreamer1.0-libav
    gstreamer1.0-tools
)

# What tests of the service boot a systemd with; only root can.
readonly service_test_packages=(systemd-container)

# What the test uses that loses a camera's packets; only root can.
readonly network_test_packages=(iproute2)

# What has the virtual machine with the test camera.
readonly v4l2_test_packages=(qemu-system-x86)

main() {
    local options=()
    case "$*" in
        "") ;;
        --all | "--set tests" | "--set arm64") options=("$@") ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "scripts/setup.sh"; exit 64 ;;
    esac
    [[ -z ${PYTHON:-} ]] || command -v "$PYTHON" >/dev/null ||
        fail "PYTHON names $PYTHON, and there is no such program."
    mkdir -p "$state"
    check_rust
    step "System packages"
    install_system_packages
    [[ "$*" != "--set tests" ]] || fetch_promtool
    step "Python tools of the converter"
    install_python_tools "$venv" models/convert/requirements.txt "$python"
    step "ONNX Runtime, models, labels, samples"
    PYTHONPATH=models "$venv/bin/python" -m convert "${options[@]}"
}

step() {
    printf '==> %s\n' "$1"
}

note() {
    printf '    %s\n' "$1"
}

fail() {
    printf '\nset-up failed: %s\n' "$1" >&2
    exit 1
}

# Cargo reads the oldest version that will do from Cargo.toml, but only if it knows the edition.
check_rust() {
    local needed found
    needed=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null ||
        fail "Rust is not installed: https://rustup.rs says how (version $needed or later)."
    found=$(cargo --version | cut -d' ' -f2)
    [[ $(printf '%s\n' "$needed" "$found" | sort -V | head -n 1) == "$needed" ]] ||
        fail "Rust $found is too old, $needed or later is needed: rustup update"
}

# Names the packages that are missing, one per line.
missing_packages() {
    local package status
    for package in "${gstreamer_packages[@]}"; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [[ $status == installed ]] || echo "$package"
    done
    command -v pkg-config >/dev/null || echo pkg-config
    command -v cc >/dev/null || echo gcc libc6-dev
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3 python3-venv
    [[ -z ${SERVICE_TESTS:-} ]] || command -v systemd-nspawn >/dev/null ||
        echo "${service_test_packages[@]}"
    [[ -z ${SERVICE_TESTS:-} ]] || command -v tc >/dev/null || echo "${network_test_packages[@]}"
    [[ -z ${V4L2_TESTS:-} ]] || command -v qemu-system-x86_64 >/dev/null ||
        echo "${v4l2_test_packages[@]}"
}

install_system_packages() {
    if ! command -v dpkg-query >/dev/null; then
        note "not a Debian system: GStreamer with its plugins and headers, pkg-config, a C compiler"
        note "and Python 3.10 to 3.13 with venv are taken to be installed"
        return
    fi
    local missing
    mapfile -t missing < <(missing_packages | tr ' ' '\n')
    if ((${#missing[@]} == 0)); then
        note "present"
        return
    fi
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "packages are missing and there is no sudo. As root, run:
    apt-get install ${missing[*]}"
        as_root=(sudo)
        note "sudo may ask for your password"
    fi
    note "installing ${missing[*]} (up to 320 MB) ..."
    local log=$state/apt.log
    if ! { "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends "${missing[@]}"; } 2>&1 |
        tee "$log" | awk '/^(Get:|Fetched|Setting up)/ { print "    " $0; fflush() }'; then
        tail -n 12 "$log" >&2
        fail "apt-get could not install the packages (the whole log: $log). Check the network
connection and the apt sources, or install them by hand, and run this again:
    apt-get install ${missing[*]}"
    fi
    note "installed"
}

# What a test has the metrics checked with. The package is only unpacked: installed, it runs a server.
fetch_promtool() {
    local own=$state/bin/promtool unpacked=$state/prometheus
    ! command -v promtool >/dev/null && [[ ! -x $own ]] && command -v apt-get >/dev/null || return 0
    note "fetching promtool (20 MB) ..."
    rm -rf "$unpacked"
    mkdir -p "$unpacked" "$state/bin"
    if (cd "$unpacked" && apt-get -qq -o APT::Sandbox::User= download prometheus &&
        dpkg-deb --extract prometheus_*.deb .) > "$state/promtool.log" 2>&1; then
        mv "$unpacked/usr/bin/promtool" "$own"
    else
        note "apt-get has no package prometheus: metrics will not be checked ($state/promtool.log)"
    fi
    rm -rf "$unpacked"
}

main "$@"
