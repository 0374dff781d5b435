#!/usr/bin/env bash
# Makes the Debian package of a build: `make deb` and `make deb ARCH=arm64` run it.
#
#   scripts/deb.sh amd64|arm64 [VERSION]
#
# The program for amd64 is target/release/classifyd, the one for arm64 what `make arm64` leaves. The
# former writes the manual pages and completions of both. VERSION goes before that of Cargo.toml.
# The package lies in target/debian.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly pages=target/deb
readonly program=target/release/classifyd

main() {
    local options=(--no-build --locked --quiet)
    case ${1:-} in
        amd64) options+=(--strip) ;;
        arm64)
            local built=target/aarch64-unknown-linux-gnu/release/classifyd
            [[ -x $built ]] || fail "there is no $built: run \`make arm64\` first."
            options+=(--target aarch64-unknown-linux-gnu --variant arm64 --no-strip)
            ;;
        *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' scripts/deb.sh; exit 64 ;;
    esac
    [[ -x $program ]] || fail "there is no $program: run \`make build\` first."
    [[ -z ${2:-} ]] || options+=(--deb-version "$2")
    write_pages
    PATH="$PWD/.setup/bin:$PATH" cargo deb "${options[@]}"
}

fail() {
    printf '\nno package was made: %s\n' "$1" >&2
    exit 1
}

# Manual pages and completions, as the program itself writes them.
write_pages() {
    rm -rf "$pages"
    mkdir -p "$pages/man" "$pages/completions"
    "$program" man | gzip -9n >"$pages/man/classifyd.1.gz"
    local command
    for command in $("$program" --help | sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p'); do
        [[ $command == help ]] ||
            "$program" man "$command" | gzip -9n >"$pages/man/classifyd-$command.1.gz"
    done
    "$program" completions bash >"$pages/completions/classifyd"
    "$program" completions zsh >"$pages/completions/_classifyd"
    "$program" completions fish >"$pages/completions/classifyd.fish"
}

main "$@"
