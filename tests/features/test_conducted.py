"""Timing among beats that are not ventricular."""

from __future__ import annotations

import numpy as np
import pytest

from edge.features import conducted
from edge.features.conducted import CONDUCTED_NAMES, NAMES, Conducted
from edge.features.timing import LONGEST_S, TIMING_NAMES, Timing


def told(row: list[float] | None) -> dict[str, float]:
    assert row is not None
    return dict(zip(CONDUCTED_NAMES, row, strict=True))


def test_without_ventricular_beats_it_is_the_timing_itself() -> None:
    timing, among = Timing(), Conducted()
    for k in range(100):
        prev_s = 0.8 + 0.1 * float(np.sin(k))
        assert among.describe(prev_s, 0.8, ventricular=False) == [*timing.features(prev_s, 0.8), 0.0, 0.0]


def test_bigeminy_leaves_the_norm_and_the_regularity_of_the_beats_between() -> None:
    timing, among = Timing(), Conducted()
    for k in range(120):
        ventricular = k > 20 and k % 2 == 1
        prev_s = 0.5 if ventricular else 1.1 if k > 22 and k % 2 == 0 else 0.8
        row = among.describe(prev_s, 0.8, ventricular=ventricular)
        assert (row is None) == ventricular
        usual = timing.features(prev_s, 0.8)
    features = told(among.describe(0.8, 0.8, ventricular=False))
    assert features["after_ventricular"] == 1
    assert features["ventricular_share"] > 0.4
    assert features["prev_over_usual_conducted"] == pytest.approx(0, abs=1e-9)
    assert features["irregularity_conducted"] < usual[TIMING_NAMES.index("irregularity")] - 1


def test_the_next_interval_is_known_only_if_it_came_in_time() -> None:
    timing = Timing()
    assert conducted.next_s(np.array(timing.features(0.8, 0.9), np.float32)) == pytest.approx(0.9)
    assert conducted.next_s(np.array(timing.features(0.8, None), np.float32)) is None
    assert conducted.next_s(np.array(timing.features(0.8, LONGEST_S + 1), np.float32)) is None


def test_every_name_is_once_and_the_example_is_finite() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len(conducted.example()) == len(CONDUCTED_NAMES)
    assert np.isfinite(conducted.example()).all()
