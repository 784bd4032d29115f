"""`ecg-edge service`: what it writes where, what it takes away, what it refuses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from command import Run

from edge import config
from edge.errors import EcgEdgeError
from edge.tools import install

PROGRAM = "/opt/ecg/bin/ecg-edge"

needs_systemctl = pytest.mark.skipif(shutil.which("systemctl") is None, reason="needs systemd's systemctl")


@needs_systemctl
def test_install_into_an_image_and_out_again(ecg_edge: Run, tmp_path: Path) -> None:
    root = tmp_path / "image"
    done = ecg_edge("service", "install", "--root", root, "--program", PROGRAM)
    assert done.returncode == 0, done.stderr
    unit = root / "etc/systemd/system/ecg-edge.service"
    settings = root / "etc/ecg-edge/ecg-edge.toml"
    secret = root / "etc/ecg-edge/mqtt-password"
    rules = root / "etc/udev/rules.d/70-ecg-edge.rules"
    assert [line.removeprefix("wrote ") for line in done.stdout.splitlines()] == [
        str(path) for path in (unit, rules, settings, secret)
    ]
    assert f"ExecStart={PROGRAM} run --config /etc/ecg-edge/ecg-edge.toml" in unit.read_text()
    assert (root / "etc/systemd/system/multi-user.target.wants/ecg-edge.service").is_symlink()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert config.load(settings).sensor.wait

    settings.write_text('[device]\nid = "bed-7"\n')
    secret.write_text("secret")
    again = ecg_edge("service", "install", "--root", root, "--program", PROGRAM)
    assert again.returncode == 0, again.stderr
    assert (config.load(settings).device.id, secret.read_text()) == ("bed-7", "secret")

    gone = ecg_edge("service", "uninstall", "--root", root)
    assert gone.returncode == 0, gone.stderr
    assert not unit.exists()
    assert not rules.exists()
    assert not list((root / "etc/systemd/system/multi-user.target.wants").glob("*"))
    assert settings.exists()
    (root / "var/lib/private/ecg-edge").mkdir(parents=True)
    assert ecg_edge("service", "uninstall", "--root", root, "--purge").returncode == 0
    assert not settings.parent.exists()
    assert not (root / "var/lib/private/ecg-edge").exists()


@needs_systemctl
def test_what_an_administrator_has_changed_is_kept(ecg_edge: Run, tmp_path: Path) -> None:
    def installed() -> str:
        done = ecg_edge("service", "install", "--root", tmp_path, "--program", PROGRAM)
        return done.stderr if done.returncode else ""

    unit = tmp_path / "etc/systemd/system/ecg-edge.service"
    assert installed() == ""
    ours = unit.read_text()
    unit.write_text("[Service]\nNice=-5\n")
    assert installed() == ""
    assert (unit.read_text(), unit.with_name("ecg-edge.service.1").read_text()) == (ours, "[Service]\nNice=-5\n")
    assert installed() == ""
    assert not unit.with_name("ecg-edge.service.2").exists()
    unit.unlink()
    unit.symlink_to("/dev/null")
    assert "is masked" in installed()
    assert unit.is_symlink()


@pytest.mark.parametrize("program", ["/home/pi/venv/bin/ecg-edge", "/root/x", "/opt/my folder/ecg-edge", "/opt/a%n/x"])
def test_a_program_the_service_could_not_run_is_refused(tmp_path: Path, program: str) -> None:
    with pytest.raises(EcgEdgeError, match="cannot be") as refused:
        install.install(tmp_path, Path(program))
    assert refused.value.fix
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("")
    with pytest.raises(EcgEdgeError, match="cannot be written") as refused:
        install.install(tmp_path, Path(PROGRAM))
    assert refused.value.fix == "run it with sudo"


def test_status_without_systemd_says_so(ecg_edge: Run) -> None:
    done = ecg_edge("service", "status", PATH=os.devnull)
    assert done.returncode == 1
    assert "systemctl is not there: this machine has no systemd" in done.stderr


def fake_systemctl(folder: Path, says: str, code: int = 0) -> str:
    folder.mkdir()
    (folder / "systemctl").write_text(f"#!/bin/sh\ncat <<'E'\n{says}\nE\nexit {code}\n")
    (folder / "systemctl").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_status_is_read_from_systemd(ecg_edge: Run, tmp_path: Path) -> None:
    said = "NRestarts=2\nLoadState=loaded\nActiveState=active\nSubState=running\nStatusText=watching x, a=b"
    done = ecg_edge("service", "status", "--json", PATH=fake_systemctl(tmp_path / "bin", said))
    assert done.returncode == 0, done.stderr
    state = msgspec.json.decode(done.stdout, type=install.ServiceState)
    assert (state.active, state.says, state.restarts) == ("active", "watching x, a=b", 2)
    failed = said.replace("=active", "=failed").replace("running", "failed")
    done = ecg_edge("service", "status", PATH=fake_systemctl(tmp_path / "bin2", failed))
    assert done.returncode == install.EXIT_INACTIVE
    assert "failed (failed)" in done.stdout
    done = ecg_edge("service", "status", PATH=fake_systemctl(tmp_path / "bin3", "LoadState=not-found"))
    assert (done.returncode, "is not installed" in done.stderr) == (1, True)
