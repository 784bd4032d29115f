"""Pictures of a stretch, in Python and from the command line."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from command import Run, write_record
from numpy.typing import NDArray

import edge
from edge.errors import EcgEdgeError
from edge.findings.strips import band_passed
from edge.report.drawing import Line, Text
from edge.report.write import SinkError


@pytest.fixture(scope="module")
def toy(toy_ecg: NDArray[np.float32]) -> edge.Analyzed:
    return edge.analyze(toy_ecg[: 360 * 60], fs_hz=360, leads=["MLII"])


def test_the_stretch_is_what_was_asked_for(toy: edge.Analyzed, toy_ecg: NDArray[np.float32]) -> None:
    drawing = toy.plot(start_s=10, stop_s=15).drawing
    trace = max((m for m in drawing.marks if isinstance(m, Line)), key=lambda m: len(m.points))
    at = np.rint((trace.points[:, 0] - trace.points[0, 0]) / 25 * 360).astype(int)
    assert at[-1] == 5 * 360 - 1
    clean = band_passed(toy_ecg[: 360 * 60].astype(float), 360)[3600:5400, 0]
    # Points that the line goes through anyway are left out: what is drawn is the signal within a twentieth of its pen.
    shown = np.interp(np.arange(5 * 360), at, trace.points[:, 1]) / -10
    assert np.abs(shown - shown.mean() - clean + clean.mean()).max() < 0.005
    assert len(at) < 5 * 360
    letters = "".join(m.text for m in drawing.marks if isinstance(m, Text) and m.text in set("NSVFQ"))
    beats = toy.beats[(toy.beats["time_s"] >= 10) & (toy.beats["time_s"] < 15)]
    assert letters == "".join(beats["label"])


def test_long_stretches_go_on_below_and_are_never_squeezed(toy: edge.Analyzed) -> None:
    one, four = toy.plot(0, 10).drawing, toy.plot(0, 40).drawing
    assert one.width == four.width
    assert four.height > 3.5 * one.height
    lengths = [float(np.ptp(m.points[:, 0])) for m in four.marks if isinstance(m, Line)]
    assert sum(length == pytest.approx(3599 / 360 * 25) for length in lengths) == 4


def test_notebooks_show_it_and_files_hold_it(toy: edge.Analyzed, tmp_path: Path) -> None:
    picture = toy.plot()
    ElementTree.fromstring(picture._repr_svg_())
    for suffix in ("svg", "png", "pdf"):
        assert picture.save(tmp_path / f"x.{suffix}").stat().st_size > 1000
    with pytest.raises(SinkError, match=r"choose from \.svg"):
        picture.save(tmp_path / "x.bmp")


@pytest.mark.parametrize(("start_s", "stop_s"), [(-1, 5), (5, 5), (9, 3), (0, 10_000), (float("nan"), 5), (100, 110)])
def test_what_is_no_stretch_is_said(toy: edge.Analyzed, start_s: float, stop_s: float) -> None:
    with pytest.raises(EcgEdgeError, match="stretch"):
        toy.plot(start_s, stop_s)


def test_a_replay_draws(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    record = write_record(tmp_path, "rec", toy_ecg[: 360 * 40])
    done = ecg_edge("replay", record, "--plot", "{name}.svg", "--start", "5", "--stop", "25", "--json")
    assert done.returncode == 0, done.stderr
    assert '"rec.svg"' in done.stdout
    ElementTree.fromstring((tmp_path / "rec.svg").read_text(encoding="utf-8"))
    for arguments, code in (
        (("--plot", "x.doc"), 1),
        (("--plot", "x.svg", "--start", "30", "--stop", "20"), 1),
        (("--plot", "x.svg", "--start", "100"), 1),
        ((record, "--plot", "x.svg"), 2),
    ):
        done = ecg_edge("replay", record, *arguments)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.svg").exists()


def test_a_replay_can_be_watched(ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path) -> None:
    record = write_record(tmp_path, "rec", toy_ecg[: 360 * 200])
    done = ecg_edge("replay", record, "--live", "--speed", "100", PYTHONIOENCODING="utf-8")
    assert done.returncode == 0, done.stderr
    for said in ("onset", "/min", "MLII, "):
        assert said in done.stdout
    plain = ecg_edge("replay", record, "--live", "--speed", "100", PYTHONIOENCODING="ascii", NO_COLOR="1", COLUMNS="60")
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.isascii()
    assert max(map(len, plain.stdout.splitlines())) <= 60
