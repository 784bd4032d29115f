"""The alarms stage: priorities, one alert per kind, what is held, strips, and random streams of episodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.kinds import STAGE_KINDS as KINDS
from edge.messages import Alert, Episode, Event, Evidence, Gap, LabelledBeat, Message, Phase, Quality, Samples, Vitals
from edge.stages.alarms import AlarmRules, Alarms, Priorities

LAG = 20
SECOND = 360
LEADS = ("MLII", "V1")


def episode(number: int, kind: str, phase: Phase, decided: int, *, onset: int, end: int | None = None) -> Episode:
    return Episode(
        number=number, kind=kind, phase=phase, decided=decided, onset=onset, end=end, evidence=Evidence(beats=decided)
    )


def spell(number: int, kind: str, at_s: float, until_s: float) -> list[Episode]:
    """Onset and end of an episode that begins a second before it is told."""
    start, stop = round(at_s * SECOND), round(until_s * SECOND)
    return [
        episode(number, kind, "onset", start, onset=start - SECOND),
        episode(number, kind, "end", stop, onset=start - SECOND, end=stop - 100),
    ]


def signal(first: int, stop: int) -> Samples:
    """A clean block whose values are the sample numbers."""
    mv = np.arange(first, stop, dtype=np.float32)[:, None] * np.float32([1, -1])
    return Samples(start=first, mv=mv, lag=LAG)


def feed(events: Iterable[Event], length: int, cuts: Iterable[int] = (), start: int = 0) -> list[Message]:
    """Events and blocks of a stretch of signal, as they come if the source's samples are cut there."""
    waiting = sorted(events, key=lambda event: event.decided)
    out: list[Message] = []
    first = start
    for seen in [*sorted(cut for cut in {*cuts} if start + LAG < cut < start + length), start + length + LAG]:
        while waiting and waiting[0].decided <= seen:
            out.append(waiting.pop(0))
        out.append(signal(first, seen - LAG))
        first = seen - LAG
    return out + waiting


def alerts(given_in: Sequence[Message], rules: AlarmRules | None = None) -> list[Alert]:
    stage = Alarms(rules or AlarmRules(), LEADS)
    out = [message for one in given_in for message in stage.push(one)] + list(stage.flush())
    return [message for message in out if isinstance(message, Alert)]


def told(events: Iterable[Event], length_s: int = 200, rules: AlarmRules | None = None) -> list[tuple[int, str, float]]:
    """Number, phase and second of each alert."""
    found = alerts(feed(events, length_s * SECOND), rules)
    return [(a.number, a.phase, a.decided / SECOND) for a in found]


def test_every_kind_of_rhythm_has_a_priority_and_no_other() -> None:
    assert set(Priorities.__struct_fields__) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_priority_comes_from_the_rules_and_off_is_not_told(kind: str) -> None:
    spells = spell(1, kind, 20, 30)
    for priority in ("high", "medium", "low"):
        rules = AlarmRules(priority=Priorities(**{kind: priority}))
        assert {a.priority for a in alerts(feed(spells, 9000), rules)} == {priority}
    assert alerts(feed(spells, 9000), AlarmRules(priority=Priorities(**{kind: "off"}))) == []


def test_life_of_an_alert() -> None:
    update = episode(1, "tachycardia", "update", 40 * SECOND, onset=19 * SECOND)
    found = alerts(feed([*spell(1, "tachycardia", 20, 50), update], 100 * SECOND))
    assert [(a.phase, a.decided / SECOND) for a in found] == [("onset", 20), ("update", 40), ("end", 60)]
    assert {(a.number, a.kind, a.onset) for a in found} == {(1, "tachycardia", 19 * SECOND)}
    assert [a.end for a in found] == [None, None, 50 * SECOND - 100]
    assert [a.evidence.beats for a in found] == [20 * SECOND, 40 * SECOND, 50 * SECOND]
    assert [a.strip is not None for a in found] == [True, False, False]


def test_kind_that_comes_back_while_held_continues_its_alert() -> None:
    within = [*spell(1, "vt", 20, 30), *spell(2, "vt", 40, 45)]
    assert told(within) == [(1, "onset", 20), (1, "update", 40), (1, "end", 55)]
    beyond = [*spell(1, "vt", 20, 30), *spell(2, "vt", 40.1, 45)]
    assert told(beyond) == [(1, "onset", 20), (1, "end", 40), (2, "onset", 40.1 * SECOND // 1 / SECOND), (2, "end", 55)]


def test_alert_lasts_as_long_as_any_episode_of_its_kind() -> None:
    first, second = spell(1, "vt", 20, 30), spell(2, "vt", 25, 60)
    assert told([*first, *second]) == [(1, "onset", 20), (1, "update", 25), (1, "end", 70)]


def test_update_of_an_episode_that_is_over_is_not_told() -> None:
    stray = episode(1, "vt", "update", 35 * SECOND, onset=19 * SECOND)
    assert told([*spell(1, "vt", 20, 30), stray]) == [(1, "onset", 20), (1, "end", 40)]


def test_end_comes_with_the_block_that_ends_there() -> None:
    stage = Alarms(AlarmRules(), LEADS)
    events = spell(1, "vt", 20, 30)
    out = [message for one in feed(events, 40 * SECOND - LAG) for message in stage.push(one)]
    assert [m.phase for m in out if isinstance(m, Alert)] == ["onset", "end"]


def test_recurrence_says_how_often_and_when_and_has_its_own_strip() -> None:
    _, again, end = alerts(feed([*spell(1, "vt", 20, 30), *spell(2, "vt", 38, 45)], 90 * SECOND))
    assert again.onset == 19 * SECOND
    assert again.evidence == Evidence(beats=38 * SECOND, episodes=2, held=0, recurred_after_s=18.0)
    assert again.strip is not None
    assert again.strip.start + len(again.strip.mv) == 38 * SECOND - LAG
    assert end.end == 45 * SECOND - 100


def test_couplets_are_told_once_a_minute_and_those_held_are_counted() -> None:
    couplets = [e for i in range(30) for e in spell(i, "couplet", 20 + 5 * i, 20 + 5 * i)]
    found = alerts(feed(couplets, 400 * SECOND))
    assert [(a.phase, a.decided / SECOND) for a in found] == [
        ("onset", 20),
        ("update", 80),
        ("update", 140),
        ("end", 165 + 60),
    ]
    assert [(a.evidence.episodes, a.evidence.held) for a in found] == [(1, 0), (13, 11), (25, 11), (30, 5)]


def test_strip_ends_with_the_last_sample_seen_when_decided() -> None:
    found = alerts(feed(spell(1, "vt", 20, 30), 60 * SECOND))[0].strip
    assert found is not None
    stop = 20 * SECOND - LAG
    assert (found.start, found.fs_hz, found.leads) == (stop - 10 * SECOND, 360.0, LEADS)
    assert found.mv.dtype == np.float32
    assert (found.mv == np.arange(found.start, stop)[:, None] * np.array([1, -1])).all()


def test_strip_is_as_long_as_there_is_signal_and_never_crosses_a_gap() -> None:
    early = alerts(feed(spell(1, "vt", 2, 5), 60 * SECOND))[0].strip
    assert early is not None
    assert (early.start, len(early.mv)) == (0, 2 * SECOND - LAG)
    gap = Gap(start=30 * SECOND, n=40 * SECOND, decided=70 * SECOND)
    after = feed(spell(2, "vt", 73, 80), 50 * SECOND, start=70 * SECOND)
    late = alerts([*feed([], 30 * SECOND), gap, *after])[0].strip
    assert late is not None
    assert (late.start, late.start + len(late.mv)) == (70 * SECOND, 73 * SECOND - LAG)


def test_what_is_decided_only_after_a_gap_has_the_signal_before_it() -> None:
    waiting = episode(1, "vt", "onset", 70 * SECOND, onset=29 * SECOND)
    gap = Gap(start=30 * SECOND, n=40 * SECOND, decided=70 * SECOND)
    found = alerts([*feed([], 30 * SECOND), waiting, gap, *feed([], 10 * SECOND, start=70 * SECOND)])[0]
    assert found.strip is not None
    assert found.strip.start + len(found.strip.mv) == 30 * SECOND


def test_lost_signal_has_no_strip() -> None:
    assert alerts(feed(spell(1, "signal_lost", 20, 30), 60 * SECOND))[0].strip is None


def test_everything_that_comes_in_is_passed_on() -> None:
    events: list[Event] = [
        Quality(start=0, n=360, leads=("good", "off"), decided=360),
        Vitals(sample=359, hr_bpm=70.0, reason=None, leads=("good", "off"), beats={}, decided=360),
        LabelledBeat(sample=300, label="V", score=1.0, rr_ms=None, decided=700),
        Gap(start=800, n=9, bridged=True, decided=809),
        *spell(1, "couplet", 4, 4),
    ]
    given_in = feed(events, 9000, [500, 1000])
    stage = Alarms(AlarmRules(), LEADS)
    out = [message for one in given_in for message in stage.push(one)]
    assert [message for message in out if not isinstance(message, Alert)] == given_in


def test_flush_ends_every_alert_in_force() -> None:
    running = [episode(i, kind, "onset", 3600, onset=3000) for i, kind in enumerate(KINDS)]
    found = alerts(feed(running, 20 * SECOND))
    ends = [a for a in found if a.phase == "end"]
    assert sorted(a.kind for a in ends) == sorted(KINDS)
    assert {a.decided for a in ends} == {20 * SECOND + LAG}


def test_reset_makes_it_as_new() -> None:
    given_in = feed([*spell(1, "vt", 20, 30), *spell(2, "couplet", 25, 25)], 40 * SECOND)
    stage = Alarms(AlarmRules(), LEADS)
    first = [plain(m) for one in given_in for m in stage.push(one) if isinstance(m, Alert)]
    stage.reset()
    assert [plain(m) for one in given_in for m in stage.push(one) if isinstance(m, Alert)] == first


@pytest.mark.parametrize("wrong", [{"hold_s": -1.0}, {"strip_s": 1.0}, {"repeat_s": float("nan")}])
def test_rules_out_of_range_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"alarms.{next(iter(wrong))} takes"):
        AlarmRules(**wrong)


@pytest.mark.parametrize("wrong", [{"priority": {"asystol": "high"}}, {"priority": {"asystole": "urgent"}}])
def test_unknown_kind_or_priority_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="priority"):
        msgspec.convert(wrong, AlarmRules)


@st.composite
def episode_streams(draw: st.DrawFn) -> list[Episode]:
    """Episodes of a few kinds, any number at a time, each with an onset, updates, and mostly an end."""
    out: list[Episode] = []
    for number in range(1, draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(["asystole", "couplet", "bradycardia", "bigeminy", "signal_lost"]))
        moments = sorted(draw(st.lists(st.integers(400, 60000), min_size=2, max_size=4)))
        onset = max(moments[0] - draw(st.integers(0, 3000)), 0)
        out.append(episode(number, kind, "onset", moments[0], onset=onset))
        out += [episode(number, kind, "update", at, onset=onset) for at in moments[1:-1]]
        if draw(st.booleans()) or number % 2:
            out.append(episode(number, kind, "end", moments[-1], onset=onset, end=moments[-1]))
    return sorted(out, key=lambda e: e.decided)


def plain(alert: Alert) -> dict[str, Any]:
    fields = msgspec.structs.asdict(alert)
    strip = alert.strip
    fields["strip"] = strip and (strip.start, strip.fs_hz, strip.leads, strip.mv.shape, strip.mv.tobytes())
    return fields


@settings(max_examples=150, deadline=None)
@given(episode_streams(), st.lists(st.integers(1, 70000), max_size=40))
def test_blocks_do_not_matter(stream: list[Episode], cuts: list[int]) -> None:
    whole = [plain(a) for a in alerts(feed(stream, 65000))]
    assert [plain(a) for a in alerts(feed(stream, 65000, cuts))] == whole


@settings(max_examples=10, deadline=None)
@given(episode_streams())
def test_small_blocks_do_not_matter(stream: list[Episode]) -> None:
    whole = [plain(a) for a in alerts(feed(stream, 65000))]
    assert [plain(a) for a in alerts(feed(stream, 65000, range(7, 65000, 37)))] == whole


@settings(max_examples=150, deadline=None)
@given(episode_streams(), st.lists(st.integers(1, 70000), max_size=10))
def test_alerts_come_in_order_with_the_block_that_decides_them(stream: list[Episode], cuts: list[int]) -> None:
    stage = Alarms(AlarmRules(), LEADS)
    decided = seen = 0
    for message in (out for one in feed(stream, 65000, cuts) for out in stage.push(one)):
        if isinstance(message, Samples):
            seen = message.end + message.lag
        elif isinstance(message, Alert):
            assert message.decided >= decided
            assert message.decided > seen
            decided = message.decided


@settings(max_examples=300, deadline=None)
@given(episode_streams(), st.sampled_from([0.0, 10.0, 60.0]))
def test_every_alert_has_one_onset_then_updates_and_one_end(stream: list[Episode], hold_s: float) -> None:
    found = alerts(feed(stream, 65000), AlarmRules(hold_s=hold_s, hold_intermittent_s=hold_s))
    in_force: dict[int, Alert] = {}
    numbers: list[int] = []
    for alert in found:
        if alert.phase == "onset":
            assert all(other.kind != alert.kind for other in in_force.values())
            numbers.append(alert.number)
            in_force[alert.number] = alert
            continue
        first = in_force[alert.number]
        assert (alert.kind, alert.onset, alert.priority) == (first.kind, first.onset, first.priority)
        if alert.phase == "end":
            assert alert.end is not None
            assert alert.onset <= alert.end <= alert.decided
            del in_force[alert.number]
    assert not in_force
    assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=150, deadline=None)
@given(episode_streams())
def test_no_episode_is_lost_and_none_floods(stream: list[Episode]) -> None:
    found = alerts(feed(stream, 65000))
    onsets = [e for e in stream if e.phase == "onset"]
    assert sum(a.evidence.episodes for a in found if a.phase == "end") == len(onsets)
    for kind in {e.kind for e in onsets} - {"asystole"}:
        strips = [a.decided for a in found if a.kind == kind and a.strip is not None and a.phase == "update"]
        assert all(b - a >= 60 * SECOND for a, b in pairwise(strips))
