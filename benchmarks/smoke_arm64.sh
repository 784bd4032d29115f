#!/bin/bash
# The Pi's architecture, by hand and as root: a Bookworm arm64 root under qemu-user, the built wheel installed there, one
# record replayed with both models there and here, and what came out compared.
#
#   make smoke-arm64            or, with other places:
#   RECORD=/path/to/mitdb/208 ROOT=/var/tmp/ecg-edge-arm64 PYTHON=.venv/bin/python benchmarks/smoke_arm64.sh
#
# Needs: apt-get install qemu-user-static debootstrap. Takes about 10 minutes; a second run keeps the root. Times under
# emulation say nothing of a Pi.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=${ROOT:-/var/tmp/ecg-edge-arm64}
PYTHON=${PYTHON:-.venv/bin/python}
RECORD=${RECORD:-${ECG_EDGE_DATA:?set it to the folder that holds mitdb, or give RECORD}/mitdb/208}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
LOG=benchmarks/results/smoke_arm64.md
# Chosen before the first run: int8 kernels may round the last step otherwise, so beats at a border may change sides.
MOST_DIFFERENT_PERCENT=0.5
PYTHON=$(readlink -f "$(dirname "$PYTHON")")/$(basename "$PYTHON")
WORK=$(mktemp -d)

[ "$(id -u)" = 0 ] || { echo "smoke_arm64: needs root"; exit 2; }
for tool in debootstrap qemu-aarch64-static; do
    command -v "$tool" >/dev/null || { echo "smoke_arm64: apt-get install qemu-user-static debootstrap"; exit 2; }
done

binfmt=/proc/sys/fs/binfmt_misc
[ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt
[ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register

if [ ! -e "$ROOT/usr/bin/python3" ]; then
    mkdir -p "$ROOT"
    debootstrap --arch=arm64 --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
        bookworm "$ROOT" "$MIRROR"
fi
# The host's certificates, for networks that have their own. Its /sys stays outside: interpreters look there for a CPU
# that is not the emulated one, and crash.
cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/"
cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
mountpoint -q "$ROOT/proc" || mount -t proc proc "$ROOT/proc"
trap 'umount "$ROOT/proc"; rm -rf "$WORK"' EXIT

"$PYTHON" -m build --wheel --no-isolation --outdir "$WORK" . >/dev/null
wheel=$(basename "$WORK"/*.whl)
rm -rf "$ROOT/smoke" && mkdir -p "$ROOT/smoke/record"
cp "$WORK/$wheel" "$RECORD".* "$ROOT/smoke/"
mv "$ROOT/smoke/$(basename "$RECORD")".* "$ROOT/smoke/record/"

# XNNPACK's int8 kernels give garbage on qemu's default CPU.
arm() { chroot "$ROOT" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root LANG=C.UTF-8 OMP_NUM_THREADS=1 QEMU_CPU=cortex-a72 "$@"; }
export QEMU_CPU=cortex-a72
[ -x "$ROOT/opt/venv/bin/pip" ] || arm python3 -m venv /opt/venv
arm /opt/venv/bin/pip install --quiet --disable-pip-version-check \
    --cert /etc/ssl/certs/ca-certificates.crt "/smoke/$wheel"
arm /opt/venv/bin/pip install --quiet --no-deps --force-reinstall "/smoke/$wheel"

name=$(basename "$RECORD")
for model in cnn lstm; do
    arm /opt/venv/bin/ecg-edge replay "/smoke/record/$name" \
        --model $model --annotations "/smoke/$model" --json >"$WORK/arm-$model.json"
    cp -r "$ROOT/smoke/$model" "$WORK/arm-$model"
    OMP_NUM_THREADS=1 PYTHONPATH=. "$PYTHON" -m edge.cli replay "$RECORD" \
        --model $model --annotations "$WORK/here-$model" --json >"$WORK/here-$model.json"
done
arm /opt/venv/bin/ecg-edge version --json >"$WORK/arm-version.json"
PYTHONPATH=. "$PYTHON" -m edge.cli version --json >"$WORK/here-version.json"
mkdir -p benchmarks/results
"$PYTHON" benchmarks/smoke_arm64.py "$WORK" "$name" "$MOST_DIFFERENT_PERCENT" | tee "$LOG.new"
mv "$LOG.new" "$LOG"
