"""The command line of the training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import MakeRecord

from training import cli, splits

COMMANDS = ("fetch", "prepare", "fit", "quantize", "evaluate", "release", "calibrate", "rhythm")


def ecg_train(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_help_names_every_command() -> None:
    done = ecg_train("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.app([command, "--help"])
    assert done.value.code == 0
    assert f"ecg-train {command}" in " ".join(capsys.readouterr().out.split())


def test_wrong_usage_is_2() -> None:
    assert ecg_train("fit", "transformer").returncode == 2


def test_failed_work_is_1_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "mitdb").mkdir()
    (tmp_path / "svdb").mkdir()
    done = ecg_train("prepare", "--data", str(tmp_path), "--work", str(tmp_path / "work"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "ecg-train" in done.stderr


def test_prepare_makes_the_beats(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(splits, "DS1", ("106", "114"))
    monkeypatch.setattr(splits, "DS2", ("100",))
    for name in ("106", "114", "100"):
        make_record(name)
    for name in ("802", "824"):
        make_record(name, database="svdb", fs_hz=128, leads=("ECG1", "ECG2"))
    with pytest.raises(SystemExit) as done:
        cli.app(["prepare", "--data", str(tmp_path), "--work", str(tmp_path / "work")])
    assert done.value.code == 0
    assert "beats to learn from" in capsys.readouterr().out
    assert (tmp_path / "work" / "beats" / "mitdb" / "106-1.npz").exists()


def test_a_model_is_written_over_no_input(tmp_path: Path) -> None:
    (tmp_path / "100.dat").write_bytes(bytes(range(256)))
    for out, why in ((tmp_path / "100.dat", "holds something else already"), (tmp_path, "is a folder")):
        done = ecg_train("quantize", "cnn", str(out), "--work", str(tmp_path / "work"))
        assert (done.returncode, done.stderr) == (1, f"ecg-train: {out}: {why}\n")
    assert (tmp_path / "100.dat").read_bytes() == bytes(range(256))
