"""Beats: windows, timing, what decides them, and that blocks do not matter."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import history
from edge.features import window as beat_window
from edge.features.timing import TIMING_NAMES
from edge.messages import FS_HZ, Beat, Event, Gap, LeadState, Message, Quality, RPeak, Samples
from edge.pipeline import Chain
from edge.stages.beats import WAIT_S, Beats

LAG = 30
DELAY = 80
AFTER = (beat_window.WINDOW - beat_window.BEFORE) * beat_window.STEP


def ecg(peaks: Sequence[int], n: int, leads: int = 2) -> NDArray[np.float32]:
    """A QRS and a T wave at each peak, on two leads of other size."""
    time = np.arange(n)
    mv = np.zeros(n)
    for peak in peaks:
        mv += np.exp(-(((time - peak) / 6.0) ** 2)) + 0.2 * np.exp(-(((time - peak - 100) / 25.0) ** 2))
    return np.stack([mv * scale for scale in (1.0, -0.5, 0.7)[:leads]], axis=1).astype(np.float32)


def peaks_of(samples: Sequence[int]) -> list[RPeak]:
    return [RPeak(sample=int(r), lead=0, amplitude_mv=1.0, strength=2.0, decided=int(r) + DELAY + LAG) for r in samples]


def run(
    mv: NDArray[np.float32],
    events: Sequence[Event],
    sizes: Sequence[int],
    leads: tuple[str, ...] = ("MLII", "V1"),
    start: int = 0,
) -> list[Message]:
    """Feed a `Beats` as a chain does: events before the block that closes their span."""
    chain = Chain([Beats(leads)])
    waiting = sorted(events, key=lambda event: event.decided)
    out: list[Message] = []
    at = turn = 0
    while at < len(mv):
        end = min(at + sizes[turn % len(sizes)], len(mv))
        while waiting and waiting[0].decided <= start + end + LAG:
            out += chain.push(waiting.pop(0))
        out += chain.push(Samples(start=start + at, mv=mv[at:end], lag=LAG))
        at, turn = end, turn + 1
    for event in waiting:
        out += chain.push(event)
    return out + chain.flush()


def beats_in(messages: Sequence[Message]) -> list[Beat]:
    return [message for message in messages if isinstance(message, Beat)]


def as_bytes(beats: Sequence[Beat]) -> list[tuple[object, ...]]:
    return [(b.sample, b.rr_ms, b.decided, b.usable, b.noisy, b.window.tobytes(), b.features.tobytes()) for b in beats]


REGULAR = list(range(300, 6000, 288))


def test_a_beat_has_its_window_features_and_interval() -> None:
    beats = beats_in(run(ecg(REGULAR, 6000), peaks_of(REGULAR), [360]))
    assert [beat.sample for beat in beats] == REGULAR
    assert beats[0].rr_ms is None
    assert all(beat.rr_ms == 800 for beat in beats[1:])
    for beat in beats:
        assert beat.window.shape == (beat_window.WINDOW, beat_window.LEADS)
        assert beat.window.dtype == beat.features.dtype == np.float32
        assert beat.features.shape == (len(history.NAMES),)
        assert np.isfinite(beat.window).all()
        assert np.isfinite(beat.features).all()
        assert beat.usable
    assert int(np.argmax(beats[5].window[:, 0])) == beat_window.BEFORE


def test_a_beat_is_decided_by_the_next_or_by_its_window() -> None:
    samples = [400, 600, 1000, 1500, 2000]
    beats = beats_in(run(ecg(samples, 4000), peaks_of(samples), [360]))
    following = [600, 1000, 1500, 2000]
    for beat, after in zip(beats, following, strict=False):
        assert beat.decided == max(after + DELAY, beat.sample + AFTER) + LAG
    assert beats[-1].decided == 2000 + round(WAIT_S * FS_HZ) + LAG


def test_a_beat_too_far_behind_is_not_waited_for() -> None:
    near = round(WAIT_S * FS_HZ) - DELAY
    next_s = TIMING_NAMES.index("rr_next")
    for distance, known in ((near, True), (near + 1, False)):
        samples = [400, 400 + distance]
        first = beats_in(run(ecg(samples, 3000), peaks_of(samples), [7]))[0]
        assert first.decided == 400 + round(WAIT_S * FS_HZ) + LAG
        assert first.features[next_s] == pytest.approx(distance / FS_HZ if known else 2.0)


@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(st.integers(80, 900), min_size=2, max_size=14),
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=4),
    bad=st.integers(0, 8),
)
def test_blocks_do_not_matter(gaps: list[int], sizes: list[int], bad: int) -> None:
    samples = (200 + np.cumsum(gaps)).tolist()
    mv = ecg(samples, samples[-1] + 500)
    quality: list[Event] = [
        Quality(
            start=i * FS_HZ,
            n=FS_HZ,
            leads=("off", "off") if i == bad else ("good", "good"),
            decided=(i + 1) * FS_HZ + LAG,
        )
        for i in range(len(mv) // FS_HZ)
    ]
    events = [*peaks_of(samples), *quality]
    whole = as_bytes(beats_in(run(mv, events, [len(mv)])))
    assert len(whole) == len(samples)
    assert as_bytes(beats_in(run(mv, events, sizes))) == whole


def test_one_sample_at_a_time_over_a_long_run() -> None:
    mv = ecg(REGULAR, 6000)
    whole = as_bytes(beats_in(run(mv, peaks_of(REGULAR), [6000])))
    assert as_bytes(beats_in(run(mv, peaks_of(REGULAR), [1]))) == whole


def test_everything_passes_in_order() -> None:
    quality = Quality(start=0, n=FS_HZ, leads=("good", "good"), decided=FS_HZ + LAG)
    given = peaks_of([r for r in REGULAR if r < 1900])
    out = run(ecg(REGULAR, 2000), [*given, quality], [500])
    assert quality in out
    assert sum(isinstance(message, Samples) for message in out) == 4
    assert [message for message in out if isinstance(message, RPeak)] == given
    decided = [message.decided for message in beats_in(out)]
    assert decided == sorted(decided)


def test_after_a_gap_the_interval_is_unknown() -> None:
    stage = Beats(("MLII", "V1"))
    before, after = [300, 600, 900], [5300, 5600]
    out: list[Message] = []
    for peak in peaks_of(before):
        out += stage.push(peak)
    out += stage.push(Samples(start=0, mv=ecg(before, 1000), lag=LAG))
    out += stage.push(Gap(start=1000, n=4000, decided=5000))
    assert [beat.sample for beat in beats_in(out)] == before
    assert isinstance(out[-1], Gap)
    assert all(beat.decided <= 5000 for beat in beats_in(out))
    for peak in peaks_of(after):
        out += stage.push(peak)
    out += stage.push(Samples(start=5000, mv=ecg([300, 600], 1000), lag=LAG))
    out += stage.flush()
    late = [beat for beat in beats_in(out) if beat.sample > 5000]
    assert [beat.sample for beat in late] == after
    assert late[0].rr_ms is None
    assert late[1].rr_ms == pytest.approx(300 / 360 * 1000)


def test_a_bridged_gap_changes_nothing() -> None:
    bridged = Gap(start=1000, n=20, bridged=True, decided=1020)
    plain = as_bytes(beats_in(run(ecg(REGULAR, 6000), peaks_of(REGULAR), [360])))
    assert as_bytes(beats_in(run(ecg(REGULAR, 6000), [*peaks_of(REGULAR), bridged], [360]))) == plain


@pytest.mark.parametrize(
    ("leads", "usable"),
    [(("off", "off"), False), (("flat", "saturated"), False), (("off", "good"), True), (("noisy", "off"), True)],
)
def test_quality_decides_what_is_usable(leads: tuple[LeadState, ...], usable: bool) -> None:
    quality = [Quality(start=0, n=3600, leads=leads, decided=0)]
    beats = beats_in(run(ecg(REGULAR, 3600), [*quality, *peaks_of([r for r in REGULAR if r < 3500])], [360]))
    assert {beat.usable for beat in beats} == {usable}
    readable = [state in ("good", "noisy") for state in leads]
    for beat in beats:
        assert [bool(np.any(beat.window[:, i])) for i in range(2)] == readable


def restless(peaks: Sequence[int], start: int, mv: float = 2.0) -> NDArray[np.float32]:
    """Beats, and from a sample on electrodes that move: slow steps of any size, in both leads."""
    n = peaks[-1] + 400
    steps = np.random.default_rng(1).normal(size=(n // 36 + 2, 2))
    moved = np.stack([np.interp(np.arange(n), np.arange(len(steps)) * 36, column) for column in steps.T], axis=1)
    moved[:start] = 0
    return ecg(peaks, n) + (mv * moved).astype(np.float32)


def test_beats_are_noisy_while_electrodes_move() -> None:
    mv = restless(REGULAR, 3000)
    beats = beats_in(run(mv, peaks_of(REGULAR), [360]))
    assert not any(beat.noisy for beat in beats if beat.sample < 3000 - AFTER)
    later = [beat.noisy for beat in beats if beat.sample > 3000]
    assert sum(later) > 0.8 * len(later)
    assert all(beat.usable for beat in beats)


def test_no_beat_is_noisy_in_leads_that_cannot_be_read() -> None:
    quality = Quality(start=0, n=6000, leads=("off", "off"), decided=0)
    beats = beats_in(run(restless(REGULAR, 3000), [quality, *peaks_of(REGULAR)], [360]))
    assert len(beats) == len(REGULAR)
    assert not any(beat.usable or beat.noisy for beat in beats)


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_blocks_do_not_matter_in_noise(sizes: list[int]) -> None:
    mv = restless(REGULAR, 2000)
    whole = beats_in(run(mv, peaks_of(REGULAR), [len(mv)]))
    assert any(beat.noisy for beat in whole)
    assert as_bytes(beats_in(run(mv, peaks_of(REGULAR), sizes))) == as_bytes(whole)


def test_a_lead_filled_in_is_not_looked_at() -> None:
    mv = ecg(REGULAR, 3600)
    valid = np.ones(mv.shape, bool)
    valid[1000:2500, 0] = False
    stage = Beats(("MLII", "V1"))
    for peak in peaks_of([588, 876, 1740, 2892]):
        assert list(stage.push(peak)) == [peak]
    beats = beats_in([*stage.push(Samples(start=0, mv=mv, valid=valid, lag=LAG)), *stage.flush()])
    assert [bool(np.any(beat.window[:, 0])) for beat in beats] == [True, True, False, True]
    assert all(beat.usable for beat in beats)


def test_one_lead_leaves_the_second_column_empty() -> None:
    beats = beats_in(run(ecg(REGULAR, 6000, leads=1), peaks_of(REGULAR), [360], leads=("MLII",)))
    assert len(beats) == len(REGULAR)
    assert all(beat.usable and not beat.window[:, 1].any() and beat.window[:, 0].any() for beat in beats)


def test_leads_are_taken_by_name() -> None:
    mv = ecg(REGULAR, 6000, leads=3)
    swapped = np.ascontiguousarray(mv[:, [2, 1, 0]])
    straight = as_bytes(beats_in(run(mv, peaks_of(REGULAR), [360], leads=("II", "V1", "III"))))
    assert as_bytes(beats_in(run(swapped, peaks_of(REGULAR), [360], leads=("III", "V1", "II")))) == straight


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("MLII", "V5"), (0, 1)),
        (("V5", "MLII"), (1, 0)),
        (("V5", "V2"), (0, 1)),
        (("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2"), (1, 6)),
        (("ECG1", "ECG2"), (0, 1)),
        (("lead II",), (0,)),
        (("a", "b"), (0, 1)),
    ],
)
def test_choice_of_leads(names: tuple[str, ...], columns: tuple[int, ...]) -> None:
    assert beat_window.choose_leads(names) == columns


def test_the_first_beats_and_the_last_have_whole_windows() -> None:
    samples = [5, 293, 595]
    beats = beats_in(run(ecg(samples, 600), peaks_of(samples), [100]))
    assert [beat.sample for beat in beats] == samples
    assert all(np.isfinite(beat.window).all() and np.isfinite(beat.features).all() for beat in beats)


def test_reset_is_as_new() -> None:
    stage = Beats(("MLII", "V1"))

    def once() -> list[tuple[object, ...]]:
        out: list[Message] = []
        for peak in peaks_of(REGULAR):
            out += stage.push(peak)
        out += stage.push(Samples(start=0, mv=ecg(REGULAR, 6000), lag=LAG))
        return as_bytes(beats_in([*out, *stage.flush()]))

    first = once()
    stage.reset()
    assert once() == first


@settings(max_examples=10, deadline=None)
@given(factor=st.sampled_from([0.5, 2.0, 4.0]))
def test_gain_hardly_changes_a_beat(factor: float) -> None:
    mv = ecg(REGULAR, 6000)
    one = beats_in(run(mv, peaks_of(REGULAR), [360]))[-1]
    other = beats_in(run(mv * np.float32(factor), peaks_of(REGULAR), [360]))[-1]
    np.testing.assert_allclose(other.window, one.window, atol=1e-4)
    np.testing.assert_allclose(other.features, one.features, atol=0.05)


@pytest.mark.parametrize(
    ("first", "stop", "readable"),
    [
        # A QRS complex is an eighth of a second to either side of its R peak; a quarter of it may be filled in.
        (-45, -45 + 22, True),
        (-45, -45 + 23, False),
        (-200, -45 + 22, True),
        (-200, -45 + 23, False),
        (45 - 22, 200, True),
        (45 - 23, 200, False),
    ],
)
def test_a_lead_is_judged_over_the_qrs_complex(first: int, stop: int, readable: bool) -> None:
    mv = ecg(REGULAR, 3600)
    valid = np.ones(mv.shape, bool)
    valid[1452 + first : 1452 + stop, 0] = False
    stage = Beats(("MLII", "V1"))
    for peak in peaks_of([588, 876, 1452, 2892]):
        assert list(stage.push(peak)) == [peak]
    beats = beats_in([*stage.push(Samples(start=0, mv=mv, valid=valid, lag=LAG)), *stage.flush()])
    assert [bool(np.any(beat.window[:, 0])) for beat in beats] == [True, True, readable, True]


@pytest.mark.parametrize(
    ("start", "n", "readable"),
    [(1000, 1452 - 45 - 1000, True), (1000, 1452 - 45 - 999, False), (1452 + 45, 360, True), (1452 + 44, 360, False)],
)
def test_the_state_of_a_lead_counts_from_the_qrs_complex_on(start: int, n: int, readable: bool) -> None:
    off = Quality(start=start, n=n, leads=("off", "good"), decided=0)
    beats = beats_in(run(ecg(REGULAR, 3600), [*peaks_of([588, 876]), off, *peaks_of([1452])], [3600]))
    assert [bool(np.any(beat.window[:, 0])) for beat in beats] == [True, True, readable]


@pytest.mark.parametrize(
    ("leads", "told"),
    [
        (("off", "off"), False),
        (("saturated", "off"), False),
        # A flat line is seen, and shows no beat; noise may hide some, which the rhythm judges.
        (("flat", "flat"), True),
        (("off", "flat"), True),
        (("off", "noisy"), True),
        (("saturated", "good"), True),
    ],
)
@pytest.mark.parametrize("seconds", [1, 12])
def test_no_interval_is_told_across_what_no_lead_showed(leads: tuple[LeadState, ...], told: bool, seconds: int) -> None:
    peaks = [360, 648, 1000 + 360 * seconds, 1288 + 360 * seconds]
    lost = [Quality(start=720 + 360 * i, n=360, leads=leads, decided=1080 + 360 * i) for i in range(seconds)]
    mv = ecg(peaks, peaks[-1] + 800)
    events = [*peaks_of(peaks[:2]), *lost, *peaks_of(peaks[2:])]
    beats = beats_in(run(mv, events, [360]))
    assert [beat.sample for beat in beats] == peaks
    across = (peaks[2] - peaks[1]) / FS_HZ * 1000
    assert [beat.rr_ms for beat in beats] == [None, 800, pytest.approx(across) if told else None, 800]
    assert as_bytes(beats) == as_bytes(beats_in(run(mv, events, [7])))


def test_a_peak_that_is_told_too_late_to_be_looked_at_is_a_beat_of_which_nothing_can_be_said() -> None:
    stage, out = Beats(("MLII", "V1")), []
    mv = ecg([360], 6000)
    for start in range(0, 6000, 60):
        out += stage.push(Samples(start=start, mv=mv[start : start + 60], lag=LAG))
        if start == 5400:
            out += stage.push(msgspec.structs.replace(peaks_of([360])[0], decided=5400))
    assert [(beat.sample, beat.usable) for beat in beats_in([*out, *stage.flush()])] == [(360, False)]
