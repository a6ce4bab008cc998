#!/usr/bin/env bash
# Installs what building (prepare.sh build) or testing (prepare.sh test) needs and this machine does not have.
# Does nothing where all is there.
set -euo pipefail

say() { printf 'prepare: %s\n' "$*" >&2; }

# Needed in any case: a C compiler and the headers of libpcap.
needed=()
command -v cc >/dev/null || needed+=(gcc libc6-dev)
[ -e /usr/include/pcap/pcap.h ] || needed+=(libpcap-dev)

# Tests that need these skip, saying so, where they are not to be had.
wanted=()
if [ "${1:-build}" = test ]; then
    command -v tshark >/dev/null || wanted+=(tshark)
    command -v python3 >/dev/null || wanted+=(python3)
fi

command -v cargo >/dev/null || { say "no Rust toolchain here; get one from https://rustup.rs and try again"; exit 1; }

install() {
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return 1
        root=(sudo)
    fi
    say "installing $*"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if [ ${#needed[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        say "this is not Debian or Ubuntu: install a C compiler and the development files of libpcap, then try again"
        exit 1
    fi
    install "${needed[@]}" || { say "could not install ${needed[*]}; install them as root, then try again"; exit 1; }
fi
if [ ${#wanted[@]} -gt 0 ]; then
    { command -v apt-get >/dev/null && install "${wanted[@]}"; } ||
        say "could not install ${wanted[*]}; the tests that need them will be skipped"
fi
