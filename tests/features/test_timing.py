"""Timing features."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.features.timing import TIMING_NAMES, Timing


def told(timing: Timing, prev_s: float | None, next_s: float | None) -> dict[str, float]:
    return dict(zip(TIMING_NAMES, timing.features(prev_s, next_s), strict=True))


def test_a_premature_beat_stands_out_of_a_regular_rhythm() -> None:
    timing = Timing()
    for _ in range(60):
        told(timing, 0.8, 0.8)
    features = told(timing, 0.5, 1.1)
    assert features["rr_prev"] == pytest.approx(0.5)
    assert features["rr_next"] == pytest.approx(1.1)
    for name in ("recent", "long", "slow", "steady", "usual", "pause", "longest", "last"):
        assert features[f"prev_over_{name}"] == pytest.approx(math.log(0.5 / 0.8))
    assert features["both_over_steady"] == pytest.approx(0, abs=1e-6)
    assert features["prev_rank"] == 0
    assert features["prev_surprise"] < -0.9


def test_a_long_run_still_stands_out_of_minutes_of_sinus_rhythm() -> None:
    timing = Timing()
    for _ in range(250):
        told(timing, 0.8, 0.8)
    for _ in range(70):
        features = told(timing, 0.5, 0.5)
    assert features["prev_over_recent"] == pytest.approx(0)
    assert features["prev_over_steady"] == pytest.approx(math.log(0.5 / 0.8))


def test_a_run_that_began_suddenly_is_known_for_as_long_as_it_lasts() -> None:
    timing = Timing()
    for _ in range(20):
        assert told(timing, 0.8, 0.8)["run_length"] == 0
    for i in range(1000):
        features = told(timing, 0.45, 0.45)
        assert features["run_length"] == pytest.approx(math.log1p(i + 1))
        assert features["run_over_before"] == pytest.approx(math.log(0.45 / 0.8))
    assert told(timing, 0.8, 0.8)["run_length"] == 0


def test_a_rate_that_rises_slowly_is_no_run() -> None:
    timing = Timing()
    for i in range(100):
        assert told(timing, 0.8 - 0.003 * i, 0.8)["run_length"] == 0


def test_fibrillation_is_more_irregular_than_single_ectopic_beats() -> None:
    ectopic, fibrillation = Timing(), Timing()
    for i in range(80):
        rr = (0.5, 1.1)[i % 2] if i % 10 < 2 else 0.8
        single = told(ectopic, rr, 0.8)
        always = told(fibrillation, 0.5 + 0.37 * ((i * 7919) % 13) / 13, 0.8)
    assert always["irregularity_usual"] > single["irregularity_usual"] + 1


def test_bigeminy_repeats_every_other_interval() -> None:
    timing = Timing()
    for i in range(80):
        features = told(timing, (0.5, 1.1)[i % 2], (1.1, 0.5)[i % 2])
    assert features["irregularity_usual"] > features["irregularity_every_other"] + 2


def test_the_first_beat_is_neutral() -> None:
    features = told(Timing(), None, None)
    assert all(
        features[name] == 0 for name in TIMING_NAMES if name.startswith("prev_over_") and name != "prev_over_next"
    )


@given(st.lists(st.one_of(st.none(), st.floats(0.001, 60)), min_size=1, max_size=60))
def test_any_intervals_give_finite_features(intervals: list[float | None]) -> None:
    timing = Timing()
    for prev_s, next_s in zip(intervals, [*intervals[1:], None], strict=True):
        features = timing.features(prev_s, next_s)
        assert len(features) == len(TIMING_NAMES)
        assert all(math.isfinite(value) and abs(value) < 50 for value in features)
