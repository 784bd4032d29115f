#!/bin/sh
# Revoke a device's certificate: revoke.sh CA-FOLDER DEVICE-ID. FOLDER is that of ../broker/make-certificates.sh.
# Writes revoked.pem there, for `crlfile` of mosquitto, and takes certificate and key aside, so that a new one can be made.
set -eu
umask 077
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
cd "$1"
certificate=device-$2.pem
[ -e "$certificate" ] || { echo "revoke: there is no $1/$certificate" >&2; exit 1; }
[ -e index.txt ] || : >index.txt
[ -e crlnumber ] || echo 01 >crlnumber
printf '%s\n' '[ca]' 'default_ca=ours' '[ours]' 'database=index.txt' 'crlnumber=crlnumber' 'default_md=sha256' \
    'default_crl_days=3650' 'certificate=ca.pem' 'private_key=ca.key' >revoke.cnf
openssl ca -config revoke.cnf -revoke "$certificate" 2>/dev/null || { echo "revoke: openssl does not take $certificate" >&2; exit 1; }
openssl ca -config revoke.cnf -gencrl -out revoked.pem 2>/dev/null
chmod 644 revoked.pem
serial=$(openssl x509 -in "$certificate" -noout -serial | cut -d= -f2)
mkdir -p revoked
mv "$certificate" "revoked/$serial.pem"
mv "device-$2.key" "revoked/$serial.key"
echo "$2 is revoked; its certificate was $serial"
