"""Numbers of samples keep their order and their place at any rate; nothing is told of a sample still to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import FS_HZ, Gap, Quality, RPeak, Samples, SourceState, Stream, Vitals
from edge.pipeline import Chain
from edge.stages.conditioning import Conditioning
from edge.stages.quality import SignalQuality
from edge.stages.rhythm import Rhythm, RhythmRules
from edge.timebase import Rates, StreamClock

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
rates = st.sampled_from([100.0, 125.0, 128.0, 200.0, 249.873, 250.0, 257.0, 300.0, 360.0, 500.0, 512.0, 977.0, 1000.0])
numbers = st.integers(0, 10**9)


@given(rates, numbers, numbers)
def test_order_is_kept_both_ways(fs_hz: float, one: int, other: int) -> None:
    there = Rates(fs_hz)
    low, high = sorted((one, other))
    for change in (there.to_stages, there.to_source, there.first_in_stages, there.seen_in_stages, there.seen_in_source):
        assert change(low) <= change(high)


@given(rates, numbers)
def test_a_sample_comes_back_to_its_place(fs_hz: float, sample: int) -> None:
    there = Rates(fs_hz)
    assert abs(there.to_source(there.to_stages(sample)) - sample) <= (1 + fs_hz / FS_HZ) / 2
    assert abs(there.to_stages(there.to_source(sample)) - sample) <= (1 + FS_HZ / fs_hz) / 2
    assert there.to_stages(sample) == there.all_to_stages(np.array([sample]))[0]


@given(rates, numbers)
def test_first_and_seen_are_on_either_side(fs_hz: float, sample: int) -> None:
    there = Rates(fs_hz)
    assert there.first_in_stages(sample) * there.ratio >= sample > (there.first_in_stages(sample) - 1) * there.ratio
    assert there.seen_in_stages(sample) * there.ratio <= sample
    assert there.seen_in_source(there.seen_in_stages(sample)) <= sample


@given(rates, st.integers(1, 10**7), st.integers(1, 700))
def test_nothing_is_told_of_a_sample_still_to_come(fs_hz: float, decided: int, before: int) -> None:
    peak = RPeak(decided=decided, sample=max(decided - before, 0), lead=0, amplitude_mv=1.0, strength=2.0)
    told = Rates(fs_hz).event_to_source(peak)
    assert told.sample < told.decided


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 250.0, 360.0, 500.0, 977.0, 1000.0])
@pytest.mark.parametrize(("start", "n"), [(1000, 1), (1001, 2), (1003, 60), (1500, 700)])
def test_a_gap_leaves_as_it_came(fs_hz: float, start: int, n: int) -> None:
    stage, there = Conditioning(fs_hz, 1), Rates(fs_hz)
    list(stage.push(Samples(start=0, mv=np.zeros((start, 1), np.float32))))
    found = [m for m in stage.push(Gap(decided=start + n, start=start, n=n)) if isinstance(m, Gap)]
    # One that is bridged is told once there is something to bridge to.
    found += [
        m for m in stage.push(Samples(start=start + n, mv=np.zeros((start, 1), np.float32))) if isinstance(m, Gap)
    ]
    told = [there.event_to_source(gap) for gap in found]
    assert [(gap.start, gap.n, gap.source) for gap in told] == [(start, n, None)]


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 250.0, 360.0, 977.0, 1000.0])
def test_seconds_follow_each_other_and_end_before_they_are_told(fs_hz: float) -> None:
    there = Rates(fs_hz)
    chain = Chain([SignalQuality(fs_hz, 1), Conditioning(fs_hz, 1), Rhythm(RhythmRules(), 1)])
    told = [
        there.event_to_source(message)
        for message in chain.push(Samples(start=0, mv=np.zeros((round(20 * fs_hz), 1), np.float32)))
        if isinstance(message, Quality | Vitals)
    ]
    judged = [message for message in told if isinstance(message, Quality)]
    assert all(a.start + a.n == b.start for a, b in pairwise(judged))
    assert [quality.start for quality in judged] == [-int(-s * fs_hz // 1) for s in range(len(judged))]
    seconds = [message for message in told if isinstance(message, Vitals)]
    assert len(seconds) > 15
    assert all(vitals.sample < vitals.decided for vitals in seconds)


def test_times_follow_the_start_until_a_source_knows_better() -> None:
    stream = Stream(name="bed", fs_hz=250.0, leads=("II",), start_time=START)
    clock = StreamClock(stream)
    assert clock.time(500) == START + timedelta(seconds=2) == clock.nominal_time(500)
    assert clock.time(720, 360.0) == START + timedelta(seconds=2)
    state = SourceState(
        ok=True, reason=None, sample=250, time=START + timedelta(seconds=3), drift_ppm=1000.0, counts={}
    )
    clock.anchor(state)
    assert clock.time(250) == START + timedelta(seconds=3)
    assert (clock.time(250 + 250_000) - clock.time(250)).total_seconds() == pytest.approx(1000 / 1.001)
    assert clock.nominal_time(500) == START + timedelta(seconds=2)
