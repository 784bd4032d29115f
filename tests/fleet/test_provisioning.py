"""The playbook of docs/fleet, run for real on containers: waves, a device that is down, one whose check fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest
from archive import write
from command import Run
from numpy.typing import NDArray

REPO = Path(__file__).resolve().parents[2]
DOCS = REPO / "docs" / "fleet"
SSH = """#!/bin/sh
# What ansible takes for ssh: HOST and COMMAND come last.
while [ $# -gt 2 ]; do shift; done
root={roots}/$1
[ "$1" = bed-3 ] && [ -e {roots}/../down ] && {{ echo "ssh: connect to host $1: No route to host" >&2; exit 255; }}
exec systemd-nspawn --quiet --register=no --keep-unit --pipe -D "$root" -M "ecg-$1-$$" \
    --bind-ro={packages}:/opt/packages --setenv=PYTHONPATH=/opt/packages /bin/sh -c "$2"
"""


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Path]:
    """Roots that have all this machine has, each with changes of its own, which are forgotten."""
    if os.geteuid() != 0:
        pytest.skip("needs root for containers")
    for program, package in (("systemd-nspawn", "systemd-container"), ("openssl", "openssl")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} (Debian package {package})")
    with ExitStack() as stack:

        def mount(folder: Path, *words: str) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(["mount", *words, folder], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"cannot mount here: {done.stderr.strip()}")
            stack.callback(subprocess.run, ["umount", "-l", folder], check=True)

        mount(tmp_path / "disk", "-t", "tmpfs", "-o", "size=700m", "tmpfs")
        for name in ("bed-1", "bed-2", "bed-3"):
            upper, work = tmp_path / "disk" / name / "upper", tmp_path / "disk" / name / "work"
            upper.mkdir(parents=True)
            work.mkdir()
            layers = f"lowerdir=/,upperdir={upper},workdir={work}"
            mount(tmp_path / "roots" / name, "-t", "overlay", "-o", layers, "overlay")
        yield tmp_path / "roots"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path / "dist"),
        str(REPO),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return next((tmp_path / "dist").glob("*.whl"))


class Rollout:
    """The playbook, as somebody runs it."""

    def __init__(self, folder: Path, roots: Path, record: Path, beats: dict[str, int]) -> None:
        self._folder, self._roots = folder, roots
        self._playbook = Path(sys.executable).parent / "ansible-playbook"
        if not self._playbook.is_file():
            pytest.skip("needs ansible-core")
        ssh = folder / "ssh"
        ssh.write_text(SSH.format(roots=roots, packages=sysconfig.get_path("purelib")))
        ssh.chmod(0o755)
        self._beats = beats
        self._vars = {
            "ansible_ssh_executable": str(ssh),
            "ansible_python_interpreter": str(Path(sys.executable).resolve()),
            "ecg_edge_python": str(Path(sys.executable).resolve()),
            "ecg_edge_pip": "--no-deps --no-index --ignore-installed",
            "ecg_edge_service": False,
            "ecg_edge_broker": "broker.example",
            "ecg_edge_ca": str(folder / "ca"),
            "ecg_edge_check_record": str(record),
        }

    def run(self, wheel: Path, *, fails: str = "") -> tuple[int, str]:
        hosts = {
            name: {"ecg_edge_check_beats": self._beats | ({"V": 999} if name == fails else {})}
            for name in ("bed-1", "bed-2", "bed-3")
        }
        inventory = self._folder / "inventory.json"
        inventory.write_bytes(msgspec.json.encode({"devices": {"hosts": hosts, "vars": self._vars}}))
        settings = {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_TRANSFER_METHOD": "piped",
            "ANSIBLE_LOCAL_TEMP": str(self._folder / "local"),
            "ANSIBLE_HOME": str(self._folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            [self._playbook, "-vv", "-i", inventory, DOCS / "site.yml", "-e", f"ecg_edge_wheel={wheel}"],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def current(self, name: str) -> str | None:
        link = self._roots / name / "opt/ecg-edge/current"
        return str(link.readlink()) if link.is_symlink() else None


def test_a_roll_out_of_three_of_which_one_is_down_and_one_fails(
    containers: Path, wheel: Path, ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path
) -> None:
    record = write(tmp_path / "check", toy_ecg[: 30 * 360])
    beats = msgspec.json.decode(ecg_edge("replay", record, "--json").stdout)["beats"]
    rollout = Rollout(tmp_path, containers, record, beats)

    # The third is down.
    (tmp_path / "down").touch()
    code, said = rollout.run(wheel)
    (tmp_path / "down").unlink()
    assert code != 0
    assert "bed-1: right" in said, said[-3000:]
    assert "bed-2: right" in said
    assert "bed-3: cannot be reached" in said
    assert "not as they should be: bed-3; mend them" in said
    first = rollout.current("bed-1")
    assert first == rollout.current("bed-2") is not None
    assert rollout.current("bed-3") is None
    keys = [path.read_text() for path in (tmp_path / "ca").glob("*.key")]
    assert len(keys) >= 3
    assert not any(key.splitlines()[1] in said for key in keys)
    etc = containers / "bed-1/etc/ecg-edge"
    assert (etc / "device.key").stat().st_mode & 0o077 == 0
    assert (etc / "device.key").read_text() in keys
    assert 'id = "bed-1"' in (etc / "ecg-edge.toml").read_text()

    # A new release: the second one's check fails, so that it stays as it was.
    newer = tmp_path / "newer" / wheel.name
    newer.parent.mkdir()
    shutil.copy(wheel, newer)
    with zipfile.ZipFile(newer, "a") as archive:
        archive.comment = b"newer"
    code, said = rollout.run(newer, fails="bed-2")
    assert code != 0
    assert "bed-2: failed at `The beats are those that must be found`, and as it was before" in said, said[-3000:]
    assert "not as they should be: bed-2; mend them" in said
    assert rollout.current("bed-2") == first
    assert rollout.current("bed-1") == rollout.current("bed-3") != first

    # All right in the end.
    code, said = rollout.run(newer)
    assert code == 0, said[-3000:]
    assert len({rollout.current(name) for name in ("bed-1", "bed-2", "bed-3")}) == 1


def test_a_device_is_locked_out_by_one_command(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    ca = tmp_path / "ca"
    make = [REPO / "docs/broker/make-certificates.sh", ca, "broker.example", "bed-1", "bed-2"]
    subprocess.run(make, check=True, capture_output=True)
    old = (ca / "device-bed-1.pem").read_text()
    done = subprocess.run([DOCS / "revoke.sh", ca, "bed-1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "bed-1 is revoked" in done.stdout

    def accepted(certificate: Path) -> bool:
        command = ["openssl", "verify", "-crl_check", "-CAfile", ca / "ca.pem", "-CRLfile", ca / "revoked.pem"]
        return subprocess.run([*command, certificate], capture_output=True, check=False).returncode == 0

    (tmp_path / "old.pem").write_text(old)
    assert not accepted(tmp_path / "old.pem")
    assert accepted(ca / "device-bed-2.pem")
    subprocess.run(make, check=True, capture_output=True)
    assert accepted(ca / "device-bed-1.pem")
    assert (ca / "device-bed-1.pem").read_text() != old
    again = subprocess.run([DOCS / "revoke.sh", ca, "nobody"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "there is no" in again.stderr
