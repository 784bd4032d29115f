#!/bin/sh
# Makes the certificates of a broker and its devices.
#
#   make-certificates.sh FOLDER BROKER-HOST DEVICE-ID...
#
# What is there already is kept: run it again with another device id to add a device. ca.key is the key to everything:
# keep FOLDER on no device and on no broker.
set -eu
umask 077
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
folder=$1 host=$2
shift 2
for device in "$@"; do
    case $device in
    *[!A-Za-z0-9_-]* | "") echo "make-certificates: a device id takes letters, digits, - and _, not '$device'"; exit 2 ;;
    esac
    [ ${#device} -le 64 ] || { echo "make-certificates: a device id takes at most 64 characters"; exit 2; }
done
case $host in
*[!A-Za-z0-9.:_-]* | "") echo "make-certificates: '$host' is no host"; exit 2 ;;
*[!0-9.]*) case $host in *:*) san=IP:$host ;; *) san=DNS:$host ;; esac ;;
*) san=IP:$host ;;
esac
mkdir -p "$folder"
cd "$folder"

key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null ||
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# NAME COMMON-NAME PURPOSE EXTRA
signed() {
    [ -e "$1.pem" ] && return
    key "$1.key"
    extensions=$(mktemp)
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=$3" \
        "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" ${4:+"$4"} >"$extensions"
    openssl req -new -key "$1.key" -subj "/CN=$2" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -sha256 -extfile "$extensions" \
            -out "$1.pem" 2>/dev/null
    rm "$extensions"
    chmod 644 "$1.pem"
    echo "made $folder/$1.pem and $1.key"
}

if [ ! -e ca.pem ]; then
    key ca.key
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=ECG devices" -out ca.pem \
        -addext "keyUsage=critical,keyCertSign,cRLSign"
    chmod 644 ca.pem
    echo "made $folder/ca.pem and ca.key"
fi
signed broker "$host" serverAuth "subjectAltName=$san"
for device in "$@"; do
    # A device named broker or ca would take that one's files.
    signed "device-$device" "$device" clientAuth
done
