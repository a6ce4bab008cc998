#!/usr/bin/env bash
# Installs what building (prepare.sh build), testing (prepare.sh test) or measuring (prepare.sh bench) needs and this
# machine does not have.
# Does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'prepare: %s\n' "$*" >&2; }

# Needed in any case: a C compiler and the headers of libpcap.
needed=()
command -v cc >/dev/null || needed+=(gcc libc6-dev)
[ -e /usr/include/pcap/pcap.h ] || needed+=(libpcap-dev)

# The stacks that the tests against real peers talk to, in the versions that were tested, and where they go.
stacks="pymodbus==3.16.1 dnp3py==0.6.0 c104==2.2.1 schemathesis==4.32.5 stix2-validator==3.3.2 stix2==3.0.2"
peers="${CARGO_TARGET_DIR:-target}/peers"

# Tests and benches that need these skip, saying so, where they are not to be had.
wanted=()
if [ "${1:-build}" = test ]; then
    command -v tshark >/dev/null || wanted+=(tshark)
    command -v python3 >/dev/null || wanted+=(python3)
    command -v tcpdump >/dev/null || wanted+=(tcpdump)
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || wanted+=(chromium)
    # Receivers of alerts; they are where only root looks.
    for receiver in rsyslogd:rsyslog nats-server:nats-server mosquitto:mosquitto openssl:openssl; do
        PATH="$PATH:/usr/sbin" command -v "${receiver%%:*}" >/dev/null || wanted+=("${receiver##*:}")
    done
    compgen -G '/usr/lib/*/rsyslog/lmnsd_ossl.so' >/dev/null || wanted+=(rsyslog-openssl)
    # A Python without ensurepip makes no environment with pip in it.
    [ -e "$peers/stacks" ] || python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
fi

if [ "${1:-build}" = bench ]; then
    command -v tcpdump >/dev/null || wanted+=(tcpdump)
    command -v valgrind >/dev/null || wanted+=(valgrind)
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
        say "could not install ${wanted[*]}; what needs them will be skipped"
fi
if [ "${1:-build}" = test ] && [ "$(cat "$peers/stacks" 2>/dev/null)" != "$stacks" ]; then
    say "installing $stacks into $peers"
    # shellcheck disable=SC2086 # one word a stack
    { python3 -m venv "$peers" >/dev/null 2>&1 &&
        "$peers/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 15 $stacks 2>/dev/null &&
        echo "$stacks" >"$peers/stacks"; } ||
        say "could not install $stacks; the tests against real peers will be skipped"
fi

# Prometheus and Alertmanager: unpacked and not installed, since Debian's packages start servers that stay.
unpack() {
    local folder
    folder=$(mktemp -d)
    chmod 755 "$folder"
    (cd "$folder" && { apt-get download -q "$@" || { install && apt-get download -q "$@"; }; }) >/dev/null 2>&1 &&
        mkdir -p "$peers/debian" &&
        for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$peers/debian" || break; done
    rm -rf "$folder"
    [ -x "$peers/debian/usr/bin/promtool" ] && [ -x "$peers/debian/usr/bin/amtool" ]
}
if [ "${1:-build}" = test ] && [ ! -x "$peers/debian/usr/bin/amtool" ] &&
    ! { command -v promtool && command -v amtool; } >/dev/null; then
    say "unpacking prometheus and prometheus-alertmanager into $peers"
    { command -v apt-get >/dev/null && unpack prometheus prometheus-alertmanager; } ||
        say "could not fetch prometheus and prometheus-alertmanager; their tests will be skipped"
fi

# What looks for barriers in the pages: one script of the package axe-core, used by the tests only.
axe=4.10.3
if [ "${1:-build}" = test ] && [ ! -s "$peers/axe.min.js" ]; then
    say "fetching axe-core $axe into $peers"
    mkdir -p "$peers"
    { command -v curl >/dev/null &&
        curl -fsS --max-time 30 "https://registry.npmjs.org/axe-core/-/axe-core-$axe.tgz" |
        tar -xzO package/axe.min.js >"$peers/axe.min.js"; } ||
        { rm -f "$peers/axe.min.js"; say "could not fetch axe-core; the pages are not searched for barriers"; }
fi
