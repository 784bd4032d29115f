"""Intervals and conduction, of beats whose waves are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.findings.averages import MOST, Averages
from edge.findings.conduction import qtc
from edge.findings.delineation import delineate
from edge.findings.strips import Memory
from edge.messages import Samples

Wave = tuple[float, float, float]
NORMAL: dict[str, list[Wave]] = {
    "II": [(-0.16, 0.022, 0.12), (-0.025, 0.008, -0.1), (0.0, 0.013, 1.1), (0.03, 0.01, -0.25), (0.28, 0.05, 0.3)],
    "V1": [(-0.16, 0.022, 0.06), (-0.01, 0.01, 0.25), (0.02, 0.015, -1.0), (0.28, 0.05, 0.1)],
}
LEFT: dict[str, list[Wave]] = {
    "II": [(-0.2, 0.022, 0.12), (-0.015, 0.024, 0.7), (0.03, 0.026, 0.7), (0.32, 0.06, -0.3)],
    "V1": [(-0.2, 0.022, 0.06), (-0.01, 0.026, -1.0), (0.035, 0.024, -0.7), (0.32, 0.06, 0.3)],
}
RIGHT: dict[str, list[Wave]] = {
    "II": [(-0.18, 0.022, 0.12), (-0.02, 0.012, 0.9), (0.04, 0.03, -0.35), (0.3, 0.06, 0.25)],
    "V1": [(-0.18, 0.022, 0.06), (-0.03, 0.012, 0.3), (-0.005, 0.012, -0.4), (0.045, 0.028, 1.1), (0.32, 0.05, -0.2)],
}


def ecg(shape: dict[str, list[Wave]], seconds: float = 95, fs_hz: int = 360, rr_s: float = 0.8) -> NDArray[np.float64]:
    t = np.arange(round(seconds * fs_hz)) / fs_hz
    phase = (t % rr_s) - 0.4
    rng = np.random.default_rng(0)
    columns = [sum(a * np.exp(-(((phase - at) / w) ** 2)) for at, w, a in waves) for waves in shape.values()]
    return np.stack(columns, axis=1) + rng.normal(0, 0.01, (len(t), len(shape)))


@pytest.mark.parametrize(
    ("shape", "pattern"), [(NORMAL, "usual"), (LEFT, "lbbb"), (RIGHT, "rbbb")], ids=["usual", "left", "right"]
)
def test_conduction_is_told_from_the_shape(shape: dict[str, list[Wave]], pattern: str) -> None:
    found = edge.analyze(ecg(shape), fs_hz=360, leads=list(shape)).findings
    beats = found.conduction.beats
    assert beats.get(pattern, 0) > 0.9 * sum(beats.values()) > 0
    said = "bundle-branch" in found.summary()
    assert said == (pattern != "usual")


@pytest.mark.parametrize("fs_hz", [250, 360, 1000])
def test_intervals_are_where_the_waves_are(fs_hz: int) -> None:
    found = edge.analyze(ecg(NORMAL, fs_hz=fs_hz), fs_hz=fs_hz, leads=["II", "V1"]).findings
    intervals = found.intervals
    assert intervals.pr_ms is not None
    assert intervals.qrs_ms is not None
    assert intervals.qt_ms is not None
    # Of a Gaussian wave the tangent at its steepest point meets the line at 1.41 widths from its middle.
    assert intervals.qrs_ms.median == pytest.approx(88, abs=18)
    assert intervals.pr_ms.median == pytest.approx(191 - 45, abs=15)
    assert intervals.qt_ms.median == pytest.approx(351 + 45, abs=20)
    assert set(intervals.qtc_ms) == {"Bazett", "Fridericia", "Framingham", "Hodges"}


def test_rate_is_corrected_for_by_the_named_formulae() -> None:
    at_60 = qtc(400, 1.0)
    assert {round(v) for v in at_60.values()} == {400}
    assert all(v > 400 for v in qtc(400, 0.6).values())


def test_what_is_not_there_is_not_measured() -> None:
    no_p = {lead: [w for w in waves if w[0] > -0.1] for lead, waves in NORMAL.items()}
    found = edge.analyze(ecg(no_p), fs_hz=360, leads=list(no_p)).findings
    assert found.intervals.pr_ms is None
    flat = edge.analyze(np.zeros(360 * 40), fs_hz=360).findings
    assert flat.intervals.n == 0
    assert flat.intervals.reason
    assert flat.conduction.beats == {}
    assert delineate(np.zeros((360, 2)), 360, 144) is None


def test_days_take_no_more_room_than_hours() -> None:
    averages, memory = Averages(100, ("II",)), Memory(100, ("II",))
    beat = np.exp(-(((np.arange(3000) % 100 - 50) / 2.0) ** 2)).astype(np.float32)[:, None]
    for segment in range(MOST + 500):
        for i in range(8):
            averages.beat(segment * 3000 + 50 + 100 * i, "N", 1000.0)
        memory.add(Samples(start=segment * 3000, mv=beat))
        averages.samples(memory)
    assert MOST / 2 <= len(averages.all) <= MOST
