"""What holds whatever the signal is: beats in order, no interval negative, no two closer than the refractory time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from front_end import cut, ecg, first_stages, through
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.inference.beat_model import BeatModel
from edge.messages import (
    FS_HZ,
    MOST_LATE,
    Alert,
    Beat,
    Episode,
    Event,
    Gap,
    LabelledBeat,
    Message,
    RPeak,
    Samples,
    Stream,
)
from edge.pipeline import Chain, Pipeline, front_end
from edge.stages.qrs.candidates import REFRACTORY
from edge.stages.qrs.stage import QrsDetector

Floats = NDArray[np.float64]
Make = Callable[[np.random.Generator, int, float], Floats]

RANGE_MV = (-5.0, 5.0)


def _ecg(rng: np.random.Generator, n: int, size: float) -> Floats:
    mv, _ = ecg(n / FS_HZ + 1, rr_s=float(rng.uniform(0.25, 2.5)), first_s=float(rng.uniform(0, 1)), leads=1)
    return mv[:n, 0] * size


def _pieces(rng: np.random.Generator, n: int, size: float) -> Floats:
    """Beats that come and go, large and small: what search-back is for, again and again."""
    mv = _ecg(rng, n, 1.0)
    return mv * np.repeat(rng.choice([0.05, 0.2, 0.5, 1.0], n // 150 + 1), 150)[:n] * size


_MADE: dict[str, Make] = {
    "ecg": _ecg,
    "pieces": _pieces,
    "white": lambda rng, n, size: rng.normal(0, size, n),
    "waves": lambda rng, n, size: size * np.sin(2 * np.pi * rng.uniform(0.2, 30) * np.arange(n) / FS_HZ),
    "wander": lambda rng, n, size: np.cumsum(rng.normal(0, size / 20, n)),
    "spikes": lambda rng, n, size: 20 * size * (rng.random(n) < 0.005),
    "flat": lambda _, n, size: np.full(n, size),
    "rail": lambda rng, n, _: np.full(n, rng.choice(RANGE_MV)),
    "off": lambda _, n, __: np.full(n, np.nan),
    "kick": lambda rng, n, _: np.where(np.arange(n) < 108, 100 * rng.choice([-1, 1]), 0.0),
}
STRETCH = st.tuples(
    st.tuples(st.sampled_from(sorted(_MADE)), st.sampled_from(sorted(_MADE))),
    st.integers(40, 2500),
    st.sampled_from([0.005, 0.05, 0.3, 1.0, 5.0]),
    st.sampled_from([0, 0, 0, 10, 61, 800]),
)
"""What each lead shows, for how many samples, at which size in mV, and how many are lost afterwards."""


def made(stretches: Sequence[tuple[tuple[str, str], int, float, int]], seed: int) -> tuple[NDArray[np.float32], list]:
    """Return samples of two leads, and the gaps in them."""
    rng = np.random.default_rng(seed)
    parts, gaps, at = [], [], 0
    for makers, n, size, lost in stretches:
        mv = np.stack([_MADE[name](rng, n, size) for name in makers], axis=1)
        parts.append(np.vstack([mv, np.zeros((lost, 2))]))
        if lost:
            gaps.append((at + n, lost))
        at += n + lost
    return np.concatenate(parts).astype(np.float32), gaps


def a_stream(n_leads: int = 2) -> Stream:
    return Stream(
        name="test",
        fs_hz=FS_HZ,
        leads=("II", "V5", "V1")[:n_leads],
        start_time=datetime(2026, 1, 1, tzinfo=UTC),
        range_mv=(RANGE_MV,) * n_leads,
    )


@pytest.fixture(scope="module")
def cnn() -> Iterator[BeatModel]:
    with BeatModel.load("cnn") as loaded:
        yield loaded


def assert_in_order(events: Sequence[Event], length: int) -> None:
    """Check all that is told of beats."""
    peaks = [event for event in events if isinstance(event, RPeak)]
    beats = [event for event in events if isinstance(event, Beat | LabelledBeat)]
    for found in (peaks, beats):
        samples = [event.sample for event in found]
        assert all(after - before >= REFRACTORY for before, after in pairwise(samples))
        assert all(0 <= sample < length for sample in samples)
        assert all(event.sample < event.decided for event in found)
    assert all(peak.decided - peak.sample <= MOST_LATE for peak in peaks)
    for before, after in pairwise(beats):
        assert after.rr_ms is None or after.rr_ms == pytest.approx((after.sample - before.sample) * 1000 / FS_HZ)
    for event in events:
        if isinstance(event, Episode | Alert):
            assert event.onset <= event.decided
            assert event.end is None or event.onset <= event.end <= event.decided


def assert_told_in_order(told: Sequence[Sequence[Message]]) -> None:
    decided = [message.decided for batch in told for message in batch if isinstance(message, Event)]
    assert decided == sorted(decided)


@settings(
    max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
)
@given(st.lists(STRETCH, min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_beats_of_anything_leave_in_order(cnn: BeatModel, stretches, seed: int) -> None:
    mv, gaps = made(stretches, seed)
    peaks = through(first_stages(range_mv=(RANGE_MV,) * 2), cut(mv, [500], gaps))
    assert_in_order([message for message in peaks if isinstance(message, Event)], len(mv))
    pipeline = Pipeline(a_stream(), cnn)
    told = [*(pipeline.push(message) for message in cut(mv, [500], gaps)), pipeline.flush()]
    assert_told_in_order(told)
    assert_in_order([event for batch in told for event in batch], len(mv))


def test_a_chain_of_beats_that_search_back_finds_stays_in_order() -> None:
    """Several beats too small for the threshold, in a row: each search begins where the one before has ended."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        mv = np.concatenate([ecg(12)[0][:, :1], _pieces(rng, 7200, 1.0)[:, None]]).astype(np.float32)
        told = through(first_stages(leads=1), cut(mv, [97]))
        peaks = [message for message in told if isinstance(message, RPeak)]
        assert_in_order(peaks, len(mv))
        found += sum(peak.decided - peak.sample > 126 for peak in peaks)
    assert found > 40


@pytest.mark.parametrize("flat_s", [2.0, 5.0, 10.6, 40.0])
def test_a_flat_line_after_the_first_deflection(cnn: BeatModel, flat_s: float) -> None:
    """What is needed to judge the first deflection comes long after it."""
    n = round(flat_s * FS_HZ)
    mv = np.zeros((n + 6 * FS_HZ, 1), np.float32)
    mv[5:12] = 0.3
    mv[n:] += ecg(6, leads=1)[0][: 6 * FS_HZ].astype(np.float32)
    told = []
    for sizes in ([len(mv)], [3600], [36]):
        pipeline = Pipeline(a_stream(1), cnn)
        events = [event for message in cut(mv, sizes) for event in pipeline.push(message)] + pipeline.flush()
        assert_in_order(events, len(mv))
        told.append([(event.sample, event.label, event.score) for event in events if isinstance(event, LabelledBeat)])
    assert told[0] == told[1] == told[2]
    assert len(told[0]) > 3


@pytest.mark.parametrize("n_leads", [1, 2])
def test_a_gap_at_any_moment(n_leads: int) -> None:
    """What waits to be decided is decided by what there is, although less has come than it waits for."""
    for at in range(4300, 5300, 17):
        mv, _ = ecg(16, leads=n_leads)
        mv[3700:] = 0
        mv += np.random.default_rng(at).normal(0, 0.03, mv.shape).astype(np.float32)
        told = through(first_stages(leads=n_leads), cut(mv, [200], [(at, 61)]))
        assert_in_order([message for message in told if isinstance(message, Event)], len(mv))


@pytest.mark.parametrize("record", ["203", "207", "208"])
def test_beats_of_hard_records_leave_in_order(mitdb: Path, record: str) -> None:
    wfdb = pytest.importorskip("wfdb")
    mv = wfdb.rdrecord(str(mitdb / record), sampfrom=390_000).p_signal.astype(np.float32)
    rng = np.random.default_rng(int(record))
    gaps = [(at, int(rng.integers(1, 2000))) for at in range(9000, len(mv) - 5000, 9000)]
    for lost in ([], gaps):
        told = through(Chain(front_end(a_stream())), cut(mv, [3600], lost))
        events = [message for message in told if isinstance(message, Event)]
        assert sum(isinstance(event, Beat) for event in events) > 500
        assert_in_order(events, len(mv))


def test_a_complex_cut_in_two_by_a_gap_is_one_beat() -> None:
    mv, beats = ecg(20)
    for beat in beats[8:20]:
        at = round(beat * FS_HZ)
        for lost in range(-6, 7):
            blocks: list[Message] = [
                Samples(start=0, mv=mv[: at + lost]),
                Gap(start=at + lost, n=2, decided=at + lost + 2),
            ]
            told = through(QrsDetector(2), [*blocks, Samples(start=at + lost + 2, mv=mv[at + lost + 2 :])])
            assert_in_order([message for message in told if isinstance(message, Event)], len(mv))
