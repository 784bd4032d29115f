"""Atrial fibrillation from labelled beats: the stage, and the episode that the rhythm stage makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.features import history, irregularity
from edge.inference.beat_model import BeatModel
from edge.messages import Episode, Gap, LabelledBeat, Likelihood, Message, RPeak, Samples
from edge.pipeline import Chain, atrial_model, strip_model
from edge.stages.alarms import AlarmRules, Alarms
from edge.stages.atria import EVERY, SURE, Atria
from edge.stages.rhythm import Rhythm, RhythmRules

SECOND = 360


def sinus(n: int, seed: int = 0) -> list[float]:
    """Intervals of a sinus node that breathes, s."""
    rng = np.random.default_rng(seed)
    return [0.85 + 0.05 * np.sin(k / 2) + 0.01 * rng.standard_normal() for k in range(n)]


def fibrillation(n: int, seed: int = 1) -> list[float]:
    """Intervals without any pattern, s."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.45, 1.05, n).tolist()


def beats(intervals: Iterable[float], labels: str = "N") -> list[LabelledBeat]:
    """Beats at these intervals, labels over and over."""
    out: list[LabelledBeat] = []
    sample = 200
    for i, rr_s in enumerate([None, *intervals]):
        rr = None if rr_s is None else round(rr_s * SECOND)
        sample += rr or 0
        out.append(
            LabelledBeat(
                sample=sample,
                label=labels[i % len(labels)],  # type: ignore[arg-type]
                score=0.9,
                rr_ms=None if rr is None else rr * 1000 / SECOND,
                decided=sample + 300,
            )
        )
    return out


def odds(found: Iterable[Message]) -> list[float]:
    return [m.log_odds for m in found if isinstance(m, Likelihood)]


def in_force(found: Iterable[Message]) -> list[bool]:
    """Return for each beat whether fibrillation was sure when it was told; a judgement comes after its beat."""
    out: list[bool] = []
    for m in found:
        if isinstance(m, LabelledBeat):
            out.append(False if not out else out[-1])
        elif isinstance(m, Likelihood):
            out[-1] = m.log_odds > SURE
    return out


def through_rhythm(given_beats: list[LabelledBeat], block: int = 5000) -> list[Episode]:
    chain = Chain([Atria(atrial_model()), Rhythm(RhythmRules(), 1)])
    out: list[Message] = []
    waiting = list(given_beats)
    for start in range(0, given_beats[-1].decided + block, block):
        while waiting and waiting[0].decided <= start + block:
            out += chain.push(waiting.pop(0))
        out += chain.push(Samples(start=start, mv=np.zeros((block, 1), np.float32)))
    return [m for m in [*out, *chain.flush()] if isinstance(m, Episode) and m.kind == "af"]


def test_irregular_intervals_are_likely_fibrillation_and_regular_ones_are_not() -> None:
    stage = Atria(atrial_model())
    assert max(odds(m for beat in beats(sinus(200)) for m in stage.push(beat))) < -1
    stage.reset()
    judged = odds(m for beat in beats(fibrillation(200)) for m in stage.push(beat))
    assert min(judged[4:]) > 2
    assert len(judged) == (200 - 1) // EVERY - 1  # the first pair takes two intervals, the first judgement 16 pairs


def test_ventricular_beats_are_taken_out_first() -> None:
    early_and_pause = [rr for _ in range(60) for rr in (0.85, 0.86, 0.5, 1.2)]
    stage = Atria(atrial_model())
    found = [m for beat in beats(early_and_pause, "NNNV") for m in stage.push(beat)]
    assert max(odds(found)) < 0


def test_an_s_beat_in_fibrillation_is_n_and_others_keep_their_label() -> None:
    stage = Atria(atrial_model())
    found = [m for beat in beats(fibrillation(200), "NNSNNNV") for m in stage.push(beat)]
    labelled = [m for m in found if isinstance(m, LabelledBeat)]
    assert {m.label for m in labelled[150:]} == {"N", "V"}
    assert {m.label for m in labelled[:16]} == {"N", "S", "V"}
    assert [m.sample for m in labelled] == [beat.sample for beat in beats(fibrillation(200))]
    stage.reset()
    assert {m.label for beat in beats(sinus(100), "NS") for m in stage.push(beat) if isinstance(m, LabelledBeat)} == {
        "N",
        "S",
    }


def test_ectopy_however_frequent_between_regular_beats_stays_s() -> None:
    rng = np.random.default_rng(0)
    intervals, labels = [0.8], "N"
    for usual in sinus(400, 1):
        n, more = rng.integers(1, 3), rng.integers(0, 4)
        runs = [usual * rng.uniform(0.4, 0.95), *(usual * rng.uniform(0.4, 1.2, more))]
        intervals += [*[usual] * n, *runs, usual * rng.uniform(1, 1.8)]
        labels += "N" * n + "S" * len(runs) + "N"
    for p_waves, expected in ((0.6, set(labels[-200:])), (0.1, {"N"})):
        features = np.full(len(history.NAMES), p_waves, np.float32)
        stage = Atria(atrial_model())
        given = [msgspec.structs.replace(beat, features=features) for beat in beats(intervals[1:], labels)]
        found = [m for beat in given for m in stage.push(beat)]
        assert np.mean(np.array(odds(found)) > SURE) > 0.2  # by its intervals it would be fibrillation
        told = [m for m in found if isinstance(m, LabelledBeat)]
        assert all(m.features is None for m in told)
        certain = [m.label for m, sure in zip(told, in_force(found), strict=True) if sure]
        assert set(certain) == expected


def test_fibrillation_is_one_episode_told_at_its_onset_and_end_alone() -> None:
    intervals = sinus(150) + fibrillation(400) + sinus(300, 2)
    given_beats = beats(intervals)
    onset, end = through_rhythm(given_beats)
    began, ended = given_beats[150].sample, given_beats[550].sample
    assert (onset.phase, end.phase, onset.number) == ("onset", "end", end.number)
    assert abs(onset.onset - began) < 40 * SECOND
    assert end.end is not None
    assert abs(end.end - ended) < 60 * SECOND
    assert onset.decided - began < 120 * SECOND
    assert end.evidence.ended_by == "rhythm changed"


def test_a_healthy_heart_has_no_episode() -> None:
    assert not through_rhythm(beats(sinus(600)))


def test_what_is_never_judged_again_ends() -> None:
    given_beats = beats(fibrillation(200))
    silent = [msgspec.structs.replace(b, label="Q", score=0.0) for b in beats(sinus(400))]
    shift = given_beats[-1].sample
    later = [msgspec.structs.replace(b, sample=b.sample + shift, decided=b.decided + shift) for b in silent[1:]]
    found = through_rhythm([*given_beats, *later])
    assert [e.phase for e in found] == ["onset", "end"]
    assert found[-1].evidence.ended_by == "signal"


def test_an_alert_of_fibrillation_is_told_twice_however_long_it_lasts() -> None:
    chain = Chain([Atria(atrial_model()), Rhythm(RhythmRules(), 1), Alarms(AlarmRules(), ("II",))])
    found: list[Message] = []
    for beat in beats(fibrillation(3000)):
        found += chain.push(beat)
    told = [m for m in [*found, *chain.flush()] if type(m).__name__ == "Alert" and getattr(m, "kind", "") == "af"]
    assert [getattr(m, "phase", "") for m in told] == ["onset", "end"]


def test_a_gap_joins_no_intervals() -> None:
    stage = Atria(atrial_model())
    for beat in beats(sinus(40)):
        stage.push(beat)
    gap = Gap(start=20_000, n=9_000, decided=29_000)
    assert list(stage.push(gap)) == [gap]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 10.0), min_size=20, max_size=200), st.text("NSVFQ", min_size=1, max_size=9))
def test_any_intervals_give_finite_judgements(intervals: list[float], labels: str) -> None:
    stage = Atria(atrial_model())
    found = [m for beat in beats(intervals, labels) for m in stage.push(beat)]
    assert all(np.isfinite(value) for value in odds(found))
    assert sum(isinstance(m, LabelledBeat) for m in found) == len(intervals) + 1


@pytest.mark.parametrize("hz", [100, 128, 250, 360, 1000])
def test_the_rate_of_the_source_makes_little_difference(hz: int) -> None:
    def rounded(intervals: list[float]) -> float:
        pairs = irregularity.Intervals()
        for rr_s in intervals:
            pairs.add(round(rr_s * hz) / hz, counts=True)
        measured = pairs.measure()
        assert measured is not None
        return atrial_model().log_odds(measured.tolist())

    assert rounded(sinus(200)) < -2
    assert rounded(fibrillation(200)) > 2


def strip(intervals: list[float]) -> list[Episode]:
    chain = Chain([Atria(atrial_model(), strip_model()), Rhythm(RhythmRules(), 1)])
    given_beats = beats(intervals)
    found: list[Message] = []
    for beat in given_beats:
        found += chain.push(RPeak(sample=beat.sample, lead=0, amplitude_mv=1, strength=3, decided=beat.decided - 99))
        found += chain.push(beat)
    return [m for m in [*found, *chain.flush()] if isinstance(m, Episode) and m.kind == "af"]


@pytest.mark.parametrize("n", [12, 35, 70])
def test_a_short_strip_is_judged_as_a_whole_at_its_end(n: int) -> None:
    onset, end = strip(fibrillation(n))
    assert (onset.phase, end.phase) == ("onset", "end")
    assert onset.onset == 200
    assert not strip(sinus(n))


def test_few_beats_say_nothing_and_long_recordings_are_not_judged_as_strips() -> None:
    assert not strip(fibrillation(4))
    assert not strip(sinus(150) + fibrillation(30))


def test_strips_of_the_challenge(data_dir: Path) -> None:
    from training.strips import measure

    folder = data_dir / "cinc2017"
    if not folder.is_dir():
        pytest.skip(f"needs the strips of the 2017 challenge in {folder}")
    lines = (folder / "REFERENCE.csv").read_text().split()[:60]
    right = 0
    with BeatModel.load() as model:
        for name, label in (line.split(",") for line in lines):
            measured = measure(folder / name, model)
            right += (label == "A") == (measured is not None and strip_model().log_odds(measured.tolist()) > 0)
    assert right / len(lines) > 0.85
