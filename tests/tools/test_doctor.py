"""Doctor: what is well, what is not, and what to do about it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from broker import HOST, free_port
from command import Run
from small_disk import small_disk

from edge.config import Config
from edge.errors import EcgEdgeError
from edge.sinks.mqtt.settings import Mqtt
from edge.tools import doctor, machine


def test_a_healthy_machine_passes(ecg_edge: Run, broker_url: str, toy_record: Path) -> None:
    done = ecg_edge("doctor", "--data", toy_record.parent, "--mqtt", broker_url)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    for what in (
        "Python",
        "interpreter",
        "numpy",
        "model cnn",
        "model lstm",
        "wfdb",
        "pyserial",
        "1 in",
        "answers, MQTT",
    ):
        assert what in done.stdout


def test_what_is_wrong_comes_with_what_to_do(ecg_edge: Run, tmp_path: Path) -> None:
    url = f"mqtt://{HOST}:{free_port()}"
    done = ecg_edge("doctor", "--data", tmp_path, "--mqtt", url, "--json")
    assert done.returncode == 1
    found = msgspec.json.decode(done.stdout)
    assert not found["ok"]
    failed = {check["what"]: check for check in found["checks"] if not check["ok"]}
    assert set(failed) == {"records", "broker"}
    assert all(check["fix"] for check in failed.values())
    text = ecg_edge("doctor", "--data", tmp_path, "--mqtt", url)
    assert text.returncode == 1
    assert text.stdout.count("FAIL") == 2
    assert url in text.stdout


def test_the_machine_is_looked_at(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    secret, config = tmp_path / "password", tmp_path / "edge.toml"
    secret.write_text("never shown")
    secret.chmod(0o644)
    config.write_text(f'[sensor]\nport = "/dev/ttyNONE"\n[mqtt]\npassword_file = "{secret}"\n')
    done = ecg_edge("doctor", "--config", config, "--data", toy_record.parent, "--json")
    assert done.returncode == 1
    checks = {check["what"]: check for check in msgspec.json.decode(done.stdout)["checks"]}
    assert {"port", "camera", "clock", "disk", "temperature", "secrets"} <= checks.keys()
    failed = {what: check for what, check in checks.items() if not check["ok"]}
    assert set(failed) == {"port", "secrets"}
    assert failed["port"]["found"] == "/dev/ttyNONE is not there"
    assert failed["secrets"]["fix"] == f"chmod o-rwx {secret}"
    assert "never shown" not in done.stdout + done.stderr
    secret.chmod(0o600)
    assert machine.secrets(Config(mqtt=Mqtt(password_file=str(secret)))) == "kept from others"


def test_a_clock_from_before_this_program_is_refused() -> None:
    with pytest.raises(EcgEdgeError, match="says it is 1970-01-01") as wrong:
        machine.clock(3600.0)
    assert "set-ntp" in wrong.value.fix
    assert machine.clock(1_800_000_000) == "2027-01-15 08:00 UTC"


@pytest.mark.parametrize(
    ("says", "fix"),
    [
        ("CanNTP=yes\nNTP=no", "sudo timedatectl set-ntp true"),
        ("CanNTP=no\nNTP=no", "install a client of NTP"),
        ("CanNTP=yes\nNTP=yes", "timedatectl timesync-status"),
        ("", "`timedatectl` says why"),
    ],
)
def test_a_clock_that_nobody_keeps_right_comes_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, fix: str
) -> None:
    (tmp_path / "timedatectl").write_text(f"#!/bin/sh\necho '{says}'\n")
    (tmp_path / "timedatectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "_kept_right", lambda: False)
    assert fix in machine.unsynchronised()
    found = doctor._clock()
    assert found.ok
    assert found.fix == machine.unsynchronised()
    assert doctor._lines(found)[0].startswith("note  clock")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "chrony" in machine.unsynchronised()
    monkeypatch.setattr(machine, "_kept_right", lambda: True)
    assert machine.unsynchronised() == ""


def test_a_numpy_that_breaks_the_interpreter_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clash = "tflite-runtime cannot run with numpy 2.4.6", "`pip install 'numpy<2'`"
    monkeypatch.setattr(doctor, "numpy_clash", lambda: clash)
    failed = [check for check in doctor._checks(Config(), None) if not check.ok]
    assert [check.what for check in failed][:3] == ["numpy", "model cnn", "model lstm"]
    assert (failed[0].found, failed[0].fix) == clash
    assert {check.fix for check in failed[1:3]} == {"mend numpy first, as above"}


def test_heat_and_a_weak_supply_come_with_a_fix(tmp_path: Path) -> None:
    assert machine.temperature(tmp_path) == "no sensor"
    zone, volts = tmp_path / "class/thermal/thermal_zone0", tmp_path / "class/hwmon/hwmon1"
    zone.mkdir(parents=True)
    volts.mkdir(parents=True)
    (zone / "temp").write_text("51540\n")
    assert machine.temperature(tmp_path) == "52 °C"
    (zone / "temp").write_text("84200\n")
    with pytest.raises(EcgEdgeError, match="84 °C") as hot:
        machine.temperature(tmp_path)
    assert hot.value.fix
    (volts / "name").write_text("rpi_volt\n")
    (volts / "in0_lcrit_alarm").write_text("1\n")
    with pytest.raises(EcgEdgeError, match="voltage") as weak:
        machine.temperature(tmp_path)
    assert weak.value.fix


def test_a_disk_that_cannot_take_alerts(tmp_path: Path) -> None:
    assert "GB free" in machine.disk(tmp_path / "not" / "yet" / "made")
    with small_disk(tmp_path / "full", "1m") as folder, pytest.raises(EcgEdgeError, match="disk full") as full:
        machine.disk(folder)
    assert full.value.fix


def test_nodes_we_may_not_open(tmp_path: Path) -> None:
    assert machine.cameras(tmp_path).startswith("none")
    (tmp_path / "video0").touch()
    assert "may be opened" in machine.cameras(tmp_path)
    if os.geteuid() == 0:
        pytest.skip("root may open everything")
    (tmp_path / "video0").chmod(0)
    with pytest.raises(EcgEdgeError, match="permission denied") as refused:
        machine.cameras(tmp_path)
    assert "usermod -aG video" in refused.value.fix
