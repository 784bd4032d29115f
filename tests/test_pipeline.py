"""The whole pipeline: blocks do not matter, and what leaves it is in the source's own sample numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from front_end import cut
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.inference.beat_model import BeatModel
from edge.messages import Alert, Episode, Event, Gap, LabelledBeat, Message, Quality, RPeak, Samples, Stream, Vitals
from edge.pipeline import Pipeline
from edge.stages.alarms import AlarmRules, Priorities
from edge.stages.rhythm import RhythmRules

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=["cnn", "lstm"])
def model(request: pytest.FixtureRequest) -> Iterator[BeatModel]:
    with BeatModel.load(request.param) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def cnn() -> Iterator[BeatModel]:
    with BeatModel.load("cnn") as loaded:
        yield loaded


def a_stream(leads: int, fs_hz: float = 360) -> Stream:
    return Stream(name="test", fs_hz=fs_hz, leads=("MLII", "V1", "V5")[:leads], start_time=START)


def run(pipeline: Pipeline, messages: Sequence[Message]) -> list[Event]:
    return [event for message in messages for event in pipeline.push(message)] + pipeline.flush()


def as_bytes(events: Sequence[Event]) -> list[bytes]:
    """Everything an event says, arrays to the last bit."""
    return [
        type(e).__name__.encode() + msgspec.msgpack.encode(e, enc_hook=lambda array: array.tobytes()) for e in events
    ]


def two_leads(ecg: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    other = np.roll(ecg, 3, axis=0) * np.float32(0.6) + np.float32(0.2)
    return np.ascontiguousarray(np.hstack([ecg, other])[:n])


def test_blocks_do_not_matter(model: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    mv = two_leads(toy_ecg, 36_000)
    gaps = [(9_000, 20), (20_000, 2_000)]
    whole = as_bytes(run(Pipeline(a_stream(2), model), cut(mv, [len(mv)], gaps)))
    assert sum(line.startswith(b"LabelledBeat") for line in whole) > 130
    for sizes in ([7], [360], [1, 1000, 33]):
        assert as_bytes(run(Pipeline(a_stream(2), model), cut(mv, sizes, gaps))) == whole


def test_one_sample_at_a_time(cnn: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    mv = two_leads(toy_ecg, 3_600)
    whole = as_bytes(run(Pipeline(a_stream(2), cnn), cut(mv, [len(mv)])))
    assert as_bytes(run(Pipeline(a_stream(2), cnn), cut(mv, [1]))) == whole


@given(data=st.data(), fs_hz=st.sampled_from([100.0, 128.0, 250.0, 257.0, 360.0, 1000.0]))
@settings(max_examples=20, deadline=None)
def test_any_rate_any_leads_any_blocks(data: st.DataObject, cnn: BeatModel, fs_hz: float) -> None:
    leads = data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n = int(8 * fs_hz)
    beats = np.zeros((n, 1))
    beats[:: int(0.8 * fs_hz)] = 1
    shape = np.hanning(max(int(0.08 * fs_hz), 3))
    mv = np.convolve(beats[:, 0], shape, "same")[:, None] * rng.uniform(0.3, 2, leads) + rng.normal(0, 0.02, (n, leads))
    mv = mv.astype(np.float32)
    mv[rng.random(mv.shape) < 0.001] = np.nan
    start = data.draw(st.integers(0, n))
    gaps = [(start, min(data.draw(st.integers(1, n)), n - start))] if data.draw(st.booleans()) and start < n else []
    sizes = data.draw(st.lists(st.integers(1, 700), min_size=1, max_size=4))
    expected = as_bytes(run(Pipeline(a_stream(leads, fs_hz), cnn), cut(mv, [n], gaps)))
    assert as_bytes(run(Pipeline(a_stream(leads, fs_hz), cnn), cut(mv, sizes, gaps))) == expected


def test_events_leave_in_the_order_they_were_decided(cnn: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    pipeline = Pipeline(a_stream(1), cnn)
    seen = 0
    for message in cut(toy_ecg[:36_000], [500]):
        events = pipeline.push(message)
        assert [e.decided for e in events] == sorted(e.decided for e in events)
        assert all(seen < e.decided <= message.end for e in events if isinstance(message, Samples))
        seen = message.end if isinstance(message, Samples) else seen


def test_sample_numbers_are_the_sources_own(cnn: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    """The same ECG at half the rate gives the same beats at half the sample numbers."""
    at_360 = run(Pipeline(a_stream(1), cnn), cut(toy_ecg, [3_600]))
    at_180 = run(Pipeline(a_stream(1, 180), cnn), cut(np.ascontiguousarray(toy_ecg[::2]), [1_800]))
    expected = np.array([e.sample for e in at_360 if isinstance(e, LabelledBeat)])
    got = 2 * np.array([e.sample for e in at_180 if isinstance(e, LabelledBeat)])
    near = np.abs(expected[:, None] - got).min(axis=1) <= 10
    assert abs(len(expected) - len(got)) <= 3
    assert near.mean() > 0.99


def test_reset_makes_as_new(cnn: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    pipeline = Pipeline(a_stream(1), cnn)
    first = as_bytes(run(pipeline, cut(toy_ecg[:18_000], [360])))
    pipeline.reset()
    assert as_bytes(run(pipeline, cut(toy_ecg[:18_000], [360]))) == first


def test_a_long_gap_is_told_and_nothing_is_claimed_inside(cnn: BeatModel, toy_ecg: NDArray[np.float32]) -> None:
    start, n = 10_000, 3_600
    events = run(Pipeline(a_stream(1), cnn), cut(toy_ecg[:30_000], [360], [(start, n)]))
    assert [(e.start, e.n) for e in events if isinstance(e, Gap)] == [(start, n)]
    inside = [e for e in events if isinstance(e, RPeak | LabelledBeat) and start <= e.sample < start + n]
    assert not inside
    assert not [e for e in events if isinstance(e, Alert) and e.kind in ("asystole", "pause")]


@pytest.mark.parametrize("gain", [0.3, 3.0])
def test_gain_and_offset_change_no_beat(cnn: BeatModel, toy_ecg: NDArray[np.float32], gain: float) -> None:
    def beats(mv: NDArray[np.float32]) -> set[int]:
        return {e.sample for e in run(Pipeline(a_stream(1), cnn), cut(mv, [3_600])) if isinstance(e, LabelledBeat)}

    plain, changed = beats(toy_ecg), beats(toy_ecg * np.float32(gain) + np.float32(1.5))
    assert len(plain) > 400
    assert len(plain ^ changed) <= 0.01 * len(plain)


def test_silence_has_vitals_with_a_reason_and_no_beats(cnn: BeatModel) -> None:
    mv = np.full((3_600, 2), np.nan, np.float32)
    events = run(Pipeline(a_stream(2), cnn), cut(mv, [360]))
    vitals = [e for e in events if isinstance(e, Vitals)]
    assert vitals
    assert all(v.hr_bpm is None and v.reason for v in vitals)
    assert all(q.leads == ("off", "off") for q in events if isinstance(q, Quality))
    assert not [e for e in events if isinstance(e, RPeak)]
    assert {e.kind for e in events if isinstance(e, Alert)} == {"signal_lost"}


RULES = RhythmRules()
OTHER = RhythmRules(tachycardia_bpm=80.0, tachycardia_beats=5, bradycardia_bpm=30.0)


@pytest.mark.parametrize("fs_hz", [360.0, 250.0])
@pytest.mark.parametrize("change_at", [7_200, 36_000, 72_000])
def test_other_rules_midway_change_no_label(
    cnn: BeatModel, toy_ecg: NDArray[np.float32], fs_hz: float, change_at: int
) -> None:
    found = []
    for rules in (None, OTHER):
        pipeline, events = Pipeline(a_stream(1, fs_hz), cnn), list[Event]()
        for start in range(0, len(toy_ecg), 720):
            if start == change_at and rules is not None:
                events += pipeline.change_rules(rules, AlarmRules())
            events += pipeline.push(Samples(start=start, mv=toy_ecg[start : start + 720]))
        found.append(events + pipeline.flush())
    beats = [as_bytes([e for e in events if isinstance(e, LabelledBeat | Quality)]) for events in found]
    assert beats[0] == beats[1]
    plain, changed = ([e for e in events if isinstance(e, Vitals)] for events in found)
    assert [(v.sample, v.hr_bpm, v.beats) for v in plain] == [(v.sample, v.hr_bpm, v.beats) for v in changed]
    numbers = {e.number for e in found[1] if isinstance(e, Episode)}
    assert len(numbers) == sum(isinstance(e, Episode) and e.phase == "onset" for e in found[1])
    for number in {e.number for e in found[1] if isinstance(e, Alert)}:
        phases = [e.phase for e in found[1] if isinstance(e, Alert) and e.number == number]
        assert (phases[0], phases[-1], phases.count("onset"), phases.count("end")) == ("onset", "end", 1, 1)
    if change_at < 72_000:  # what comes after that is slow
        assert any(e.kind == "tachycardia" and e.decided >= change_at for e in found[1] if isinstance(e, Alert))


@pytest.mark.parametrize("change_at", range(3_600, 100_000, 9_000))
def test_the_same_rules_again_change_nothing(cnn: BeatModel, toy_ecg: NDArray[np.float32], change_at: int) -> None:
    found = []
    for again in (False, True):
        pipeline, events = Pipeline(a_stream(1), cnn, rhythm=OTHER), list[Event]()
        for start in range(0, len(toy_ecg), 720):
            if start == change_at and again:
                events += pipeline.change_rules(OTHER, AlarmRules())
            events += pipeline.push(Samples(start=start, mv=toy_ecg[start : start + 720]))
        found.append(as_bytes(events + pipeline.flush()))
    assert found[0] == found[1]


def test_what_is_off_from_now_on_ends_and_what_is_urgent_from_now_on_says_so(
    cnn: BeatModel, toy_ecg: NDArray[np.float32]
) -> None:
    pipeline = Pipeline(a_stream(1), cnn)
    flat = np.zeros((20 * 360, 1), np.float32)
    alerts = [e for e in pipeline.push(Samples(start=0, mv=toy_ecg[:36_000])) if isinstance(e, Alert)]
    alerts += [e for e in pipeline.push(Samples(start=36_000, mv=flat)) if isinstance(e, Alert)]
    kind = alerts[-1].kind
    louder = AlarmRules(priority=msgspec.convert({kind: "low"}, Priorities))
    told = [e for e in pipeline.change_rules(RULES, louder) if isinstance(e, Alert) and e.kind == kind]
    assert [(e.number, e.phase, e.priority) for e in told] == [(alerts[-1].number, "update", "low")]
    silent = AlarmRules(priority=msgspec.convert({kind: "off"}, Priorities))
    told = [e for e in pipeline.change_rules(RULES, silent) if isinstance(e, Alert) and e.kind == kind]
    assert [(e.number, e.phase) for e in told] == [(alerts[-1].number, "end")]
