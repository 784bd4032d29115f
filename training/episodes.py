"""Runs of ectopic beats, episodes of rhythms and heart rate, compared as ANSI/AAMI EC57 prescribes.

What WFDB's `rxr` (runs) and `epicmp` (episodes) count; on plain arrays, reads no files. A stretch is a first sample and
the one after its last, shape (n, 2), in order of time and apart from each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.ec57 import Comparison

LONGEST = 6
"""Runs of so many beats and more are long, and counted together."""
RUNS = {"couplet": (2, 2), "short": (3, 5), "long": (6, LONGEST)}
"""Shortest and longest of each kind of run."""
HR_WINDOW_S = 10.0
"""A heart rate is the mean over the RR intervals that ended within so many seconds, as the device's vitals have it."""

Stretches = NDArray[np.int64]


class EpisodeScore(msgspec.Struct, frozen=True, kw_only=True):
    """How the found episodes of one rhythm compare with the reference's, by count and by duration.

    Attributes
    ----------
    reference, met : int
        Episodes of the reference, and those of them that a found one overlaps.
    found, right : int
        Found episodes, and those of them that overlap one of the reference.
    reference_s, found_s, both_s, total_s : float
        Duration of the reference's, of the found ones, of what both have, and of the record.
    """

    reference: int = 0
    met: int = 0
    found: int = 0
    right: int = 0
    reference_s: float = 0.0
    found_s: float = 0.0
    both_s: float = 0.0
    total_s: float = 0.0


def rhythm_stretches(
    samples: ArrayLike, symbols: Sequence[str], aux: Sequence[str], prefixes: tuple[str, ...], end: int
) -> Stretches:
    """Return where a rhythm lasts: from a note of it to the next note of another, or between ``[`` and ``]``.

    Parameters
    ----------
    samples : int array, shape (n,)
    symbols, aux : sequence of str
        Annotations in order of time.
    prefixes : tuple of str
        What the aux notes of the rhythm begin with, such as ``("(AF",)``; ``[`` for flutter and fibrillation
        between brackets.
    end : int
        Length of the record.
    """
    brackets = "[" in prefixes
    spans: list[list[int]] = []
    on = False
    for sample, symbol, note in zip(np.asarray(samples, np.int64).tolist(), symbols, aux, strict=True):
        if brackets and symbol in "[]":
            now = symbol == "["
        elif symbol == "+" and note.startswith("("):
            now = note.startswith(prefixes)
        else:
            continue
        if now and not on:
            spans.append([sample, end])
        elif on and not now:
            spans[-1][1] = sample
        on = now
    return np.array([span for span in spans if span[1] > span[0]], np.int64).reshape(-1, 2)


def clipped(spans: Stretches, first: int, end: int) -> Stretches:
    """Return the parts of stretches between two samples."""
    inside = np.clip(spans, first, end)
    return np.asarray(inside[inside[:, 1] > inside[:, 0]])


def compare_stretches(reference: Stretches, found: Stretches, fs_hz: float, n_samples: int) -> EpisodeScore:
    """Compare the episodes of one record.

    Parameters
    ----------
    reference, found : int64 array, shape (n, 2)
        Stretches.
    fs_hz : float
        Rate of their samples.
    n_samples : int
        Length of the record, or of its part that counts.

    Examples
    --------
    >>> import numpy as np
    >>> score = compare_stretches(np.array([[0, 100]]), np.array([[50, 110], [150, 160]]), 1.0, 1000)
    >>> score.met, score.right, score.both_s
    (1, 1, 50.0)
    """
    starts = np.maximum(reference[:, None, 0], found[None, :, 0])
    ends = np.minimum(reference[:, None, 1], found[None, :, 1])
    shared = np.maximum(ends - starts, 0)
    return EpisodeScore(
        reference=len(reference),
        met=int(shared.any(axis=1).sum()),
        found=len(found),
        right=int(shared.any(axis=0).sum()),
        reference_s=float(np.diff(reference).sum() / fs_hz),
        found_s=float(np.diff(found).sum() / fs_hz),
        both_s=float(shared.sum() / fs_hz),
        total_s=n_samples / fs_hz,
    )


class RunTables(msgspec.Struct, frozen=True, eq=False):
    """Pairs of run lengths, both of shape (LONGEST + 1, LONGEST + 1), long runs in the last row and column.

    Attributes
    ----------
    sensitivity : int64 array
        Rows: runs of the reference; columns: the longest found run that overlaps each, 0 if none does.
    predictivity : int64 array
        Rows: found runs; columns: the longest of the reference that overlaps each.
    """

    sensitivity: NDArray[np.int64]
    predictivity: NDArray[np.int64]

    def counts(self, kind: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return, for Se and +P of a key of `RUNS`, how many runs are met by one as long as asked, and of how many."""
        shortest, longest = RUNS[kind]
        rows = [table[shortest : longest + 1] for table in (self.sensitivity, self.predictivity)]
        met, right = ((int(each[:, shortest:].sum()), int(each.sum())) for each in rows)
        return met, right


def compare_runs(compared: Comparison, label: str = "V") -> RunTables:
    """Compare runs of one class, of one beat and more.

    A run is broken by any other beat of the same annotator. Two runs overlap where a beat of one lies among the pairs
    of the other.

    Parameters
    ----------
    compared : Comparison
        Of the beats, see `training.ec57.compare`.
    label : str
        AAMI class.
    """
    sides = [_runs(compared.labels[:, side], label) for side in (0, 1)]
    return RunTables(_lengths(sides[0], sides[1]), _lengths(sides[1], sides[0]))


def _runs(labels: NDArray[np.str_], label: str) -> NDArray[np.int64]:
    """Return first row, last row and length of each run, shape (n, 3)."""
    rows = np.flatnonzero(labels != "O")
    inside = np.concatenate([[False], labels[rows] == label, [False]])
    edges = np.flatnonzero(np.diff(inside.astype(np.int8)))
    first, last = edges[::2], edges[1::2] - 1
    return np.asarray(np.stack([rows[first], rows[last], last - first + 1], axis=1), np.int64).reshape(-1, 3)


def _lengths(runs: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    table = np.zeros((LONGEST + 1, LONGEST + 1), np.int64)
    for first, last, length in runs.tolist():
        overlapping = others[(others[:, 0] <= last) & (others[:, 1] >= first), 2]
        table[min(length, LONGEST), min(int(overlapping.max(initial=0)), LONGEST)] += 1
    return table


def falsely_called(compared: Comparison, label: str, spans: Stretches) -> tuple[int, int]:
    """Return how many beats found within stretches are called so and are not, and how many were found there."""
    at = compared.pairs[:, 1]
    within = ((at[:, None] >= spans[:, 0]) & (at[:, None] < spans[:, 1])).any(axis=1)
    wrong = (compared.labels[:, 1] == label) & (compared.labels[:, 0] != label)
    return int((within & wrong).sum()), int(within.sum())


def heart_rate_error(reference: ArrayLike, found: ArrayLike, fs_hz: float, n_samples: int) -> tuple[float, int]:
    """Return the sum of squared differences of heart rate, (1/min)², and in how many seconds both have one.

    Parameters
    ----------
    reference, found : int array, shape (n,)
        Beats, in order of time.
    fs_hz : float
        Rate of their samples.
    n_samples : int
        Length of the record.
    """
    seconds = np.arange(1, int(n_samples / fs_hz) + 1)
    rates = [_rates(np.asarray(beats, np.float64) / fs_hz, seconds) for beats in (reference, found)]
    both = np.isfinite(rates[0]) & np.isfinite(rates[1])
    return float(((rates[0] - rates[1])[both] ** 2).sum()), int(both.sum())


def _rates(beats_s: NDArray[np.float64], seconds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the heart rate at each second, NaN where fewer than two RR intervals ended in the window."""
    last = np.searchsorted(beats_s, seconds, side="right") - 1
    before = np.maximum(np.searchsorted(beats_s, seconds - HR_WINDOW_S, side="right") - 1, 0)
    intervals = last - before
    told = intervals >= 2
    rates = np.full(len(seconds), np.nan)
    rates[told] = 60 * intervals[told] / (beats_s[last[told]] - beats_s[before[told]])
    return rates
