#!/usr/bin/env bash
# Runs the aarch64 build under qemu-user: `doctor`, and ten frames of the sample clip through aarch64
# ONNX Runtimes. The labels have to be those that this machine's own build gives.
#
# Needed beforehand: `make build`, `make arm64` and `scripts/setup.sh --set arm64`, as `make test-arm64`
# does. HOST_PROGRAM names another program to compare with.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly root=$PWD/.setup/arm64/root
readonly program=target/aarch64-unknown-linux-gnu/release/classifyd
readonly host_program=${HOST_PROGRAM:-target/release/classifyd}
readonly host_library=lib/libonnxruntime.so
readonly clip=samples/bikes.mp4

# Of 250 frames one in 25 is given to the model.
readonly replay=(--quiet replay --model efficientnet_lite0 --budget 10min --every 25 "$clip")

# By version; the first is the one that JetPack 4 may have.
readonly libraries=(
    lib/aarch64/libonnxruntime.so.1.11.0
    lib/aarch64/libonnxruntime.so.1.32.0
)

main() {
    local needed
    for needed in "$program" "$host_program" "$host_library" "${libraries[@]}" "$clip"; do
        [[ -e $needed ]] || fail "there is no $needed: run \`make test-arm64\`"
    done
    emulator=$(scripts/arm64.sh emulator)
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    doctor
    labels "$host_library" "$host_program" > "$scratch/expected"
    local frames library passed=1
    frames=$(wc -l < "$scratch/expected")
    ((frames == 10)) || fail "this machine's own build classified $frames frames instead of 10"
    for library in "${libraries[@]}"; do
        compare "$library"
        passed=$((passed + 1))
    done
    printf '%s passed, 0 failed\n' "$passed"
}

fail() {
    printf 'test-arm64: %s\n' "$1" >&2
    exit 1
}

# The program under the emulator. GStreamer's scanner of plugins would be started without it, so
# plugins are scanned in the process; the alternatives of BLAS are links that only an installation makes.
emulated() {
    local multiarch=/usr/lib/aarch64-linux-gnu
    env GST_REGISTRY_FORK=no GST_REGISTRY_1_0="$scratch/registry" \
        GST_PLUGIN_SYSTEM_PATH_1_0="$multiarch/gstreamer-1.0" \
        "$emulator" -L "$root" -E "LD_LIBRARY_PATH=$multiarch/blas:$multiarch/lapack" "$program" "$@"
}

doctor() {
    emulated doctor --onnxruntime "${libraries[0]}" > "$scratch/doctor" 2> "$scratch/log" ||
        { cat "$scratch/doctor" "$scratch/log" >&2; fail "doctor finds parts missing"; }
    local part
    for part in "GStreamer: " "GStreamer element decodebin" "ONNX Runtime: " "execution provider cpu"; do
        grep -q "^ok       $part" "$scratch/doctor" || { cat "$scratch/doctor" >&2; fail "doctor does not find $part"; }
    done
    echo "doctor: ok"
}

# labels LIBRARY COMMAND...: frame and best label of each classified frame.
labels() {
    local library=$1
    shift
    "$@" --onnxruntime "$library" "${replay[@]}" |
        sed -nE 's/.*"frame":([0-9]+),.*"outcome":"classified".*"labels":\[\{"class":([0-9]+),"label":"([^"]*)".*/\1 \2 \3/p'
}

compare() {
    local library=$1 name
    name=$(basename "$library")
    labels "$library" emulated > "$scratch/found" 2> "$scratch/log" || { cat "$scratch/log" >&2; fail "the replay with $name fails"; }
    diff "$scratch/expected" "$scratch/found" >&2 || fail "$name gives other labels (>) than this machine (<)"
    echo "ten frames with $name: the labels of $(uname -m)"
}

main
