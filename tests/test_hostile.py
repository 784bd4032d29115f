"""Names that want to be paths or topics."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from command import Run
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from serial_bench import running

from edge import config
from edge.config import Device
from edge.errors import ConfigError, SourceError
from edge.inference.beat_model import BeatModel
from edge.service.run import LiveRun, _plain
from edge.service.wiring import Options
from edge.sinks.wfdb_annotations import WfdbAnnotations
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from edge.sources.wfdb_lookup import find_record
from edge.sources.wfdb_record import open_record
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Pty

HEADERS = {
    "up": "up 1 360 1800\n../secret.dat 16 200 16 0 0 0 0 II\n",
    "rooted": "rooted 1 360 1800\n{root}/secret.dat 16 200 16 0 0 0 0 II\n",
    "framed": "framed 1 360 900\n../secret.dat 16x2 200 16 0 0 0 0 II\n",
    "parted": "parted/1 1 360 1800\n../other 1800\n",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_record_reads_its_own_folder_only(tmp_path: Path, name: str) -> None:
    np.zeros(1800, "<i2").tofile(tmp_path / "secret.dat")
    (tmp_path / "other.hea").write_text("other 1 360 1800\nsecret.dat 16 200 16 0 0 0 0 II\n")
    folder = tmp_path / "record"
    folder.mkdir()
    (folder / f"{name}.hea").write_text(HEADERS[name].format(root=tmp_path))
    with pytest.raises(SourceError) as refused:
        list(open_record(str(folder / name)).blocks(360))
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["..", ".", "", "../208", "20\x008", "208/..", "~/208"])
def test_what_is_no_record_is_neither_found_nor_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    try:
        found = find_record(name, tmp_path)
    except (SourceError, ValueError):
        found = None
    assert found is None
    assert not (tmp_path / "cache").exists()


def test_results_of_a_record_stay_in_their_folder(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    crooked = f"{toy_record.parent}/../{toy_record.parent.name}/{toy_record.name}"
    done = ecg_edge("replay", crooked, "--annotations", tmp_path / "deep" / "out")
    assert done.returncode == 0, done.stderr
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.edge")] == ["deep/out/toy.edge"]


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "$SYS", "bed 1", "bed\n", "bed\x00", "bett-ü", "x" * 65, "../x"])
def test_a_device_id_is_no_topic(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"device\.id"):
        Device(id=name)
    path = tmp_path / "edge.toml"
    path.write_text(
        "[device]\nid = " + repr(name).replace("\\x00", "\\u0000").replace("'", '"') + "\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"device\.id"):
        config.load(path)


@given(st.text())
def test_whatever_a_board_calls_itself_becomes_a_plain_name(name: str) -> None:
    plain = _plain(name)
    assert 1 <= len(plain) <= 64
    assert plain.replace("-", "").replace("_", "").isalnum()
    assert plain.isascii()
    assert Path(plain).name == plain


def test_a_board_cannot_choose_where_files_are_written(tmp_path: Path, toy_ecg: NDArray[np.float32]) -> None:
    board, line, stop = NativeBoard(toy_ecg, 360.0, ("MLII",), device="../../evil\x1b[2J"), Pty(), threading.Event()
    said: list[str] = []
    with running(board, line, speed=4), BeatModel.load("cnn") as model:
        live = LiveRun(
            Options(), model, [WfdbAnnotations(tmp_path / "a" / "b")], report=lambda error: said.append(str(error))
        )
        threading.Timer(3.0, stop.set).start()
        assert live.run(SerialSensor(Sensor(port=line.path)), stop) is None
    assert [path.parent for path in tmp_path.rglob("*.edge*")] == [tmp_path / "a" / "b"]
    assert live.summaries
    assert any("evil" in line for line in said)
    assert all(line.isprintable() for line in said)


def test_names_of_records_do_nothing_to_a_terminal(ecg_edge: Run, toy_record: Path, tmp_path: Path) -> None:
    name = "a\x1b[31mb"
    for suffix in (".dat", ".hea"):
        (tmp_path / f"{name}{suffix}").write_bytes(toy_record.with_suffix(suffix).read_bytes())
    (tmp_path / f"{toy_record.name}.dat").write_bytes(toy_record.with_suffix(".dat").read_bytes())
    done = ecg_edge("replay", tmp_path / name, tmp_path / f"no{name}")
    assert "a?[31mb" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_names_of_recordings_and_of_what_is_played_do_nothing_to_a_terminal(ecg_edge: Run, tmp_path: Path) -> None:
    folder = tmp_path / "bed\x1b[31m\n3"
    folder.mkdir()
    segment = folder / "20260101T000000Z_000001"
    header = "{} 1 360 3600 00:00:00 01/01/2026\n20260101T000000Z_000001.dat 16 200/mV 16 0 0 0 0 I\x1b[2JI\n"
    (folder / f"{segment.name}.hea").write_text(header.format(segment.name))
    (folder / f"{segment.name}.dat").write_bytes(bytes(7200))
    for arguments in (("recordings", tmp_path), ("emulate", segment, "--speed", "1000"), ("replay", segment)):
        done = ecg_edge(*arguments)
        assert "\x1b" not in done.stdout + done.stderr
        assert segment.name in done.stdout + done.stderr
