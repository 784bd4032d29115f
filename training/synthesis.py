"""Patients whom the databases have too few of, made from the beats of others.

Every kind takes real windows of one patient, puts them into another order, rhythm or shape, and describes them anew, as
the stages would describe such a record. What is made of a patient counts as that patient when sides are kept apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.features.history import History
from edge.features.window import BEFORE, LEADS, WINDOW, WINDOW_HZ
from edge.messages import FS_HZ
from training.datasets import CLASSES, LabelledBeats

_N, _S, _V, _F = (CLASSES.index(label) for label in ("N", "S", "V", "F"))
_KNOWN_S = 1.6
"""Longest interval after which the next beat is found before `edge.stages.beats` stops waiting for it."""
_BEATS = 600
"""Beats of a synthetic record."""
_P_WAVE = slice(6, 38)
"""Window samples in which P waves lie."""

Rows = NDArray[np.int64]
Rng = np.random.Generator


def synthesize(beats: LabelledBeats, seed: int = 0) -> list[LabelledBeats]:
    """Make every kind of patient of a record that it has the beats for; `variant` names the kind."""
    made = []
    for number, (kind, make) in enumerate(_KINDS):
        rng = np.random.default_rng([seed, number, *beats.record.encode()])
        drawn = make(beats, rng)
        if drawn is not None:
            made.append(_described(beats, kind, drawn))
    return made


class _Drawn(NamedTuple):
    """Rows of beats, the intervals before them in seconds, their windows and labels."""

    rows: Rows
    rr_s: NDArray[np.float64]
    windows: NDArray[np.float32]
    labels: NDArray[np.int8]


def _drawn(
    beats: LabelledBeats,
    rows: Rows,
    rr_s: NDArray[np.float64],
    windows: NDArray[np.float32] | None = None,
    labels: NDArray[np.int8] | None = None,
) -> _Drawn:
    windows = beats.windows[rows] if windows is None else windows
    return _Drawn(rows, rr_s, windows, beats.labels[rows] if labels is None else labels)


def frequent(beats: LabelledBeats, rng: Rng, around: int = 1) -> _Drawn | None:
    """Make S beats the usual thing: only they and `around` beats before and after each are left."""
    places = _places(beats, _S)
    if len(places) < 20:
        return None
    near = np.unique(places[:, None] + np.arange(-around, around + 1))
    rows = near[(near > 0) & (near < len(beats.labels))]
    rows = rows[beats.labels[rows] >= 0]
    return _drawn(beats, rows, _rr_s(beats)[rows] * rng.normal(1, 0.02, len(rows)))


def runs(beats: LabelledBeats, rng: Rng) -> _Drawn | None:
    """Make the sinus node sick: runs of S beats at a steady rate between few and slow sinus beats."""
    ectopic, sinus = _places(beats, _S), _places(beats, _N)
    if len(ectopic) < 8 or len(sinus) < 30:
        return None
    own_s = float(np.median(_rr_s(beats)[ectopic]))
    fast_s = float(np.clip(own_s * rng.uniform(0.9, 1.5), 0.42, 0.95))
    slow_s = fast_s * rng.uniform(1.35, 2.8)
    mean_run = np.exp(rng.uniform(np.log(1.5), np.log(40)))
    unsteady, sinus_unsteady, single = rng.uniform(0.008, 0.05), rng.uniform(0.02, 0.12), rng.uniform(0.4, 0.95)
    rows: list[int] = []
    rr_s: list[float] = []
    while len(rows) < _BEATS:
        for pool, mean, interval, spread in (
            (sinus, 1 / single, slow_s, sinus_unsteady),
            (ectopic, mean_run, fast_s, unsteady),
        ):
            n = int(rng.geometric(1 / mean))
            rows += _neighbours(pool, n, rng)
            rr_s += (interval * np.exp(rng.normal(0, spread, n))).tolist()
    return _drawn(beats, np.array(rows), np.array(rr_s))


def fibrillation(beats: LabelledBeats, rng: Rng) -> _Drawn | None:
    """Let the atria fibrillate: irregular intervals, no P wave but a wavy line; ventricular beats come in between."""
    conducted, ventricular = _places(beats, _N), _places(beats, _V)
    if len(conducted) < 200:
        return None
    mean_s, spread = rng.uniform(0.42, 1.0), rng.uniform(0.1, 0.28)
    rr_s = np.clip(mean_s * np.exp(rng.normal(0, spread, _BEATS)), 0.28, 2.0)
    rows = conducted[(rng.integers(len(conducted)) + np.arange(_BEATS)) % len(conducted)]
    if len(ventricular) >= 5:
        odd = rng.random(_BEATS) < min(len(ventricular) / len(beats.labels), 0.15)
        rows = np.where(odd, rng.choice(ventricular, _BEATS), rows)
        usual_s = float(np.median(_rr_s(beats)))
        rr_s = np.where(odd, np.clip(_rr_s(beats)[rows] / usual_s * mean_s, 0.3, 1.2), rr_s)
    windows = beats.windows[rows].copy()
    normal = beats.labels[rows] == _N
    windows[normal, _P_WAVE] = _line(windows[normal])
    alive = np.abs(windows).max(axis=1, keepdims=True) > 0
    waves = _waves(np.cumsum(rr_s), rng) + rng.normal(0, 0.008, windows.shape)
    return _drawn(beats, rows, rr_s, np.asarray(windows + waves * alive, np.float32))


def uneven(beats: LabelledBeats, rng: Rng) -> _Drawn | None:
    """Let the sinus node's rate wander and breathe, and drop some of its beats; S beats come in between."""
    sinus, ectopic = _places(beats, _N), _places(beats, _S)
    if len(sinus) < 200:
        return None
    n = _BEATS
    own_s = _rr_s(beats)
    usual_s = float(np.clip(np.median(own_s[sinus]), 0.5, 1.1))
    wander = np.cumsum(rng.normal(0, rng.uniform(0.002, 0.015), n))
    wander -= np.linspace(0, wander[-1], n) * 0.7
    breaths = np.cumsum(2 * np.pi / rng.uniform(3, 8) * rng.normal(1, 0.15, n))
    depth = rng.integers(2) * rng.uniform(0.03, 0.2)
    steady = rng.normal(0, rng.uniform(0.005, 0.04), n)
    cycle_s = usual_s * np.exp(np.clip(wander, -0.5, 0.5) + depth * np.sin(breaths) + steady)
    rr_s = np.clip(cycle_s * _dropped(n, rng), 0.3, 3.0)
    rows = sinus[(rng.integers(len(sinus)) + np.arange(n)) % len(sinus)]
    if len(ectopic) >= 5:
        odd = rng.random(n) < rng.choice([0.0, 0.03, 0.1])
        odd[1:] &= ~odd[:-1]
        rows = np.where(odd, rng.choice(ectopic, n), rows)
        early = np.clip(own_s[ectopic] / usual_s, 0.35, 0.88)
        rr_s = np.where(odd, cycle_s * rng.choice(early, n), rr_s)
        after = np.maximum(rr_s[1:], cycle_s[1:] * rng.uniform(1.0, 1.35))
        rr_s[1:] = np.where(odd[:-1], after, rr_s[1:])
    return _drawn(beats, rows, rr_s)


def fusion(beats: LabelledBeats, rng: Rng) -> _Drawn | None:
    """Let the sinus and a ventricular focus both have a part in some beats: sums, nearly at the sinus's time."""
    normal, ventricular = _places(beats, _N), _places(beats, _V)
    if len(normal) < 50 or len(ventricular) < 5:
        return None
    n = _BEATS
    share_f, share_v = rng.uniform(0.03, 0.3), rng.uniform(0.02, 0.3)
    kind = rng.choice([_N, _V, _F], n, p=[1 - share_f - share_v, share_v, share_f]).astype(np.int8)
    sinus = normal[(rng.integers(len(normal)) + np.arange(n)) % len(normal)]
    focus = rng.choice(ventricular, n)
    rows = np.where(kind == _V, focus, sinus)
    usual_s = float(np.median(_rr_s(beats)))
    rr_s = np.clip(_rr_s(beats)[rows], 0.25, 1.9)
    rr_s = np.where(kind == _F, usual_s * rng.uniform(0.85, 1.02, n), rr_s)
    shifted = np.clip(np.arange(WINDOW)[None, :] + rng.integers(-3, 4, n)[:, None], 0, WINDOW - 1)
    part = rng.uniform(0.3, 0.75, (n, 1, 1))
    both = part * beats.windows[sinus] + (1 - part) * beats.windows[focus[:, None], shifted]
    windows = np.where((kind == _F)[:, None, None], both, beats.windows[rows]).astype(np.float32)
    return _drawn(beats, rows, rr_s, windows, kind)


_KINDS: tuple[tuple[str, Callable[[LabelledBeats, Rng], _Drawn | None]], ...] = (
    ("frequent", frequent),
    ("frequent", lambda beats, rng: frequent(beats, rng, around=4)),
    ("runs", runs),
    ("fibrillation", fibrillation),
    ("fusion", fusion),
    ("uneven", uneven),
)


def _described(beats: LabelledBeats, kind: str, drawn: _Drawn) -> LabelledBeats:
    intervals = drawn.rr_s.tolist()
    following = [rr if rr < _KNOWN_S else None for rr in intervals[1:]] + [None]
    windows, features = History().describe(drawn.windows, [None, *intervals[1:]], following)
    return replace(
        beats,
        variant=kind,
        windows=windows,
        features=features,
        labels=drawn.labels,
        samples=np.cumsum(np.round(drawn.rr_s * FS_HZ)).astype(np.int64),
        usable=np.ones(len(intervals), np.bool_),
        noisy=np.zeros(len(intervals), np.bool_),
        missed=np.zeros_like(beats.missed),
    )


def _dropped(n: int, rng: Rng) -> NDArray[np.float64]:
    """Return how many cycles each interval has: most have one, some two or nearly two, singly or by stretches."""
    cycles = np.ones(n)
    how = rng.random()
    if how < 0.25:
        return cycles
    if how < 0.6:
        return np.where(rng.random(n) < rng.uniform(0.01, 0.15), rng.uniform(1.25, 2.0), cycles)
    start = 0
    while start < n:
        length = int(np.exp(rng.uniform(np.log(4), np.log(80))))
        every = int(rng.choice([0, 1, 3, 4]))  # not 2: short and long in turn are atrial bigeminy as well
        if every:
            cycles[start : start + length : every] = 2.0 if rng.random() < 0.5 else rng.uniform(1.6, 2.0)
        start += length
    return cycles


def _places(beats: LabelledBeats, label: int) -> Rows:
    return np.flatnonzero((beats.labels == label) & beats.usable)


def _rr_s(beats: LabelledBeats) -> NDArray[np.float64]:
    """Return the interval before each beat; that before the first is its own time."""
    return np.diff(beats.samples, prepend=0) / FS_HZ


def _neighbours(pool: Rows, n: int, rng: Rng) -> list[int]:
    """Return `n` rows of a pool in pieces that follow each other in the record."""
    rows: list[int] = []
    while len(rows) < n:
        first = int(rng.integers(len(pool)))
        rows += pool[first : first + int(rng.integers(1, 9))].tolist()
    return rows[:n]


def _line(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a straight line from before the P wave to the QRS."""
    first, last = _P_WAVE.start, _P_WAVE.stop
    before = windows[:, first - 3 : first + 3].mean(axis=1, keepdims=True)
    after = windows[:, last - 1 : last + 1].mean(axis=1, keepdims=True)
    ramp = np.linspace(0, 1, last - first, dtype=np.float32)[None, :, None]
    return np.asarray(before * (1 - ramp) + after * ramp, np.float32)


def _waves(times_s: NDArray[np.float64], rng: Rng) -> NDArray[np.float64]:
    """Return waves of fibrillation, 4.5 to 8.5 Hz, over windows around R peaks at `times_s`."""
    time = times_s[:, None] + (np.arange(WINDOW) - BEFORE)[None, :] / WINDOW_HZ
    wander = rng.normal(0, 0.8, (len(times_s), 1)).cumsum(axis=0) * 0.7
    phase = 2 * np.pi * rng.uniform(4.5, 8.5) * time + wander
    size = np.clip(rng.exponential(0.05, LEADS), 0, 0.15)
    waves: NDArray[np.float64] = (np.sin(phase) + 0.4 * np.sin(2 * phase + 1))[:, :, None] * size
    return waves
