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
need fc-list fontconfig
# A page in Chinese photographed without its letters would pass for a page.
[ -n "$(fc-list :lang=zh family 2>/dev/null)" ] || missing="$missing fonts-noto-cjk"
[ -n "$(fc-list :lang=en family 2>/dev/null)" ] || missing="$missing fonts-dejavu-core"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
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
