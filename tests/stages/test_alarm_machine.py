"""Rhythm and alarms together, whatever comes: nothing stuck, no end without onset, no storm, no event told twice."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.kinds import KINDS
from edge.messages import Alert, Episode, Event, Gap, LabelledBeat, Likelihood, Message, Quality, RPeak, Samples
from edge.pipeline import Chain
from edge.stages.alarms import AlarmRules, Alarms
from edge.stages.rhythm import Rhythm, RhythmRules

SECOND = 360
LAG = 20
IN_FIBRILLATION = {
    "asystole", "asystole_or_lead_off", "pause",
    "vt", "v_run", "idioventricular", "couplet", "svt_run", "bigeminy", "trigeminy", "bradycardia",
    "tachycardia", "extreme_bradycardia", "extreme_tachycardia", "ventricular_burden", "dropped_beats",
}  # fmt: skip
"""What is not told while the ventricles fibrillate."""
EXCLUSIVE = (
    ("vt", "v_run", "idioventricular"),
    ("asystole", "asystole_or_lead_off", "pause"),
    ("tachycardia", "extreme_tachycardia"),
    ("bradycardia", "extreme_bradycardia"),
)
"""Of these one at most is running: they are degrees of one event."""


def machine() -> Chain:
    return Chain([Rhythm(RhythmRules(), 1), Alarms(AlarmRules(), ("II",))])


def given_in_order(events: Sequence[Event], length: int) -> list[Message]:
    """Events with a block of samples after each second."""
    beats = [event for event in events if isinstance(event, LabelledBeat)]
    peaks = [RPeak(sample=b.sample, lead=0, amplitude_mv=1.0, strength=3.0, decided=b.sample + 120) for b in beats]
    waiting = sorted([*peaks, *events], key=lambda event: event.decided)
    out: list[Message] = []
    block = np.zeros((SECOND, 1), np.float32)
    for start in range(0, length, SECOND):
        while waiting and waiting[0].decided <= start + SECOND + LAG:
            out.append(waiting.pop(0))
        out.append(Samples(start=start, mv=block, lag=LAG))
    return out


def beat(sample: int, label: str, before: int | None) -> LabelledBeat:
    rr_ms = None if before is None else (sample - before) * 1000 / SECOND
    return LabelledBeat(sample=sample, label=label, score=0.9, rr_ms=rr_ms, decided=sample + 250)  # type: ignore[arg-type]


class Given(list[Message]):
    """Messages that are shown as what is decided in them."""

    def __repr__(self) -> str:
        return " ".join(_shown(message) for message in self if not isinstance(message, Samples | Quality | RPeak))


def _shown(message: Message) -> str:
    match message:
        case LabelledBeat():
            return f"{message.label}{message.sample}"
        case Likelihood():
            return f"{message.kind}{message.decided}:{message.log_odds:.1f}"
    return type(message).__name__


@st.composite
def anything(draw: st.DrawFn) -> Given:
    seconds = draw(st.integers(20, 150))
    events: list[Event] = []
    sample, before = draw(st.integers(100, 2000)), None
    for labels, rr in draw(
        st.lists(
            st.tuples(
                st.text("NNNVSFQ", min_size=1, max_size=9) | st.sampled_from(["VVVVVV", "NVNVNVNV", "N" * 18, "SSSSS"]),
                st.sampled_from([110, 130, 200, 300, 560, 740, 1200, 1700, 3500]),
            ),
            max_size=14,
        )
    ):
        for label in labels:
            if sample + 250 < seconds * SECOND:
                events.append(beat(sample, label, before))
            before, sample = sample, sample + rr
    bad = draw(st.frozensets(st.integers(0, seconds), max_size=15))
    for second in range(seconds):
        state = "off" if second in bad else "good"
        events.append(Quality(start=second * SECOND, n=SECOND, leads=(state,), decided=(second + 1) * SECOND))
    odds = st.floats(-4, 4)
    for start, values in draw(st.lists(st.tuples(st.integers(0, seconds), st.lists(odds, max_size=12)), max_size=3)):
        for k, value in enumerate(values):
            end = (start + k + 1) * SECOND
            if end <= seconds * SECOND:
                events.append(Likelihood(kind="vf", sample=end - 1, log_odds=value, decided=end + LAG))
    for end, value in draw(st.lists(st.tuples(st.integers(1, seconds), st.floats(-9, 9)), max_size=12)):
        at = end * SECOND - 50
        events.append(Likelihood(kind="af", sample=max(at - 250, 0), log_odds=value, decided=at))
    return Given(given_in_order(events, seconds * SECOND))


def told(messages: list[Message]) -> list[Message]:
    chain = machine()
    return [out for message in messages for out in chain.push(message)] + chain.flush()


@settings(max_examples=150, deadline=None)
@given(anything())
def test_every_episode_and_alert_begins_once_and_ends_once(messages: list[Message]) -> None:
    for kind in (Episode, Alert):
        running: dict[int, str] = {}
        seen: set[int] = set()
        decided = 0
        for m in told(messages):
            if not isinstance(m, kind):
                continue
            assert m.decided >= decided
            assert m.onset <= m.decided
            decided = m.decided
            if m.phase == "onset":
                assert m.number not in seen
                assert m.kind not in running.values()
                seen.add(m.number)
                running[m.number] = m.kind
            else:
                assert running[m.number] == m.kind
            if m.phase == "end":
                assert m.end is not None
                assert m.onset <= m.end <= m.decided
                del running[m.number]
        assert not running


@settings(max_examples=150, deadline=None)
@given(anything())
def test_one_event_is_one_episode_at_a_time(messages: list[Message]) -> None:
    running: dict[str, int] = {}
    for m in told(messages):
        if not isinstance(m, Episode):
            continue
        if m.phase == "end":
            running.pop(m.kind)
        elif m.phase == "onset":
            running[m.kind] = m.number
        if m.phase == "onset" and "vf" in running and m.kind != "vf":
            assert m.kind not in IN_FIBRILLATION
        for kinds in EXCLUSIVE:
            assert sum(kind in running for kind in kinds) <= 1


@settings(max_examples=100, deadline=None)
@given(anything())
def test_no_kind_is_told_more_often_than_it_may_be(messages: list[Message]) -> None:
    alerts = [m for m in told(messages) if isinstance(m, Alert)]
    seconds = messages[-1].end / SECOND if isinstance(messages[-1], Samples) else 0
    for kind, n in Counter(alert.kind for alert in alerts if alert.phase != "end").items():
        if KINDS[kind].priority != "high":
            # An onset at most every `hold_s`, repeats at most every `repeat_s`, updates at ever longer distances.
            assert n <= 2 + seconds / 5


def test_an_hour_of_bigeminy_is_one_alarm_of_its_kind() -> None:
    samples = [200 + 280 * k for k in range(3600 * SECOND // 280)]
    labels = itertools.cycle("NV")
    before: list[int | None] = [None, *samples]
    beats = [beat(sample, label, last) for sample, label, last in zip(samples, labels, before, strict=False)]
    good = [Quality(start=s * SECOND, n=SECOND, leads=("good",), decided=(s + 1) * SECOND) for s in range(3600)]
    alerts = [m for m in told(given_in_order([*beats, *good], 3600 * SECOND)) if isinstance(m, Alert)]
    onsets = Counter(alert.kind for alert in alerts if alert.phase == "onset")
    assert onsets == {"bigeminy": 1, "ventricular_burden": 1}
    assert len(alerts) < 30


def test_fibrillation_that_no_beat_is_seen_in_is_one_alarm_of_high_priority() -> None:
    beats = [beat(200 + 300 * k, "N", None if k == 0 else 200 + 300 * (k - 1)) for k in range(24)]
    good = [Quality(start=s * SECOND, n=SECOND, leads=("good",), decided=(s + 1) * SECOND) for s in range(60)]
    odds = [-1.0, 0.4, 1.2, 2.0, *[3.0] * 30]
    waves = [
        Likelihood(kind="vf", sample=(24 + k) * SECOND - 1, log_odds=value, decided=(24 + k) * SECOND + LAG)
        for k, value in enumerate(odds)
    ]
    found = told(given_in_order([*beats, *good, *waves], 60 * SECOND))
    high = [m for m in found if isinstance(m, Alert) and m.priority == "high" and m.phase == "onset"]
    assert [m.kind for m in high] == ["vf"]
    assert high[0].decided < 30 * SECOND


def test_a_gap_in_fibrillation_leaves_nothing_running() -> None:
    odds = [Likelihood(kind="vf", sample=s * SECOND - 1, log_odds=3.0, decided=s * SECOND + LAG) for s in range(4, 12)]
    gap = Gap(start=12 * SECOND, n=20 * SECOND, decided=32 * SECOND)
    found = told([*given_in_order(odds, 12 * SECOND), gap])
    phases = [(m.kind, m.phase) for m in found if isinstance(m, Episode) and m.kind == "vf"]
    assert phases[0] == ("vf", "onset")
    assert phases[-1] == ("vf", "end")
