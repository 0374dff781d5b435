# The Python that the converter runs in: sourced by scripts/setup.sh in a checkout, and by classifyd-setup
# on a machine that has the package. Both define `note` and `fail`.

# Makes a virtual environment that holds exactly what a lock file pins.
#
#   install_python_tools DIRECTORY LOCK_FILE INTERPRETER
install_python_tools() {
    local tools=$1 lock=$2 interpreter=$3 stamp
    stamp="$tools/installed-$(sha256sum "$lock" | cut -c1-16)"
    if [[ -e $stamp ]] && "$tools/bin/python" -c '' 2>/dev/null; then
        note "present"
        return
    fi
    "$interpreter" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
        fail "$("$interpreter" --version) cannot run the converter, which needs Python 3.10 to 3.13.
Name such an interpreter: PYTHON=/usr/bin/python3.12 $0"
    note "installing numpy, onnx, tflite, protobuf into $tools (45 MB) ..."
    rm -rf "$tools"
    "$interpreter" -m venv "$tools" ||
        fail "no virtual environment could be made; on Debian: apt-get install python3-venv"
    "$tools/bin/python" -m pip install --no-input --disable-pip-version-check \
        --require-hashes --only-binary=:all: --requirement "$lock" ||
        fail "pip could not install $lock. Check the network connection and run this again."
    touch "$stamp"
    note "installed"
}
