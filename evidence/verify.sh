#!/bin/sh
# Checks an unpacked evidence bundle with sh, openssl 3 and the tools of POSIX, and nothing else:
#
#     sh verify.sh FOLDER KEY...
#
# KEY: a verifier key of the vault's receipts or of one of its logs (Ed25519). Take the keys, and
# better this script too, from somewhere else than the bundle. It stops at the first thing that is
# wrong. Exit code: 0 if all is sound, 1 if something is wrong, 2 if it was called wrongly.
set -euf
LC_ALL=C
export LC_ALL
[ $# -ge 2 ] && [ -d "$1" ] || { echo "usage: sh verify.sh FOLDER KEY..." >&2; exit 2; }
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
H='[0-9a-f]{64}' U='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' N='(0|[1-9][0-9]{0,17})'
ENTRY='\{("blob":\{"sha256":"'$H'","size":'$N'\},)?"body":"'$H'","format":"vault-entry/v1",'
ENTRY=$ENTRY'"origin":"[]!#-[^-~]*","prev":"'$H'","seq":'$N',"stream":"'$U'","time":'$N','
ENTRY=$ENTRY'"type":"act"\}'
BLOB='\{"act":"[^"\\]*","blob":\{"id":"'$U'","media_type":"[^"]*","sha256":"'$H'",.*'
RECORD='.*,"record":\{"root":"'$H'","size":'$N'\}\}'

wrong() { echo "WRONG: $*"; exit 1; }
sha() { openssl dgst -sha256 -r | cut -c 1-64; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
unbase64() { openssl base64 -d -A | hex; }
bytes() { # hex on the command line to bytes
    printf "$(echo "$1" | awk '{ d = "0123456789abcdef"
        for (i = 1; i < length($0); i += 2)
            printf "\\%03o", 16 * index(d, substr($0, i, 1)) + index(d, substr($0, i + 1, 1)) - 17
    }')"
}
digests() { openssl dgst -sha256 -r "$@" | sed 's/ \*/  /'; }

signed() { # FILE NAME: is the note signed by a key of NAME, or of anybody if NAME is empty?
    sed '/^$/,$d' "$1" >"$T/text"
    sed -n 's/^— //p' "$1" >"$T/lines"
    found=1
    while read -r who said; do
        line=$(echo "$said" | unbase64)
        id=${line%"${line#????????}"}
        [ -f "$T/$id.key" ] && [ "$who" = "$(cat "$T/$id.name")" ] || continue
        [ -z "$2" ] || [ "$who" = "$2" ] || continue
        bytes "${line#????????}" >"$T/signature"
        openssl pkeyutl -verify -pubin -keyform DER -inkey "$T/$id.key" -rawin -in "$T/text" \
            -sigfile "$T/signature" >/dev/null 2>&1 || wrong "$1: its signature by $who"
        found=0
    done <"$T/lines"
    return $found
}

node() { bytes "01$1$2" | sha; }

included() { # PROOF LEAF INDEX SIZE ROOT: RFC 9162, 2.1.3.2
    hash=$2 fn=$3 sn=$(($4 - 1))
    [ "$fn" -le "$sn" ] || return 1
    for one in $(sed '/^$/,$d' "$1" | grep -v -e '^index ' -e '^extra ' | sed 1d); do
        one=$(echo "$one" | unbase64)
        [ "$sn" -gt 0 ] && [ ${#one} -eq 64 ] || return 1
        if [ $((fn & 1)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
            hash=$(node "$one" "$hash")
            while [ $((fn & 1)) -eq 0 ] && [ "$fn" -ne 0 ]; do fn=$((fn >> 1)) sn=$((sn >> 1)); done
        else
            hash=$(node "$hash" "$one")
        fi
        fn=$((fn >> 1)) sn=$((sn >> 1))
    done
    [ "$sn" -eq 0 ] && [ "$hash" = "$5" ]
}

root() { # LEAF...: the Merkle root, level by level; an odd one at the end moves up as it is
    while [ $# -gt 1 ]; do
        above=
        while [ $# -gt 1 ]; do
            above="$above $(node "$1" "$2")"
            shift 2
        done
        set -- $above "$@"
    done
    echo "${1:-}"
}

# The keys: name+id+base64(1 || public key)
BUNDLE=$1 NAMES=' '
shift
for key; do
    rest=${key#*+}
    typed=$(echo "${rest#*+}" | unbase64)
    id=$({ printf '%s\n' "${key%%+*}"; bytes "$typed"; } | sha | cut -c 1-8)
    case $typed in
        01*) [ ${#typed} -eq 66 ] && [ "$id" = "${rest%%+*}" ] || { echo "no key: $key" >&2; exit 2; } ;;
        *) echo "only Ed25519 keys are known here: $key" >&2; exit 2 ;;
    esac
    bytes "302a300506032b6570032100${typed#01}" >"$T/$id.key"
    printf '%s' "${key%%+*}" >"$T/$id.name"
    NAMES="$NAMES${key%%+*} "
done
cd -- "$BUNDLE" || exit 2

# 1. The manifests list every file with its digest, and nothing else is here.
find . ! -type d ! -type f >"$T/odd"
[ ! -s "$T/odd" ] || wrong "no plain file: $(head -n 1 "$T/odd")"
find . -type f >"$T/all"
sed 's/^\.\///' "$T/all" | grep -v '^data/' | sort | tr '\n' ' ' >"$T/top"
[ "$(cat "$T/top")" = "bag-info.txt bagit.txt manifest-sha256.txt tagmanifest-sha256.txt " ] \
    || wrong "beside data/ lie other files than a bag's: $(cat "$T/top")"
digests bag-info.txt bagit.txt manifest-sha256.txt | cmp -s - tagmanifest-sha256.txt \
    || wrong "a file is not as tagmanifest-sha256.txt lists it"
find data -type f | sort >"$T/payload"
cut -c 67- manifest-sha256.txt | cmp -s - "$T/payload" || wrong "files were removed or added"
digests $(cat "$T/payload") >"$T/digests"
cmp -s "$T/digests" manifest-sha256.txt \
    || wrong "changed: $(diff "$T/digests" manifest-sha256.txt | sed -n 's/^> .\{66\}//p' | head -n 3)"
echo "ok: SHA-256 of $(wc -l <"$T/payload" | tr -d ' ') files against the manifests"

# 2. Each entry: its form, place and link; its private body and file; its receipt and proof.
entries=0 bodies=0 receipts=0 everything=0 proofs=0 unproven=0 records=0
cd data
: >"$T/files"
: >"$T/signed"
: >"$T/blobs"

check_body() { # the private body of $entry, the file and the closed record that it tells of
    [ -f "$at/salts/$n.hex" ] || wrong "$at/bodies/$n.json: lacks its salt"
    salt=$(cat "$at/salts/$n.hex")
    echo "$salt" | grep -Eqx "$H" || wrong "$at/salts/$n.hex: not a salt"
    got=$({ printf 'vault-body/v1\n'; bytes "$salt"; cat "$at/bodies/$n.json"; } | sha)
    [ "$got" = "$commitment" ] || wrong "$at/bodies/$n.json: not the body that $entry binds"
    bodies=$((bodies + 1)) parts=$((parts + 2))
    if grep -Eqx "$BLOB" "$at/bodies/$n.json"; then
        set -- $(awk -F '"' '{ print $10, $18 }' "$at/bodies/$n.json")
        find blobs -type f -name "$1.*" ! -name "$1.json" >"$T/file"
        [ ! -s "$T/file" ] || grep -qxF "$2  data/$(cat "$T/file")" ../manifest-sha256.txt \
            || wrong "$(cat "$T/file"): not the file that was deposited with $entry"
        cat "$T/file" >>"$T/files"
    fi
    if grep -Eqx "$RECORD" "$at/bodies/$n.json"; then
        set -- $(sed 's/.*"root":"\(.*\)","size":\(.*\)}}$/\1 \2/' "$at/bodies/$n.json")
        [ "$2" -eq "$seq" ] && [ "$(root $leaves)" = "$1" ] \
            || wrong "$at/bodies/$n.json: the record that it closed has another root"
        records=$((records + 1))
    fi
}

check_receipt() {
    signed "$at/receipts/$n.note" '' || wrong "$at/receipts/$n.note: signed by none of the keys"
    printf 'vault-receipt/v1\n%s\n%s\n%s\n%s\n%s\n' \
        "$origin" "$stream" "$seq" "$leaf" "$time" >"$T/said"
    sed '$d' "$T/text" | cmp -s - "$T/said" || wrong "$at/receipts/$n.note: is for another entry"
    receipts=$((receipts + 1)) parts=$((parts + 1)) covered=$seq
}

check_proof() {
    proof=$at/proofs/$n.tlog-proof parts=$((parts + 1))
    case $NAMES in *" $origin "*) ;; *) unproven=$((unproven + 1)) && return 0 ;; esac
    sed '1,/^$/d' "$proof" >"$T/checkpoint"
    if ! cmp -s "$T/checkpoint" "$T/signed"; then
        signed "$T/checkpoint" "$origin" || wrong "$proof: no key given signed its checkpoint"
        cp "$T/checkpoint" "$T/signed"
    fi
    set -- $(sed -n 's/^index //p' "$proof" | head -n 1) $(sed '/^$/,$d' "$T/checkpoint")
    [ $# -eq 4 ] && [ "$2" = "$origin" ] || wrong "$proof: is of another log"
    printf '%s\n%s\n' "$1" "$3" | grep -Ecx "$N" | grep -qx 2 || wrong "$proof: its numbers"
    included "$proof" "$leaf" "$1" "$3" "$(echo "$4" | unbase64)" \
        || wrong "$proof: does not lead from the entry to the checkpoint's root"
    proofs=$((proofs + 1))
}

find streams -type d -name entries | sort >"$T/streams"
[ "$(grep -o '"records":\[' bundle.json | wc -l)" -eq "$(wc -l <"$T/streams")" ] \
    || wrong "bundle.json lists other streams than there are"
for folder in $(cat "$T/streams"); do
    at=${folder%/entries} stream=${folder#streams/} stream=${stream%/entries}
    prev=$(printf '%064d' 0) seq=0 covered=-1 parts=0 leaves=
    while n=$(printf %06d $seq) && entry=$folder/$n.json && [ -f "$entry" ]; do
        grep -Eqx "$ENTRY" "$entry" && [ "$(wc -l <"$entry")" -eq 0 ] || wrong "$entry: not an entry"
        leaf=$({ printf '\000'; cat "$entry"; } | sha)
        set -- $(sed -E 's/^\{"blob":\{[^}]*\},/{/' "$entry" | awk -F '"' '{
            gsub(/[:,]/, "", $19); gsub(/[:,]/, "", $25); print $4, $12, $16, $19, $22, $25 }')
        commitment=$1 origin=$2 time=$6
        [ "$3" = "$prev" ] || wrong "$entry: its link to the entry before"
        [ "$4 $5" = "$seq $stream" ] || wrong "$entry: its place"
        parts=$((parts + 1))
        [ ! -f "$at/bodies/$n.json" ] || check_body
        [ ! -f "$at/receipts/$n.note" ] || check_receipt
        [ ! -f "$at/proofs/$n.tlog-proof" ] || check_proof
        prev=$leaf seq=$((seq + 1)) entries=$((entries + 1)) leaves="$leaves $leaf"
    done
    [ "$(find "$at" -type f | wc -l)" -eq "$parts" ] || wrong "$at: has parts of no entry"
    everything=$((everything + parts))
    grep -Eq '"id":"'"$stream"'","records":\[[^]]*\],"size":'"$seq"'\}' bundle.json \
        || wrong "$at: bundle.json says that it has more or fewer entries"
    [ "$covered" -eq $((seq - 1)) ] || wrong "$at: no receipt covers the entries after $covered"
done
[ ! -d blobs ] || find blobs -type f | sort >"$T/blobs"
grep -E "^blobs/$U\.json$" "$T/blobs" | sed 's/json$//' >"$T/told" || :
grep -v -E "^blobs/$U\.json$" "$T/blobs" >"$T/there" || :
sed -E "s/^(blobs\/$U\.).*/\1/" "$T/there" | cmp -s - "$T/told" || wrong "blobs: not a JSON for each file"
sort -u "$T/files" | cmp -s - "$T/there" || wrong "a file is there that no entry tells of"
[ "$(find streams -type f | wc -l)" -eq "$everything" ] || wrong "streams: a file has no place there"
files=$(wc -l <"$T/there" | tr -d ' ')

echo "ok: form, place and links of $entries entries"
echo "ok: $bodies private bodies against their entries, $files files against the bodies"
echo "ok: $records closed records and their roots"
echo "ok: $receipts receipts, their signatures and entries"
echo "ok: $proofs proofs from entries to signed checkpoints"
echo "not checked: $((entries - bodies)) withheld bodies, $unproven proofs for which no key was given,"
echo "not checked: $((entries - proofs - unproven)) entries that came after the last checkpoint,"
echo "not checked: that the files, encrypted, are what the store holds; witnesses; timestamps"
echo "SOUND"
