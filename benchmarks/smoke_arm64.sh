#!/bin/bash
# The Pi's architecture, by hand and as root: a Bookworm arm64 root under qemu-user, the built wheel installed there, one
# record replayed with both models there and here, and what came out compared.
#
#   make smoke-arm64            or, with other places:
#   RECORD=/path/to/mitdb/208 ROOT=/var/tmp/ecg-edge-arm64 PYTHON=.venv/bin/python benchmarks/smoke_arm64.sh
#
# Needs: apt-get install qemu-user-static debootstrap. Takes about 10 minutes; ROOT is kept, and with it a run takes two.
# One that was interrupted goes on where it was. Times under emulation say nothing of a Pi.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=${ROOT:-/var/tmp/ecg-edge-arm64}
PYTHON=${PYTHON:-.venv/bin/python}
RECORD=${RECORD:-${ECG_EDGE_DATA:?set it to the folder that holds mitdb, or give RECORD}/mitdb/208}
# Of Debian's packages: where this machine has them from, else what debootstrap knows.
MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -m 1 '/debian/*$' || true)}
LOG=benchmarks/results/smoke_arm64.md
# Chosen before the first run: int8 kernels may round the last step otherwise, so beats at a border may change sides.
MOST_DIFFERENT_PERCENT=0.5
PYTHON=$(readlink -f "$(dirname "$PYTHON")")/$(basename "$PYTHON")

refuse() { echo "smoke_arm64: $*" >&2; exit 2; }
[ "$(id -u)" = 0 ] || refuse "needs root"
for tool in debootstrap qemu-aarch64-static; do
    command -v "$tool" >/dev/null || refuse "apt-get install qemu-user-static debootstrap"
done
RECORD=$(readlink -f "$RECORD.hea") || refuse "no such record; give RECORD"
RECORD=${RECORD%.hea}
[ -e "$RECORD.hea" ] || refuse "$RECORD.hea: no such record; give RECORD"
"$PYTHON" -c 'import build, hatchling, wfdb' || refuse "$PYTHON: pip install -e '.[test]'"
mkdir -p "$(dirname "$ROOT")"
exec 9>"$ROOT.lock"
flock -n 9 || refuse "another run has $ROOT"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

binfmt=/proc/sys/fs/binfmt_misc
[ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt
[ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register

if [ ! -e "$ROOT/usr/bin/python3" ]; then
    # Elsewhere first: half a root is none. What has been downloaded is kept until it is whole.
    rm -rf "$ROOT.half" && mkdir -p "$ROOT.half" "$ROOT.debs"
    debootstrap --arch=arm64 --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
        --cache-dir="$(readlink -f "$ROOT.debs")" bookworm "$ROOT.half" ${MIRROR:+"$MIRROR"} ||
        refuse "no root could be made; see $ROOT.half/debootstrap/debootstrap.log"
    rm -rf "$ROOT" "$ROOT.debs" && mv "$ROOT.half" "$ROOT"
fi
# The host's certificates, for networks that have their own. Its /sys stays outside: interpreters look there for a CPU
# that is not the emulated one, and crash.
cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$ROOT/etc/pip.conf"
mountpoint -q "$ROOT/proc" || mount -t proc proc "$ROOT/proc"
trap 'umount "$ROOT/proc" || true; rm -rf "$WORK"' EXIT

"$PYTHON" -m build --wheel --no-isolation --outdir "$WORK" . >/dev/null
wheel=$(basename "$WORK"/*.whl)
# Here too it is the wheel that runs, with what it asks for: the same interpreter as there, not what a developer has.
HERE=$(readlink -m "$ROOT.here")
"$HERE/bin/pip" --version >/dev/null 2>&1 || "$PYTHON" -m venv --clear "$HERE"
for how in "" "--no-deps --force-reinstall"; do
    # shellcheck disable=SC2086
    "$HERE/bin/pip" install --quiet --disable-pip-version-check $how "$WORK/$wheel"
done
here() { (cd "$WORK" && OMP_NUM_THREADS=1 "$HERE/bin/ecg-edge" "$@"); }
rm -rf "$ROOT/smoke" && mkdir -p "$ROOT/smoke/record"
cp "$WORK/$wheel" "$RECORD".* "$ROOT/smoke/"
mv "$ROOT/smoke/$(basename "$RECORD")".* "$ROOT/smoke/record/"

# XNNPACK's int8 kernels give garbage on qemu's default CPU. An emulator may also hang.
# What numpy warns of is the emulator's arithmetic.
arm() {
    timeout 1800 chroot "$ROOT" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root LANG=C.UTF-8 \
        OMP_NUM_THREADS=1 QEMU_CPU=cortex-a72 PYTHONWARNINGS=ignore "$@"
}
export QEMU_CPU=cortex-a72
[ "$(arm /usr/bin/uname -m)" = aarch64 ] || refuse "$ROOT does not run; remove it"
arm /opt/venv/bin/pip --version >/dev/null 2>&1 || arm python3 -m venv --clear /opt/venv
arm /opt/venv/bin/pip install --quiet --disable-pip-version-check \
    --cert /etc/ssl/certs/ca-certificates.crt "/smoke/$wheel"
arm /opt/venv/bin/pip install --quiet --no-deps --force-reinstall "/smoke/$wheel"

name=$(basename "$RECORD")
for model in cnn lstm; do
    arm /opt/venv/bin/ecg-edge replay "/smoke/record/$name" \
        --model $model --annotations "/smoke/$model" --json >"$WORK/arm-$model.json"
    cp -r "$ROOT/smoke/$model" "$WORK/arm-$model"
    here replay "$RECORD" --model $model --annotations "$WORK/here-$model" --json >"$WORK/here-$model.json"
done
arm /opt/venv/bin/ecg-edge version --json >"$WORK/arm-version.json"
here version --json >"$WORK/here-version.json"
mkdir -p benchmarks/results
# Told and kept whether it passed or not; the exit code says which.
passed=0
"$PYTHON" benchmarks/smoke_arm64.py "$WORK" "$name" "$MOST_DIFFERENT_PERCENT" >"$WORK/report.md" || passed=$?
tee "$LOG" <"$WORK/report.md"
exit $passed
