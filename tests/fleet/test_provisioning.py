"""The playbook of docs/fleet, run for real on containers: waves, a device that is down, one whose check fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from archive import write
from command import Run
from containers import NSENTER, Containers, containers, interpreter
from numpy.typing import NDArray

REPO = Path(__file__).resolve().parents[2]
DOCS = REPO / "docs" / "fleet"
NAMES = ("bed-1", "bed-2", "bed-3")
# What ansible takes for ssh: HOST and COMMAND come last. Into a machine that is up, or one that is but its files.
SSH = r"""#!/bin/sh
while [ $# -gt 2 ]; do shift; done
if [ -e {inits}/$1 ]; then
    exec nsenter --target=$(cat {inits}/$1) {nsenter} \
        env -i HOME=/root PATH="$PATH" LC_ALL=C.UTF-8 PYTHONPATH=/opt/packages /bin/sh -c "$2"
elif [ -e {inits}/down-$1 ]; then
    echo "ssh: connect to host $1: No route to host" >&2; exit 255
fi
exec systemd-nspawn --quiet --register=no --keep-unit --pipe -D {roots}/$1 -M "ecg-$1-$$" \
    --bind-ro={packages}:/opt/packages --setenv=PYTHONPATH=/opt/packages /bin/sh -c "$2"
"""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Containers]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    with containers(tmp_path, NAMES, sysconfig.get_path("purelib")) as there:
        yield there


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

    def __init__(
        self, folder: Path, machines: Containers, record: Path, beats: dict[str, int], *, service: str | None
    ) -> None:
        self._folder, self._roots = folder, machines.roots
        self._playbook = Path(sys.executable).parent / "ansible-playbook"
        if not self._playbook.is_file():
            pytest.skip("needs ansible-core")
        ssh = folder / "ssh"
        packages = sysconfig.get_path("purelib")
        words = " ".join(NSENTER)
        ssh.write_text(SSH.format(roots=machines.roots, inits=machines.inits, nsenter=words, packages=packages))
        ssh.chmod(0o755)
        self._beats = beats
        self._vars = {
            "ansible_ssh_executable": str(ssh),
            "ansible_python_interpreter": str(Path(sys.executable).resolve()),
            "ecg_edge_python": service or str(Path(sys.executable).resolve()),
            "ecg_edge_pip": "--no-deps --no-index --ignore-installed",
            "ecg_edge_waves": ["1", "100%"],
            "ecg_edge_service": service is not None,
            "ecg_edge_broker": "broker.example",
            "ecg_edge_ca": str(folder / "ca"),
            "ecg_edge_check_record": str(record),
        }

    def run(self, wheel: Path, *, fails: str = "") -> tuple[int, str]:
        hosts = {name: {"ecg_edge_check_beats": self._beats | ({"V": 999} if name == fails else {})} for name in NAMES}
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


def runs(machines: Containers, name: str) -> tuple[str, str]:
    """Return whether the service of a machine that is up is active, and the release that it is of."""
    init = (machines.inits / name).read_text()
    enter = ["nsenter", f"--target={init}", *NSENTER]
    asked = ["systemctl", "show", "ecg-edge", "--property=ActiveState,MainPID"]
    told = subprocess.run([*enter, *asked], capture_output=True, text=True, check=True).stdout
    shown = dict(line.split("=") for line in told.split())
    state, pid = shown["ActiveState"], shown["MainPID"]
    words = subprocess.run([*enter, "cat", f"/proc/{pid}/cmdline"], capture_output=True, check=False).stdout
    found = [Path(word.decode()).parent.parent.parent for word in words.split(b"\0") if word.endswith(b"/bin/ecg-edge")]
    return state, str((machines.roots / name / found[0].relative_to("/")).resolve().name) if found else ""


def _failed(said: str) -> str:
    """Return what the playbook says of tasks that failed."""
    return "\n".join(line for line in said.splitlines() if "FAILED!" in line or "[ERROR]" in line) + said[-1000:]


def secrets_are_kept(ca: Path, etc: Path, said: str) -> None:
    keys = [path.read_text() for path in ca.glob("*.key")]
    assert len(keys) >= 3
    assert not any(key.splitlines()[1] in said for key in keys)
    assert (etc / "device.key").stat().st_mode & 0o077 == 0
    assert (etc / "device.key").read_text() in keys
    assert 'id = "bed-1"' in (etc / "ecg-edge.toml").read_text()


@pytest.mark.slow
def test_a_roll_out_of_three_of_which_one_is_down_and_one_fails(
    machines: Containers, wheel: Path, ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path
) -> None:
    record = write(tmp_path / "check", toy_ecg[: 30 * 360])
    beats = msgspec.json.decode(ecg_edge("replay", record, "--json").stdout)["beats"]
    python = interpreter(machines.roots / "bed-1")
    unbooted = f"a service cannot see {sys.executable}" if python is None else machines.boot("bed-1")
    booted = unbooted is None
    if booted:
        assert machines.boot("bed-2") is None
    rollout = Rollout(tmp_path, machines, record, beats, service=python if booted else None)

    # The third is down.
    (machines.inits / "down-bed-3").touch()
    code, said = rollout.run(wheel)
    assert code != 0
    assert "bed-1: right" in said, _failed(said)
    assert "bed-2: right" in said
    assert "bed-3: cannot be reached" in said
    assert "not as they should be: bed-3; mend them" in said
    first = rollout.current("bed-1")
    assert first == rollout.current("bed-2") is not None
    assert rollout.current("bed-3") is None
    secrets_are_kept(tmp_path / "ca", machines.roots / "bed-1/etc/ecg-edge", said)
    if booted:
        assert runs(machines, "bed-1") == ("active", Path(str(first)).name)

    # A new release: the second one's check fails, so that it stays as it was; the third is up again.
    (machines.inits / "down-bed-3").unlink()
    if booted:
        assert machines.boot("bed-3") is None
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
    if booted:
        second = Path(str(rollout.current("bed-1"))).name
        releases = {"bed-1": second, "bed-2": Path(str(first)).name, "bed-3": second}
        assert {name: runs(machines, name) for name in NAMES} == {n: ("active", r) for n, r in releases.items()}

    # All right in the end.
    code, said = rollout.run(newer)
    assert code == 0, said[-3000:]
    assert len({rollout.current(name) for name in NAMES}) == 1
    if not booted:
        pytest.skip(f"rolled out, but no service could be started in containers here: {unbooted}")
    assert {runs(machines, name) for name in NAMES} == {("active", second)}


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
