"""Doctor: what is well, what is not, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from broker import HOST, free_port
from command import Run


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
