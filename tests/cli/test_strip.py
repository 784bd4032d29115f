"""`ecg-edge strip` as a user has it, on rendered paper."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import wfdb
from command import Run

from training.pages.look import Look
from training.pages.renderer import render_page

FS_HZ = 500.0
RR_S = 0.8


def beats(duration_s: float) -> np.ndarray:
    t = np.arange(round(duration_s * FS_HZ)) / FS_HZ
    phase = t % RR_S
    parts = ((0.2, 0.03, 0.12), (0.4, 0.014, 1.1), (0.43, 0.012, -0.2), (0.66, 0.05, 0.25))
    return sum(height * np.exp(-(((phase - at) / width) ** 2)) for at, width, height in parts).astype(np.float32)


@pytest.fixture(scope="module")
def strip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    look = Look.clean(px_per_mm=7.0, pulse="left", mm_per_mv=10.0, mm_per_s=25.0)
    page = render_page({"II": beats(9.0)}, FS_HZ, layout="strip", look=look, seed=1)
    path = tmp_path_factory.mktemp("paper") / "strip.png"
    cv2.imwrite(str(path), page.image)
    return path


def test_a_picture_becomes_table_record_overlay_and_findings(ecg_edge: Run, strip: Path, tmp_path: Path) -> None:
    done = ecg_edge(
        "strip", strip, "--csv", tmp_path / "a.csv", "--wfdb", tmp_path, "--overlay", tmp_path / "a.png", "--json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["refused"] is None
    assert said["layout"] == "strip"
    assert said["px_per_mm"] == pytest.approx([7.0, 7.0], rel=2e-3)
    assert said["heart_rate_bpm"] == pytest.approx(60 / RR_S, abs=1)
    assert said["assumed"] == []
    assert set(said["findings"]["beats"]["label"]) == {"N"}
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["time_s", *said["leads"]]
    assert float(rows[-1][0]) == pytest.approx(9.0, abs=0.05)
    mv = np.array([float(row[1]) for row in rows[1:] if row[1]])
    assert np.ptp(mv) == pytest.approx(1.3, abs=0.15)
    record = wfdb.rdrecord(str(tmp_path / "strip"))
    assert record.sig_name == said["leads"]
    assert np.nanmax(record.p_signal) == pytest.approx(mv.max(), abs=0.002)
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] > 1000


def test_a_report_is_made_of_a_picture(ecg_edge: Run, strip: Path, tmp_path: Path) -> None:
    done = ecg_edge("report", strip, "-o", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "a.json").read_text())
    assert any("read from paper" in note for note in found["subject"]["notes"])


def test_what_cannot_be_read_is_told_and_the_rest_is_read(ecg_edge: Run, strip: Path, tmp_path: Path) -> None:
    (tmp_path / "none.jpg").write_bytes(b"no picture")
    done = ecg_edge("strip", tmp_path / "none.jpg", strip, "--json")
    assert done.returncode == 1
    refused, read = (json.loads(line) for line in done.stdout.splitlines())
    assert refused["refused"]
    assert refused["hint"]
    assert read["refused"] is None
    assert done.stderr.count("\n") == 1


def test_nothing_is_written_over(ecg_edge: Run, strip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("my own table\n")
    done = ecg_edge("strip", strip, "--csv", tmp_path / "mine.csv")
    assert done.returncode == 1
    assert (tmp_path / "mine.csv").read_text() == "my own table\n"
    done = ecg_edge("strip", strip, "--overlay", strip)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    done = ecg_edge("strip", strip, "--csv", tmp_path / "both", "--overlay", tmp_path / "both")
    assert (done.returncode, (tmp_path / "both").exists()) == (2, False)
    (tmp_path / "out").mkdir()
    signals = tmp_path / "out" / f"{strip.stem}.dat"
    signals.write_bytes(b"of another header")
    done = ecg_edge("strip", strip, "--wfdb", signals.parent)
    assert (done.returncode, "holds something else" in done.stderr) == (1, True)
    assert {path: path.read_bytes() for path in signals.parent.iterdir()} == {signals: b"of another header"}


def test_a_folder_is_read(ecg_edge: Run, strip: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(strip.read_bytes())
    (tmp_path / "notes.txt").write_text("none")
    done = ecg_edge("strip", tmp_path, "--csv", tmp_path / "out" / "{name}.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "b.csv"]
    done = ecg_edge("strip", tmp_path, "--csv", tmp_path / "one.csv")
    assert done.returncode == 1
    assert "{name}" in done.stderr
