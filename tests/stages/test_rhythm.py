"""The rhythm stage: each kind at its thresholds, what is lost, what time decides, and random streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from edge.kinds import STAGE_KINDS as KINDS
from edge.messages import Episode, Event, Evidence, Gap, LabelledBeat, Message, Quality, RPeak, Samples, Vitals
from edge.stages.rhythm import Rhythm, RhythmRules
from edge.stages.rhythm.readability import view

LAG = 20
WAIT = 576
SECOND = 360
SETTLE = round(RhythmRules().settle_s * SECOND)


def known(sample: int) -> int:
    """Return when silence up to a sample can be claimed: beats are known, and the second has been judged."""
    return max(sample + SETTLE, -(-sample // SECOND) * SECOND)


NORMAL = ("N" * 12, 300)
NO_BURDEN = {"burden_per_min": 200, "burden_percent": 100}


@dataclass(frozen=True)
class Story:
    """What happens to a patient and his electrodes, in samples at 360 Hz.

    `beats` are (sample, label); `unreadable` the numbers of seconds without a readable lead, `state` why; `gaps` are
    (start, n, bridged).
    """

    length: int
    beats: Sequence[tuple[int, str]] = ()
    unreadable: frozenset[int] = frozenset()
    gaps: Sequence[tuple[int, int, bool]] = ()
    state: str = "off"

    def hiding(self) -> list[tuple[int, int]]:
        """Stretches in which a beat may hide."""
        seconds = [(second * SECOND, (second + 1) * SECOND) for second in self.unreadable if self.state != "flat"]
        return seconds + [(start, start + n) for start, n, _ in self.gaps if n > 14]

    def messages(self, cuts: Iterable[int] = ()) -> list[Message]:
        """What reaches the rhythm stage if the source's samples are cut there."""
        out: list[Message] = []
        start = 0
        for at, n, bridged in [*self.gaps, (self.length, 0, False)]:
            if bridged:
                continue
            last = at == self.length
            drained = at + LAG if last else at + n
            events = self._events(start, at, drained)
            first = start
            for cut in sorted(cut for cut in {*cuts} if start < cut < at):
                first = self._block(out, events, first, (cut - LAG, cut))
            self._block(out, events, first, (at, at + LAG))
            out += events
            if not last:
                out.append(Gap(start=at, n=n, decided=at + n))
            start = at + n
        return out

    @staticmethod
    def _block(out: list[Message], events: list[Event], first: int, ends: tuple[int, int]) -> int:
        """Add the events decided when so many samples were seen, and the block that ends with them."""
        stop, seen = max(first, ends[0]), ends[1]
        while events and events[0].decided <= seen:
            out.append(events.pop(0))
        if stop > first:
            out.append(Samples(start=first, mv=np.zeros((stop - first, 2), np.float32), lag=LAG))
        return stop

    def _events(self, start: int, end: int, drained: int) -> list[Event]:
        events: list[Event] = [
            Gap(start=at, n=n, bridged=True, decided=at + n)
            for at, n, bridged in self.gaps
            if bridged and start <= at and at + n < end
        ]
        for second in range(start // SECOND, -(-end // SECOND)):
            first, stop = max(start, second * SECOND), min(end, (second + 1) * SECOND)
            state: Any = self.state if second in self.unreadable else "good"
            events.append(Quality(start=first, n=stop - first, leads=(state, state), decided=stop))
        events += [*self._peaks(start, end), *self._labelled(start, end, drained)]
        return sorted(events, key=lambda event: event.decided)

    def _peaks(self, start: int, end: int) -> Iterable[RPeak]:
        """R peaks, told a while after they happened; what waits at the end of a segment is told with it."""
        for sample, _ in self.beats:
            if start <= sample < end:
                decided = min(sample + 100, end + LAG)
                yield RPeak(sample=sample, lead=0, amplitude_mv=1.0, strength=2.0, decided=decided)

    def _labelled(self, start: int, end: int, drained: int) -> Iterable[LabelledBeat]:
        """Beats decided with the next one or a while after; what waits at the end of a segment is told with it."""
        beats = [beat for beat in self.beats if start <= beat[0] < end]
        decided = 0
        for i, (sample, label) in enumerate(beats):
            following = beats[i + 1][0] + 100 if i + 1 < len(beats) else sample + WAIT
            due = LAG + max(sample + 180, min(sample + WAIT, following))
            decided = max(decided, due if due <= end + LAG else drained)
            rr_ms = None if i == 0 else (sample - beats[i - 1][0]) * 1000 / SECOND
            yield LabelledBeat(sample=sample, label=label, score=0.9, rr_ms=rr_ms, decided=decided)


def train(*runs: tuple[str, int], start: int = 200) -> list[tuple[int, str]]:
    """Beats by labels and the RR interval before each: ``train(("NNN", 300), ("VV", 150))``."""
    beats: list[tuple[int, str]] = []
    for labels, rr in runs:
        for label in labels:
            beats.append((beats[-1][0] + rr if beats else start, label))
    return beats


def story(*runs: tuple[str, int], tail: int = 1000, **more: Any) -> Story:
    beats = train(*runs)
    return Story(length=beats[-1][0] + tail, beats=beats, **more)


def run(told: Story, cuts: Iterable[int] = (), **rules: Any) -> list[Message]:
    stage = Rhythm(RhythmRules(**rules), 2)
    return [out for message in told.messages(cuts) for out in stage.push(message)] + list(stage.flush())


def episodes(told: Story, kind: str | None = None, **rules: Any) -> list[Episode]:
    found = [m for m in run(told, **rules) if isinstance(m, Episode)]
    return [e for e in found if kind is None or e.kind == kind]


def onsets(told: Story, **rules: Any) -> list[str]:
    return [e.kind for e in episodes(told, **rules) if e.phase == "onset"]


def vitals(told: Story) -> list[Vitals]:
    return [m for m in run(told) if isinstance(m, Vitals)]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        # 40/min is an RR of 540 samples: below it for five beats, at it, and below it for four.
        ([("NNNNN", 541)], ["bradycardia"]),
        ([("NNNNN", 540)], []),
        ([("NNNN", 541)], []),
        # 140/min is 154.3 samples.
        ([("N" * 17, 154)], ["tachycardia"]),
        ([("N" * 17, 155)], []),
        ([("N" * 16, 154)], []),
        # 30/min is 720 samples, and in the place of a bradycardia; 180/min is 120.
        ([("NNNNN", 721)], ["extreme_bradycardia"]),
        ([("NNNNN", 720)], ["bradycardia"]),
        ([("NNNNNN", 600), ("NNNNNN", 730)], ["bradycardia", "extreme_bradycardia"]),
        ([("N" * 17, 119)], ["extreme_tachycardia"]),
        ([("N" * 17, 120)], ["tachycardia"]),
        # Dropped beats: three in a minute, after beats that came when they were due.
        ([(("N" * 6), 300), ("N", 600)] * 3 + [NORMAL], ["dropped_beats"]),
        ([(("N" * 6), 300), ("N", 600)] * 2 + [NORMAL], []),
        ([(("N" * 6), 300), ("N", 450)] * 4 + [NORMAL], []),
        ([(("N" * 5), 300), ("S", 200), ("N", 600)] * 4 + [NORMAL], []),
        ([(("N" * 5), 300), ("V", 200), ("N", 600)] * 3 + [NORMAL], []),
        # A pause is 3 s, and asystole 4 s.
        ([NORMAL, ("N", 1079), NORMAL], []),
        ([NORMAL, ("N", 1080), NORMAL], ["pause"]),
        ([NORMAL, ("N", 1439), NORMAL], ["pause"]),
        ([NORMAL, ("N", 1440), NORMAL], ["asystole"]),
        # Beats on both sides of asystole are no run.
        ([NORMAL, ("VV", 200), ("V", 1500), NORMAL], ["asystole"]),
        # One to five V beats; 100/min is 216 samples.
        ([NORMAL, ("V", 200), NORMAL], []),
        ([NORMAL, ("VV", 200), NORMAL], ["couplet"]),
        ([NORMAL, ("VVV", 200), NORMAL], ["v_run"]),
        ([NORMAL, ("VVVV", 200), NORMAL], ["v_run"]),
        ([NORMAL, ("VVVVV", 215), NORMAL], ["v_run", "vt"]),
        ([NORMAL, ("VVVVV", 216), NORMAL], ["v_run", "idioventricular"]),
        ([NORMAL, ("VVVVV", 230), ("VVVVV", 160), NORMAL], ["v_run", "idioventricular", "vt"]),
        # A couplet needs a beat on both sides that is neither V nor too noisy to call.
        ([("VV", 300), NORMAL], []),
        ([NORMAL, ("VVQ", 300), NORMAL], []),
        ([NORMAL, ("QVV", 300), NORMAL], []),
        ([NORMAL, ("FVVF", 300), NORMAL], ["couplet"]),
        ([NORMAL, ("SS", 200), NORMAL], []),
        ([NORMAL, ("SSS", 200), NORMAL], ["svt_run"]),
        # Q breaks a run or a count of beats, and does not count as N.
        ([NORMAL, ("VVQV", 200), NORMAL], []),
        ([NORMAL, ("SSQS", 200), NORMAL], []),
        ([("NNNQNNNN", 541)], []),
        ([("N" * 16 + "Q" + "N" * 16, 150)], []),
        # V beats in step: three cycles, and what comes near.
        ([NORMAL, ("VNVNV", 300), NORMAL], ["bigeminy"]),
        ([NORMAL, ("VSVSV", 300), NORMAL], ["bigeminy"]),
        ([NORMAL, ("VNVNN", 300), NORMAL], []),
        ([NORMAL, ("VNVFVNV", 300), NORMAL], []),
        ([NORMAL, ("VNVQVNV", 300), NORMAL], []),
        ([NORMAL, ("VNNVNNV", 300), NORMAL], ["trigeminy"]),
        ([NORMAL, ("VNNVNNNV", 300), NORMAL], []),
        ([NORMAL, ("VNNVQNVNNV", 300), NORMAL], []),
        # Ten V beats a minute, and a quarter of thirty beats.
        ([("NNNNNNV" * 10, 300)], ["ventricular_burden"]),
        ([("NNNNNNV" * 9 + "N" * 20, 300)], []),
        ([("NNNV" * 8, 300)], ["ventricular_burden"]),
        ([("NNNNNV" * 6, 300)], []),
    ],
)
def test_kind_at_its_threshold(runs: list[tuple[str, int]], expected: list[str]) -> None:
    found = onsets(story(*runs), **({} if "ventricular_burden" in expected else NO_BURDEN))
    assert [kind for kind in found if kind not in {"pause"} or "asystole" not in found] == expected


def test_onset_is_the_first_beat_and_decided_is_that_of_the_beat_that_proves_it() -> None:
    told = story(NORMAL, ("VVVVVV", 200), NORMAL)
    decided = {m.sample: m.decided for m in run(told) if isinstance(m, LabelledBeat)}
    samples = [sample for sample, label in told.beats if label == "V"]
    short, over, vt, end = episodes(told)
    assert (short.kind, short.phase, short.onset, short.decided) == ("v_run", "onset", samples[0], decided[samples[2]])
    assert (over.phase, over.end, over.evidence.ended_by) == ("end", samples[4], "vt")
    assert (vt.kind, vt.phase, vt.onset, vt.decided) == ("vt", "onset", samples[0], decided[samples[4]])
    assert (end.phase, end.number, end.onset, end.end) == ("end", vt.number, samples[0], samples[5])
    assert end.evidence == Evidence(
        beats=6,
        rate_per_min=108.0,
        duration_s=2.778,
        mean_score=0.9,
        rule={"vt_beats": 5, "vt_bpm": 100.0},
        ended_by="rhythm changed",
    )


@pytest.mark.parametrize(("others", "n"), [("N", 1), ("NN", 1), ("NNN", 2), ("NVNVN", 2)])
def test_vt_outlasts_two_other_beats_but_not_three(others: str, n: int) -> None:
    told = story(NORMAL, ("VVVVVV", 180), (others, 250), ("VVVVVV", 180), NORMAL)
    found = [e for e in episodes(told, "vt") if e.phase == "end"]
    assert len(found) == n
    assert sum(e.evidence.beats for e in found) == 12


def test_vt_that_slows_keeps_its_name_within_the_hysteresis() -> None:
    slowed = ["v_run", "vt", "idioventricular"]
    assert onsets(story(NORMAL, ("V" * 6, 210), ("V" * 6, 222), NORMAL), **NO_BURDEN) == ["v_run", "vt"]
    assert onsets(story(NORMAL, ("V" * 6, 210), ("V" * 6, 230), NORMAL), **NO_BURDEN) == slowed


@pytest.mark.parametrize(
    ("kind", "beyond", "between", "back"), [("bradycardia", 560, 500, 470), ("tachycardia", 150, 157, 165)]
)
def test_rate_episode_ends_beyond_its_hysteresis(kind: str, beyond: int, between: int, back: int) -> None:
    told = story(("N" * 20, beyond), ("N" * 20, between), ("N" * 20, back))
    onset, *_, end = episodes(told, kind)
    samples = [sample for sample, _ in told.beats]
    assert onset.onset == samples[0]
    assert samples[15] <= (end.end or 0) < samples[39]
    assert end.evidence.ended_by == "rhythm changed"
    held = story(("N" * 20, beyond), ("N" * 20, between))
    assert [e.evidence.ended_by for e in episodes(held, kind) if e.phase == "end"] == ["end of stream"]


def test_one_pause_or_one_missed_beat_is_no_bradycardia() -> None:
    assert "bradycardia" not in onsets(story(NORMAL, ("N", 1400), NORMAL))


def test_bigeminy_outlasts_one_beat_out_of_step() -> None:
    told = story(NORMAL, ("VNVNVNNVNVNVN", 300), NORMAL)
    onset, end = episodes(told, "bigeminy")
    v_beats = [sample for sample, label in told.beats if label == "V"]
    assert (onset.onset, end.end, end.evidence.v_beats) == (v_beats[0], v_beats[-1], 5)


def test_silence_is_told_at_its_sample_and_a_pause_becomes_asystole() -> None:
    told = story(NORMAL, tail=5 * 3600)
    last = told.beats[-1][0]
    pause, pause_end, asystole, *updates, end = [e for e in episodes(told) if e.kind in {"pause", "asystole"}]
    assert (pause.kind, pause.onset, pause.decided) == ("pause", last, known(last + 3 * SECOND))
    assert (pause_end.phase, pause_end.end, pause_end.evidence.ended_by) == ("end", last + 4 * SECOND, "asystole")
    assert (asystole.kind, asystole.onset, asystole.decided) == ("asystole", last, known(last + 4 * SECOND))
    assert asystole.evidence == Evidence(
        duration_s=round((known(last + 4 * SECOND) - SETTLE - last) / SECOND, 3), rule={"asystole_s": 4.0}
    )
    assert (asystole.decided - asystole.onset) / SECOND <= 5
    assert {e.phase for e in updates} == {"update"}
    assert (end.end, end.evidence.ended_by) == (told.length, "end of stream")


def test_asystole_ends_with_the_next_beat_whatever_its_label() -> None:
    told = story(NORMAL, ("Q", 3000), NORMAL)
    assert [(e.phase, e.end) for e in episodes(told, "asystole")] == [("onset", None), ("end", told.beats[12][0])]


def test_asystole_from_the_start_of_the_stream() -> None:
    onset = episodes(Story(length=3000), "asystole")[0]
    assert (onset.onset, onset.decided) == (0, known(4 * SECOND))


def test_updates_come_ever_more_rarely() -> None:
    onset, *updates, _ = episodes(story(("N" * 112, 560)), "bradycardia")
    after = [(e.decided - onset.decided) // SECOND for e in updates]
    assert after == [10, 30, 70, 150]
    assert {e.number for e in updates} == {onset.number}


@pytest.mark.parametrize(("state", "reason"), [("off", "lead off"), ("noisy", "noise"), ("saturated", "saturated")])
def test_no_silence_in_a_signal_that_cannot_be_read(state: str, reason: str) -> None:
    dead = frozenset(range(11, 40))
    told = Story(length=60 * SECOND, beats=train(NORMAL), unreadable=dead, state=state)
    lost, *_, end = episodes(told, "signal_lost")
    assert (lost.onset, lost.decided) == (11 * SECOND, 19 * SECOND)
    assert (lost.evidence.leads, lost.evidence.reason) == ((state, state), reason)
    assert (end.end, end.decided) == (40 * SECOND, 44 * SECOND)
    assert [e.onset for e in episodes(told, "asystole") if e.phase == "onset"] == [40 * SECOND]
    assert "pause" not in onsets(told)


def test_a_stream_that_begins_without_a_beat_begins_with_no_pause() -> None:
    # As a flat line before the signal, of which the first beat is known late.
    beats = [(1125 + 300 * k, "N") for k in range(20)]
    assert episodes(Story(length=beats[-1][0] + 100, beats=beats), "pause") == []


def test_pause_is_counted_from_a_beat_only() -> None:
    # The beat is told after the second that follows it could not be read.
    told = Story(length=30 * SECOND, beats=train(NORMAL), unreadable=frozenset({10}))
    assert [(e.kind, e.onset) for e in episodes(told) if e.phase == "onset"] == [("asystole", 11 * SECOND)]


def test_silence_is_told_once_even_if_the_beat_that_ends_it_is_told_after_signal_was_lost() -> None:
    beats = train(NORMAL, ("N", 3900), NORMAL)
    told = Story(length=beats[-1][0] + 1000, beats=beats, unreadable=frozenset({beats[12][0] // SECOND + 1}))
    onset, end = episodes(told, "asystole")
    assert (onset.phase, end.phase, end.evidence.ended_by) == ("onset", "end", "rhythm changed")
    assert beats[12][0] <= (end.end or 0) <= beats[14][0]


def test_asystole_of_which_nothing_is_seen_any_more_becomes_a_lost_signal() -> None:
    told = Story(length=50 * SECOND, beats=train(NORMAL), gaps=[(20 * SECOND, 20 * SECOND, False)])
    end = next(e for e in episodes(told, "asystole") if e.phase == "end")
    assert (end.end, end.decided, end.evidence.ended_by) == (20 * SECOND, 40 * SECOND, "gap")
    lost = episodes(told, "signal_lost")[0]
    assert (lost.onset, lost.decided) == (20 * SECOND, 40 * SECOND)
    assert (lost.evidence.reason, lost.evidence.leads) == ("samples lost", UNSET)
    off = Story(length=50 * SECOND, beats=train(NORMAL), unreadable=frozenset(range(20, 50)))
    *_, end = episodes(off, "asystole")
    assert (end.end, end.decided, end.evidence.ended_by) == (20 * SECOND, 28 * SECOND, "signal")


@pytest.mark.parametrize(
    "more",
    [
        {"gaps": [(20 * SECOND, 61, False)]},
        {"gaps": [(20 * SECOND, 40, True)]},
        {"gaps": [(20 * SECOND, 7 * SECOND, False)]},
        {"unreadable": frozenset(range(20, 27))},
        {"unreadable": frozenset(range(20, 60)), "state": "noisy"},
        {"unreadable": frozenset(range(20, 60)), "state": "flat"},
        {"beats": [*train(NORMAL), (9000, "V"), (9300, "V"), (15000, "N")]},
    ],
)
def test_asystole_is_told_once_and_ended_by_convincing_beats_only(more: dict[str, Any]) -> None:
    back = train(NORMAL, start=65 * SECOND)
    beats = [*more.pop("beats", train(NORMAL)), *back]
    _, *updates, end = episodes(Story(length=75 * SECOND, beats=beats, **more), "asystole")
    assert {e.phase for e in updates} == {"update"}
    assert (end.end, end.decided, end.evidence.ended_by) == (back[0][0], back[2][0] + 100, "rhythm changed")


@pytest.mark.parametrize("electrodes_known", [True, False])
@pytest.mark.parametrize("flat", [range(11, 40), range(11, 40, 2), range(12, 40, 2)])
def test_a_flat_line_is_asystole_unless_an_electrode_may_be_off(flat: range, electrodes_known: bool) -> None:
    told = Story(length=60 * SECOND, beats=train(NORMAL), unreadable=frozenset(flat), state="flat")
    stage = Rhythm(RhythmRules(), 2, electrodes_known)
    out = [m for message in told.messages() for m in stage.push(message) if isinstance(m, Episode)]
    found = [(e.kind, e.decided - told.beats[-1][0] <= 5 * SECOND) for e in out if e.phase == "onset"]
    assert found == [("pause", True), ("asystole" if electrodes_known else "asystole_or_lead_off", True)]


@pytest.mark.parametrize("electrodes_known", [True, False])
def test_which_leads_show_a_heart_that_stands_still(electrodes_known: bool) -> None:
    seen = {
        ("good", "off"): "seen",
        ("good", "noisy"): "seen",
        ("flat", "off"): "flat",
        ("flat", "saturated"): "flat",
        ("noisy", "off"): "doubtful",
        ("flat", "noisy"): "flat" if electrodes_known else "doubtful",
        ("off", "saturated"): "lost",
    }
    for leads, expected in seen.items():
        assert view(leads, electrodes_known) == view(leads[::-1], electrodes_known) == expected


def test_samples_lost_now_and_then_hide_no_asystole() -> None:
    told = Story(length=40 * SECOND, beats=train(NORMAL), gaps=[(at, 14, True) for at in range(4000, 39 * SECOND, 360)])
    assert onsets(told) == ["pause", "asystole"]
    often = Story(length=40 * SECOND, beats=train(NORMAL), gaps=[(at, 14, True) for at in range(4000, 14000, 100)])
    assert onsets(often)[0] == "signal_lost"


def test_noise_without_beats_cannot_be_read_and_with_beats_it_can() -> None:
    noisy = frozenset(range(11, 60))
    few = [*train(NORMAL), (5000, "V"), (6200, "V"), (8000, "V"), (8300, "V"), (11000, "V")]
    told = Story(length=60 * SECOND, beats=few, unreadable=noisy, state="noisy")
    lost = episodes(told)
    assert [(e.kind, e.phase) for e in lost if e.phase != "update"] == [
        ("signal_lost", "onset"),
        ("signal_lost", "end"),
    ]
    assert (lost[0].decided - 11 * SECOND) / SECOND <= 10
    assert {v.reason for v in vitals(told)[25:]} == {"signal too poor"}
    seen = Story(length=60 * SECOND, beats=train(("N" * 70, 300)), unreadable=noisy, state="noisy")
    assert onsets(seen) == []
    assert {v.reason for v in vitals(seen)[15:]} == {None}


def test_quality_told_late_does_not_set_silence_back_before_the_last_beat() -> None:
    stage = Rhythm(RhythmRules(), 2)
    peak = RPeak(sample=1000, lead=0, amplitude_mv=1.0, strength=2.0, decided=1100)
    quality = Quality(start=360, n=360, leads=("off", "off"), decided=1510)
    for message in (peak, quality):
        stage.push(message)
    out = stage.push(Samples(start=0, mv=np.zeros((4000, 2), np.float32), lag=LAG))
    assert [m.onset for m in out if isinstance(m, Episode)][:1] == [1000]


def test_silence_begins_anew_after_every_unreadable_second() -> None:
    every_third = frozenset(range(12, 60, 3))
    told = Story(length=60 * SECOND, beats=train(NORMAL), unreadable=every_third)
    assert onsets(told) == ["signal_lost"]


def test_running_episodes_end_when_the_signal_is_lost() -> None:
    beats = train(("N" * 8, 560))
    told = Story(length=beats[-1][0] + 20 * SECOND, beats=beats, unreadable=frozenset(range(13, 33)))
    ends = [e for e in episodes(told, "bradycardia") if e.phase == "end"]
    assert [(e.end, e.decided, e.evidence.ended_by) for e in ends] == [(beats[-1][0], 21 * SECOND, "signal")]


def test_rate_episode_that_cannot_be_judged_is_given_up() -> None:
    told = story(("N" * 8, 560), ("NNQ" * 30, 560))
    *_, end = episodes(told, "bradycardia")
    assert (end.evidence.ended_by, end.end) == ("signal", told.beats[9][0])
    assert 30 <= (end.decided - told.beats[9][0]) / SECOND < 34


def test_gap_ends_what_runs_and_silence_is_counted_from_its_end() -> None:
    gap = (20 * SECOND, 100 * SECOND, False)
    told = Story(length=130 * SECOND, beats=train(("N" * 13, 560)), gaps=[gap])
    found = episodes(told)
    end = next(e for e in found if e.kind == "bradycardia" and e.phase == "end")
    assert (end.evidence.ended_by, end.decided) == ("gap", 120 * SECOND)
    assert [(e.kind, e.onset) for e in found if e.phase == "onset"] == [
        ("bradycardia", 200),
        ("signal_lost", 20 * SECOND),
        ("asystole", 120 * SECOND),
    ]


def test_beats_on_both_sides_of_a_gap_are_no_run() -> None:
    beats = [*train(NORMAL, ("VV", 200)), (4700, "V"), (5000, "N")]
    told = Story(length=6000, beats=beats, gaps=[(4000, 500, False)])
    assert onsets(told) == []


def test_bridged_gap_breaks_no_run_but_no_silence_is_claimed_across_it() -> None:
    beats = train(NORMAL, ("VVVVVV", 200), NORMAL)
    told = Story(length=beats[-1][0] + 700, beats=beats, gaps=[(beats[14][0] + 60, 40, True)])
    assert onsets(told) == ["v_run", "vt"]
    silent = Story(length=beats[-1][0] + 3600, beats=beats, gaps=[(beats[-1][0] + 1000, 40, True)])
    assert [e.onset for e in episodes(silent) if e.kind == "asystole"] == [beats[-1][0] + 1040] * 2
    assert "pause" not in onsets(silent)


def test_silence_on_a_link_that_loses_a_little_often_is_told_as_lost_signal() -> None:
    beats = train(("N" * 40, 300))
    gaps = [(at, 30, True) for at in range(500, beats[-1][0] + 6000, 1000)]
    told = Story(length=beats[-1][0] + 6000, beats=beats, gaps=gaps)
    lost = next(e for e in episodes(told) if e.kind == "signal_lost")
    assert lost.onset > beats[-1][0] - 1000


def test_beats_show_that_a_link_that_loses_a_little_often_can_be_read() -> None:
    beats = train(("N" * 40, 300))
    bridged = [(at, 30, True) for at in range(4100, beats[-1][0], 1000)]
    unbroken = Story(length=beats[-1][0] + 700, beats=beats, gaps=[(3000, 200, False), *bridged])
    assert onsets(unbroken) == []
    silent = [beat for beat in beats if not 3000 <= beat[0] < 3200 + 12 * SECOND]
    gaps = [(3000, 200, False), *((at, 30, True) for at in range(3300, beats[-1][0], 1000))]
    lost = [e for e in episodes(Story(length=beats[-1][0] + 700, beats=silent, gaps=gaps)) if e.kind == "signal_lost"]
    assert [e.phase for e in lost] == ["onset", "end"]
    assert lost[1].evidence.ended_by == "signal back"
    assert lost[1].end == next(sample for sample, _ in silent if sample > 3200)


def test_vitals_come_every_second_with_the_rate_of_the_last_ten() -> None:
    told = story(("N" * 30, 300), ("N" * 30, 240))
    found = vitals(told)
    assert [v.sample for v in found] == list(range(SECOND - 1, told.length, SECOND))
    assert all(v.decided == v.sample + 1 for v in found)
    assert found[0].hr_bpm is None
    assert found[0].reason == "no beats yet"
    assert (found[15].hr_bpm, found[15].leads) == (72.0, ("good", "good"))
    assert found[-1].hr_bpm == 90.0
    assert found[-1].beats == {"N": 60, "S": 0, "V": 0, "F": 0, "Q": 0} or sum(found[-1].beats.values()) >= 58


def test_vitals_follow_a_step_of_rate_within_ten_seconds() -> None:
    told = story(("N" * 40, 270), ("N" * 40, 180))
    step = told.beats[40][0]
    reached = next(v for v in vitals(told) if v.sample > step and (v.hr_bpm or 0) >= 80 + 0.63 * 40)
    assert (reached.decided - step) / SECOND <= 10


@pytest.mark.parametrize(
    ("told", "at", "reason"),
    [
        (Story(length=8 * SECOND), 3, "no beats yet"),
        (story(("N", 300), tail=1500), 3, "too few beats"),
        (Story(length=30 * SECOND, beats=train(NORMAL), unreadable=frozenset(range(11, 30))), 15, "lead off"),
        (
            Story(length=30 * SECOND, beats=train(NORMAL), unreadable=frozenset(range(11, 30)), state="flat"),
            11,
            "flat line",
        ),
        (
            Story(length=30 * SECOND, beats=train(NORMAL), unreadable=frozenset(range(11, 30)), state="flat"),
            15,
            "asystole or lead off",
        ),
        (
            Story(length=30 * SECOND, beats=train(NORMAL), unreadable=frozenset(range(11, 30)), state="noisy"),
            25,
            "signal too poor",
        ),
        (story(NORMAL, tail=9 * SECOND), 13, "pause"),
        (story(NORMAL, tail=9 * SECOND), 17, "asystole"),
        (Story(length=30 * SECOND, beats=train(NORMAL), gaps=[(11 * SECOND, 5 * SECOND, False)]), 12, "gap"),
    ],
)
def test_rate_that_cannot_be_told_has_a_reason(told: Story, at: int, reason: str) -> None:
    found = vitals(told)[at]
    assert (found.hr_bpm, found.reason) == (None, reason)


def test_seconds_within_a_gap_have_no_vitals() -> None:
    told = Story(length=30 * SECOND, gaps=[(10 * SECOND + 7, 10 * SECOND, False)])
    assert [v.decided // SECOND for v in vitals(told)] == [*range(1, 11), *range(21, 31)]


def test_everything_is_passed_on_in_order() -> None:
    told = story(NORMAL, ("VVV", 200), gaps=[(3700, 700, False)])
    given = told.messages([1000, 3000])
    ids = {id(m) for m in given}
    stage = Rhythm(RhythmRules(), 2)
    passed = [m for g in given for m in stage.push(g) if id(m) in ids]
    assert passed == [m for m in given if not isinstance(m, RPeak)]


def test_reset_makes_it_as_new() -> None:
    told = story(NORMAL, ("VVVVVVV", 200), ("N" * 6, 560), tail=3000)
    stage = Rhythm(RhythmRules(), 2)
    first = [plain(m) for g in told.messages() for m in stage.push(g) if isinstance(m, Event)]
    stage.reset()
    assert [plain(m) for g in told.messages() for m in stage.push(g) if isinstance(m, Event)] == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"bradycardia_bpm": 5},
        {"hr_window_s": float("nan")},
        {"pause_s": 5.0},
        {"vt_beats": 3, "v_run_beats": 4},
        {"tachycardia_bpm": 80.0, "bradycardia_bpm": 75.0},
    ],
)
def test_rules_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"rhythm.({'|'.join(wrong)}) takes"):
        RhythmRules(**wrong)


def test_unknown_rule_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="asystole"):
        msgspec.convert({"asystole": 4}, RhythmRules)


LABELS = st.sampled_from(["N", "N", "N", "V", "V", "S", "F", "Q"])
RUNS = st.lists(
    st.tuples(
        st.lists(LABELS, min_size=1, max_size=8).map("".join)
        | st.sampled_from(["N" * 18, "VVVVVVV", "NVNVNV", "NNVNNVNNV"]),
        st.sampled_from([130, 150, 200, 215, 216, 300, 541, 600, 1080, 1300, 1440, 2600, 4000]),
    ),
    min_size=1,
    max_size=12,
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    beats = train(*draw(RUNS), start=draw(st.integers(0, 3000)))
    length = beats[-1][0] + draw(st.integers(300, 5000))
    unreadable = draw(st.frozensets(st.integers(0, length // SECOND), max_size=12))
    places = sorted(draw(st.lists(st.integers(300, length), max_size=4, unique=True)))
    gaps = []
    for place, after in zip(places, [*places[1:], length][: len(places)], strict=True):
        n = min(draw(st.sampled_from([10, 30, 54, 400, 3000])), (after - place) // 2)
        if n > 0:
            gaps.append((place, n, n <= 54))
    whole = [(at, at + n) for at, n, _ in gaps]
    kept = [beat for beat in beats if not any(start <= beat[0] < end for start, end in whole)]
    state = draw(st.sampled_from(["off", "saturated", "noisy", "flat"]))
    return Story(length=length, beats=kept, unreadable=unreadable, gaps=gaps, state=state)


def plain(event: Event) -> tuple[str, dict[str, Any]]:
    return type(event).__name__, msgspec.structs.asdict(event)


@settings(max_examples=200, deadline=None)
@given(stories(), st.lists(st.integers(1, 20000), max_size=30))
def test_blocks_do_not_matter(told: Story, cuts: list[int]) -> None:
    whole = [plain(m) for m in run(told) if isinstance(m, Event)]
    cut = [plain(m) for m in run(told, cuts) if isinstance(m, Event)]
    assert cut == whole


@settings(max_examples=30, deadline=None)
@given(stories())
def test_blocks_of_a_fifth_of_a_second_do_not_matter(told: Story) -> None:
    whole = [plain(m) for m in run(told) if isinstance(m, Event)]
    assert [plain(m) for m in run(told, range(71, told.length, 71)) if isinstance(m, Event)] == whole


@settings(max_examples=200, deadline=None)
@given(stories(), st.lists(st.integers(1, 20000), max_size=5))
def test_events_come_in_the_order_they_were_decided_and_before_their_block(told: Story, cuts: list[int]) -> None:
    decided = seen = 0
    stage = Rhythm(RhythmRules(), 2)
    for message in (out for m in told.messages(cuts) for out in stage.push(m)):
        if isinstance(message, Samples):
            seen = message.end + message.lag
        elif isinstance(message, Episode | Vitals):
            assert message.decided >= decided
            assert message.decided > seen
            decided = message.decided


@settings(max_examples=200, deadline=None)
@given(stories())
def test_every_episode_has_one_onset_and_one_end(told: Story) -> None:
    running: dict[int, Episode] = {}
    numbers: set[int] = set()
    for e in episodes(told):
        assert e.kind in KINDS
        assert e.onset <= e.decided
        if e.phase == "onset":
            assert e.number not in numbers
            assert all(other.kind != e.kind for other in running.values())
            numbers.add(e.number)
            running[e.number] = e
            continue
        assert (running[e.number].kind, running[e.number].onset) == (e.kind, e.onset)
        assert (e.end is not None) == (e.phase == "end") == (e.evidence.ended_by is not UNSET)
        if e.phase == "end":
            assert e.onset <= (e.end or 0) <= e.decided
            del running[e.number]
    assert not running


@settings(max_examples=200, deadline=None)
@given(stories())
def test_silence_is_claimed_only_where_there_was_none_of_anything(told: Story) -> None:
    for e in episodes(told):
        if e.phase == "onset" and e.kind in {"pause", "asystole"}:
            until = e.onset + SECOND * (3 if e.kind == "pause" else 4)
            assert not [span for span in told.hiding() if span[0] < until and e.onset < span[1]]
            assert not [sample for sample, _ in told.beats if e.onset < sample < until]


@settings(max_examples=100, deadline=None)
@given(stories())
def test_rate_is_a_number_or_has_a_reason_and_beats_are_counted(told: Story) -> None:
    out = run(told)
    counted: Counter[str] = Counter()
    for message in out:
        if isinstance(message, LabelledBeat):
            counted[message.label] += 1
        elif isinstance(message, Vitals):
            assert (message.hr_bpm is None) == (message.reason is not None)
            assert message.hr_bpm is None or message.hr_bpm > 0
            assert message.beats == {label: counted[label] for label in "NSVFQ"}
