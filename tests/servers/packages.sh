#!/bin/sh
# What the tests talk to and no wheel brings: installed as root, named otherwise. A server that
# is given by its address (CONCORD_TEST_REDIS_URL, CONCORD_TEST_S3_URL) is not needed here.
set -eu

missing=""
need() { # program, packages
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

[ -n "${CONCORD_TEST_REDIS_URL:-}" ] || need redis-server redis-server
if [ -z "${CONCORD_TEST_S3_URL:-}" ]; then
    need ceph-mon ceph-mon
    need ceph-osd ceph-osd
    need radosgw radosgw
    need ceph ceph-common
fi
need chromium chromium
PATH="$PATH:/usr/sbin" need clamd clamav-daemon
need openssl openssl
# The judges in tests/evidence/judges: Go's own code for signed notes and logs, and sigstore's.
need go golang-go
[ -d /usr/share/gocode/src/golang.org/x/mod ] || missing="$missing golang-golang-x-mod-dev"
need node nodejs
need npm npm
need fc-list fontconfig
# A page in Chinese photographed without its letters would pass for a page.
[ -n "$(fc-list :lang=zh family 2>/dev/null)" ] || missing="$missing fonts-noto-cjk"
[ -n "$(fc-list :lang=en family 2>/dev/null)" ] || missing="$missing fonts-dejavu-core"

if [ -z "$missing" ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # no service is started
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need programs that are not installed. As root:"
    echo "    apt-get install --no-install-recommends$missing"
    exit 1
fi

# The judge in JavaScript, as pinned; fetched again only when the pins change.
judge="$(dirname "$0")/../evidence/judges/node"
made="$(dirname "$0")/../../build/judges/node"
if ! cmp -s "$judge/package-lock.json" "$made/node_modules/pinned.json"; then
    echo "fetching the judge in JavaScript"
    mkdir -p "$made"
    cp "$judge/package.json" "$judge/package-lock.json" "$judge/.npmrc" "$made/"
    (cd "$made" && npm ci --silent)
    cp "$judge/package-lock.json" "$made/node_modules/pinned.json"
fi
