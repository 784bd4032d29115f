"""Ventricular fibrillation from the signal: the stage, and the episode that the rhythm stage makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import waves
from edge.inference.beat_model import models_dir
from edge.inference.trees import TreeModel, read_trees
from edge.messages import Episode, Event, Gap, LeadState, Likelihood, Message, Quality, Samples, Vitals
from edge.pipeline import Chain, ventricular_model
from edge.stages.rhythm import Rhythm, RhythmRules
from edge.stages.ventricles import Ventricles

SECOND = 360


def fibrillation(seconds: float, seed: int = 0, height_mv: float = 0.5) -> NDArray[np.float32]:
    """Waves of some 4.5 Hz that wander in frequency and height."""
    rng = np.random.default_rng(seed)
    n = int(seconds * SECOND)
    hz = 4.5 + np.convolve(rng.standard_normal(n + SECOND), np.hanning(SECOND) / SECOND, "same")[:n] * 12
    height = 1 + np.convolve(rng.standard_normal(n + SECOND), np.hanning(SECOND) / SECOND, "same")[:n] * 6
    return np.asarray(height_mv * height * np.sin(2 * np.pi * np.cumsum(hz) / SECOND), np.float32)


def sinus(seconds: float, bpm: float = 75, seed: int = 0) -> NDArray[np.float32]:
    """QRS complexes and T waves, with a little noise."""
    n = int(seconds * SECOND)
    at = np.arange(n) / SECOND % (60 / bpm)
    wave = 1.2 * np.exp(-(((at - 0.3) / 0.012) ** 2)) + 0.25 * np.exp(-(((at - 0.55) / 0.05) ** 2))
    return np.asarray(wave + 0.01 * np.random.default_rng(seed).standard_normal(n), np.float32)


def asystole(seconds: float) -> NDArray[np.float32]:
    """No waves but an amplifier's noise."""
    return np.asarray(0.008 * np.random.default_rng(3).standard_normal(int(seconds * SECOND)), np.float32)


class Told:
    """Stage that tells the quality of each second before the block that completes it."""

    def __init__(self, states: dict[int, tuple[LeadState, ...]], n_leads: int) -> None:
        self._states, self._usual = states, ("good",) * n_leads
        self._second = 0

    def push(self, message: Message) -> list[Message]:
        out: list[Message] = []
        while isinstance(message, Samples) and (end := (self._second + 1) * SECOND) <= message.end:
            if message.start < end:
                leads: Any = self._states.get(self._second, self._usual)
                out.append(Quality(start=end - SECOND, n=SECOND, leads=leads, decided=end))
            self._second += 1
        return [*out, message]

    def flush(self) -> tuple[Message, ...]:
        return ()

    def reset(self) -> None:
        self._second = 0


def blocks(leads: list[NDArray[np.float32]], size: int = 5000, start: int = 0) -> list[Message]:
    mv = np.ascontiguousarray(np.stack(leads, axis=1))
    return [Samples(start=start + at, mv=mv[at : at + size], lag=20) for at in range(0, len(mv), size)]


def run(
    given_messages: list[Message], n_leads: int = 1, states: dict[int, tuple[LeadState, ...]] | None = None
) -> list[Event]:
    stages = [
        Told(states or {}, n_leads),
        Ventricles(ventricular_model(), n_leads),
        Rhythm(RhythmRules(), n_leads),
    ]
    chain = Chain(stages)
    out = [m for message in given_messages for m in chain.push(message)] + chain.flush()
    return [m for m in out if isinstance(m, Event)]


def spoken(found: list[Event]) -> list[tuple[str, str]]:
    return [(m.kind, m.phase) for m in found if isinstance(m, Episode) and m.phase != "update"]


def test_fibrillation_is_told_within_ten_seconds_and_is_not_asystole() -> None:
    lead = np.concatenate([sinus(20), fibrillation(30), sinus(20)])
    found = run(blocks([lead, 0.5 * lead]), 2)
    vf = [m for m in found if isinstance(m, Episode) and m.kind == "vf"]
    assert [m.phase for m in vf if m.phase != "update"] == ["onset", "end"]
    assert vf[0].decided <= 30 * SECOND
    assert abs(vf[0].onset - 20 * SECOND) <= 3 * SECOND
    assert vf[-1].end is not None
    assert abs(vf[-1].end - 50 * SECOND) <= 4 * SECOND
    # No beat is told to this rhythm stage, so that all but the waves is silence to it.
    silent = [m for m in found if isinstance(m, Episode) and m.kind == "asystole" and m.phase == "onset"]
    assert all(m.onset < 20 * SECOND - 4 * SECOND or m.onset >= 46 * SECOND for m in silent)


def test_no_rate_is_told_in_fibrillation() -> None:
    found = run(blocks([fibrillation(30)]), 1)
    reasons = {m.reason for m in found if isinstance(m, Vitals) and m.sample > 12 * SECOND}
    assert reasons == {"ventricular fibrillation"}


@pytest.mark.parametrize("bpm", [40, 75, 150, 210])
def test_qrs_complexes_are_no_fibrillation(bpm: float) -> None:
    assert ("vf", "onset") not in spoken(run(blocks([sinus(40, bpm)]), 1))


def test_a_quiet_line_is_asystole_and_not_fibrillation() -> None:
    assert spoken(run(blocks([asystole(20), asystole(20)]), 2))[0] == ("asystole", "onset")
    assert ("vf", "onset") not in spoken(run(blocks([asystole(40)]), 1))


@pytest.mark.parametrize("seed", range(4))
def test_muscle_noise_is_no_fibrillation(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(40 * SECOND)
    quick = np.diff(noise, prepend=0) * 0.3
    assert ("vf", "onset") not in spoken(run(blocks([quick.astype(np.float32)]), 1))


def test_a_lead_that_cannot_be_read_is_not_asked() -> None:
    off: dict[int, tuple[LeadState, ...]] = dict.fromkeys(range(60), ("off", "good"))
    lead = np.concatenate([sinus(20), fibrillation(30)])
    assert ("vf", "onset") in spoken(run(blocks([np.zeros_like(lead), lead]), 2, off))
    assert ("vf", "onset") not in spoken(run(blocks([lead, sinus(50)]), 2, off))
    both: dict[int, tuple[LeadState, ...]] = dict.fromkeys(range(60), ("off", "saturated"))
    assert spoken(run(blocks([lead, lead]), 2, both)) == [("signal_lost", "onset"), ("signal_lost", "end")]


def test_losing_the_signal_ends_it() -> None:
    off: dict[int, tuple[LeadState, ...]] = dict.fromkeys(range(20, 40), ("off",))
    told = spoken(run(blocks([fibrillation(40)]), 1, off))
    # Without any beat before it the first four seconds are silence until the first waves have been judged.
    told = [(kind, phase) for kind, phase in told if kind != "asystole"]
    assert sorted(told) == sorted([("vf", "onset"), ("vf", "end"), ("signal_lost", "onset"), ("signal_lost", "end")])


def test_a_gap_starts_anew() -> None:
    gap = Gap(start=20 * SECOND, n=40 * SECOND, decided=60 * SECOND)
    first, later = blocks([fibrillation(20)]), blocks([sinus(20)], start=60 * SECOND)
    found = run([*first, gap, *later], 1)
    assert [(k, p) for k, p in spoken(found) if k == "vf"] == [("vf", "onset"), ("vf", "end")]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=6), st.integers(0, 5))
def test_blocks_do_not_matter(sizes: list[int], seed: int) -> None:
    lead = np.concatenate([sinus(8, seed=seed), fibrillation(14, seed), asystole(6)])
    mv = np.ascontiguousarray(np.stack([lead, np.roll(lead, 5) * np.float32(0.4)], axis=1))

    def told(cuts: list[int]) -> list[tuple[int, float, int]]:
        stage = Ventricles(ventricular_model(), 2)
        out: list[Message] = []
        start, i = 0, 0
        while start < len(mv):
            n = cuts[i % len(cuts)]
            out += stage.push(Samples(start=start, mv=mv[start : start + n], lag=20))
            start, i = start + n, i + 1
        return [(m.sample, m.log_odds, m.decided) for m in out if isinstance(m, Likelihood)]

    whole = told([len(mv)])
    assert whole
    assert told(sizes) == whole


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-4, 1.0, 50.0, 1e6, np.inf]))
def test_any_signal_gives_finite_measures(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    with np.errstate(invalid="ignore"):
        mv = np.nan_to_num(rng.standard_normal((waves.HISTORY * 3 + 5 * SECOND, 1)) * scale, posinf=1e9, neginf=-1e9)
    measured = waves.measure(waves.sums(waves.thin(mv.astype(np.float32)))[:4, 0])
    assert np.isfinite(measured).all()


def test_the_shipped_model_fits_what_is_measured_and_has_not_seen_who_is_reported_on() -> None:
    card = read_trees(models_dir() / "vf.json")
    TreeModel(card, waves.NAMES, waves.example())
    assert not {"100", "200", "233"} & set(card.origin.databases["mitdb"])


def test_flutter_of_a_record_is_told_and_nothing_in_others(mitdb: Path) -> None:
    from training.ventricular import find, look

    found = find(look(mitdb / "207"), ventricular_model())
    assert found.tp / (found.tp + found.fn) > 0.85
    assert found.false == 0
