"""From labelled beats to what a network is fed: as levels, drawn evenly over patients and classes, and varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import CLASSES, LabelledBeats

_MEASURED = 60_000
WINDOW_LIMIT = 2.0
"""Windows are clipped to this, so that an outlier does not coarsen the int8 steps; they are in units of the usual QRS
peak to peak, and a P wave is a tenth of that."""

BINS = 6
"""Levels a feature."""

NARROWEST = 0.05
"""Least width of a level, in standard deviations of its feature."""

SHARES = {
    "": 1.0, "0": 0.3, "1": 0.1, "frequent": 0.15, "runs": 0.25, "fibrillation": 0.45, "uneven": 0.15, "fusion": 0.3,
}  # fmt: skip
"""How much a record counts, by how it was read; see `training.datasets.LabelledBeats`."""


@dataclass(frozen=True)
class Levels:
    """How features are shown to a network: piecewise linear, one input for each of the `BINS` ranges of a feature.

    As trees do, and other than from the bare numbers, a network then can treat a range of a feature by itself, and does
    not extrapolate into patients whose values lie elsewhere (Gorishniy et al. 2022, arXiv:2203.05556).

    Attributes
    ----------
    knots : float32 array, shape (k, BINS + 1)
        See `edge.inference.card.Feature`.
    """

    knots: NDArray[np.float32]

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the levels of features, shape (n, k * BINS)."""
        low, high = self.knots[:, :-1], self.knots[:, 1:]
        levels = np.clip((features[:, :, None] - low) / (high - low), 0, 1)
        return np.asarray(levels.reshape(len(features), -1), np.float32)


@dataclass(frozen=True)
class Table:
    """Beats of many records, those that can be learnt from or scored.

    Attributes
    ----------
    windows, features, labels : arrays
        As in `LabelledBeats`, without those that cannot be used, matched or told (Q).
    cells : int64 array, shape (n,)
        Number of the record and class a beat belongs to; beats of a cell are drawn alike.
    records : str array, shape (n,)
        ``database/record`` of each beat.
    shares : float64 array, shape (n,)
        How much its record counts, from `SHARES`.
    """

    windows: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int8]
    cells: NDArray[np.int64]
    records: NDArray[np.str_]
    shares: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


def table(records: Sequence[LabelledBeats]) -> Table:
    """Stack the usable, matched beats of records, without Q."""
    # The few Q of the unpaced patients are no kind of beat that could be learnt.
    keep = [beats.usable & (beats.labels >= 0) & (beats.labels != CLASSES.index("Q")) for beats in records]
    labels = np.concatenate([beats.labels[k] for beats, k in zip(records, keep, strict=True)])
    numbers = np.concatenate([np.full(int(k.sum()), i, np.int64) for i, k in enumerate(keep)])
    names = np.array([f"{beats.database}/{beats.record}" for beats in records])
    return Table(
        windows=np.clip(
            np.concatenate([b.windows[k] for b, k in zip(records, keep, strict=True)]), -WINDOW_LIMIT, WINDOW_LIMIT
        ),
        features=np.concatenate([b.features[k] for b, k in zip(records, keep, strict=True)]),
        labels=labels,
        cells=numbers * len(CLASSES) + labels,
        records=names[numbers],
        shares=np.array([SHARES[beats.variant] for beats in records])[numbers],
    )


def take(data: Table, which: NDArray[np.bool_]) -> Table:
    """Return some beats of a table."""
    return Table(**{name: column[which] for name, column in vars(data).items()})


def join(first: Table, second: Table) -> Table:
    """Stack two tables of different records."""
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in vars(first)}
    both["cells"] = np.concatenate([first.cells, second.cells + first.cells.max() + 1])
    return Table(**both)


def everything(beats: LabelledBeats) -> Table:
    """Return all usable beats of one record, matched or not."""
    keep = beats.usable
    return Table(
        windows=np.clip(beats.windows[keep], -WINDOW_LIMIT, WINDOW_LIMIT),
        features=beats.features[keep],
        labels=beats.labels[keep],
        cells=np.zeros(int(keep.sum()), np.int64),
        records=np.full(int(keep.sum()), f"{beats.database}/{beats.record}"),
        shares=np.ones(int(keep.sum())),
    )


def draw_weights(data: Table) -> NDArray[np.float64]:
    """Return the probability of each beat to be drawn: a cell counts with the root of its size.

    A patient with a thousand beats of a class thus weighs about three times one with a hundred, not ten times.
    """
    _, index, counts = np.unique(data.cells, return_inverse=True, return_counts=True)
    weights = data.shares / np.sqrt(counts[index])
    return np.asarray(weights / weights.sum(), np.float64)


def levels(data: Table, bins: int = BINS) -> Levels:
    """Choose the levels of the features: closer where beats are many, yet also where few beats differ."""
    rows = np.random.default_rng(0).choice(len(data), _MEASURED, p=draw_weights(data))
    return Levels(np.stack([_knots(column, bins) for column in data.features[rows].T]))


def _knots(values: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    unit = max(float(values.std()), 1e-3)
    low, high = np.quantile(values, [0.002, 0.998])
    places, counts = np.unique(np.round(np.clip(values, low, high) / unit / NARROWEST), return_counts=True)
    upto = np.cumsum(np.sqrt(counts))
    share = (upto - upto[0]) / max(upto[-1] - upto[0], 1e-9)
    knots = np.interp(np.linspace(0, 1, bins + 1), share, places)
    for i in range(1, bins + 1):
        knots[i] = max(knots[i], knots[i - 1] + 1)
    return np.asarray(knots * NARROWEST * unit, np.float32)


def vary(windows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return windows with other gains and polarities, R a little beside, and some wander and noise.

    Parameters
    ----------
    windows : float32 array, shape (n, WINDOW, LEADS)
        Scaled windows; a lead that is all zero stays so.
    rng : numpy Generator
        Source of the variation.
    """
    n, length, leads = windows.shape
    shift = rng.integers(-2, 3, n)
    rows = np.clip(np.arange(length)[None, :] + shift[:, None], 0, length - 1)
    out = windows[np.arange(n)[:, None], rows]
    gain = np.exp(rng.normal(0, 0.15, (n, 1, leads)))
    flip = np.where(rng.random((n, 1, leads)) < np.array([0.03, 0.15])[:leads], -1, 1)
    time = np.linspace(0, 1, length)[None, :, None]
    wander = rng.normal(0, 0.04, (n, 1, leads)) * np.sin(
        2 * np.pi * (time * rng.uniform(0.3, 1.5, (n, 1, 1)) + rng.random((n, 1, 1)))
    )
    noise = rng.normal(0, 1, (n, length, leads)) * rng.exponential(0.015, (n, 1, leads))
    alive = np.abs(windows).max(axis=1, keepdims=True) > 0
    varied = (out * gain * flip + wander + noise) * alive
    return np.asarray(np.clip(varied, -WINDOW_LIMIT, WINDOW_LIMIT), np.float32)
