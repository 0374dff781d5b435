#!/usr/bin/env bash
# Compares a replay of a 640x480 H.264 clip with ONNX Runtime alone and with a plain Python loop
# over OpenCV and onnxruntime: same clip, same model, same threads.
#
#   scripts/bench-replay.sh
#
# Settings of the environment:
#   MODEL     the model that classifies every frame (efficientnet_lite0)
#   THREADS   threads of one inference (1)
#   REPEAT    rounds, of which the medians count (5)
#   FILTER    how the Python loop shrinks pictures: linear, area or cubic (linear)
#   PYTHON    another Python than `python3` (3.10 to 3.13)
#
# `make bench-replay` builds classifyd first. Close other programs: a busy machine blurs the result.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly model=${MODEL:-efficientnet_lite0}
readonly threads=${THREADS:-1}
readonly repeat=${REPEAT:-5}
readonly python=${PYTHON:-python3}
readonly program=target/release/classifyd
readonly sample=samples/bikes.mp4
readonly clip=.setup/bench/clip-640x480.mp4
readonly venv=.setup/bench-venv
readonly requirements=scripts/bench/requirements.txt

main() {
    (($# == 0)) || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "scripts/bench-replay.sh"; exit 64; }
    [[ -x $program ]] || fail "there is no $program: run \`make bench-replay\`."
    [[ -e models/$model.toml ]] || fail "MODEL names $model, and there is no models/$model.toml."
    make_clip
    install_python_tools
    "$venv/bin/python" scripts/bench/compare.py --classifyd "$program" \
        --manifest "models/$model.toml" --threads "$threads" --repeat "$repeat" "$clip"
}

step() {
    printf '==> %s\n' "$1" >&2
}

fail() {
    printf '\nbench-replay failed: %s\n' "$1" >&2
    exit 1
}

# The sample's middle, enlarged: each frame is another picture, coded as a camera would.
make_clip() {
    [[ -e $clip ]] && return
    step "Making $clip"
    mkdir -p "$(dirname "$clip")"
    gst-launch-1.0 --quiet --eos-on-shutdown \
        filesrc location="$sample" ! decodebin 'caps=video/x-raw(ANY)' expose-all-streams=false ! \
        videoconvert ! aspectratiocrop aspect-ratio=4/3 ! videoscale ! \
        video/x-raw,format=I420,width=640,height=480,pixel-aspect-ratio=1/1 ! \
        x264enc bitrate=2000 key-int-max=50 ! h264parse ! mp4mux ! \
        filesink location="$clip.partial" || fail "GStreamer could not make the clip of $sample."
    mv "$clip.partial" "$clip"
}

# A virtual environment that holds exactly what requirements.txt pins.
install_python_tools() {
    local stamp
    stamp="$venv/installed-$(sha256sum "$requirements" | cut -c1-16)"
    [[ -e $stamp ]] && "$venv/bin/python" -c '' 2>/dev/null && return
    "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
        fail "$("$python" --version) is not Python 3.10 to 3.13.
Name such an interpreter: PYTHON=/usr/bin/python3.12 make bench-replay"
    step "Installing OpenCV and onnxruntime for Python into $venv (110 MB)"
    rm -rf "$venv"
    "$python" -m venv "$venv" ||
        fail "no virtual environment could be made; on Debian: apt-get install python3-venv"
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
        --require-hashes --only-binary=:all: --requirement "$requirements" ||
        fail "pip could not install $requirements. Check the network connection and run this again."
    touch "$stamp"
}

main "$@"
