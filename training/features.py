"""From labelled beats to what a network is fed: normalized, drawn evenly over patients and classes, and varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import CLASSES, LabelledBeats

LIMIT = 4.0
"""Normalized features are clipped to this, so that an outlier does not coarsen the int8 steps."""

WINDOW_LIMIT = 2.0
"""The same for windows; they are in units of the usual QRS peak to peak, and a P wave is a tenth of that."""

SHARES = {"": 1.0, "0": 0.3, "1": 0.1, "dense": 0.3}
"""How much a record counts, by how it was read; see `training.datasets.LabelledBeats`."""


@dataclass(frozen=True)
class Normalization:
    """Mean and scale of each feature.

    Attributes
    ----------
    mean, scale : float32 array, shape (k,)
        Of the training beats, patients weighed alike.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features as the network wants them."""
        steps = (features - self.mean) / self.scale
        return np.asarray(np.clip(steps, -LIMIT, LIMIT), np.float32)


@dataclass(frozen=True)
class Table:
    """Beats of many records, those that can be learnt from or scored.

    Attributes
    ----------
    windows, features, labels : arrays
        As in `LabelledBeats`, without unusable and unmatched beats.
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
    """Stack the usable, matched beats of records."""
    keep = [beats.usable & (beats.labels >= 0) for beats in records]
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


def normalization(data: Table) -> Normalization:
    """Measure mean and scale of the features as they are drawn."""
    weights = draw_weights(data)
    mean = np.average(data.features, axis=0, weights=weights)
    spread = np.sqrt(np.average((data.features - mean) ** 2, axis=0, weights=weights))
    return Normalization(mean.astype(np.float32), np.maximum(spread, 1e-3).astype(np.float32))


def knots(data: Table, normal: Normalization, bins: int) -> NDArray[np.float32]:
    """Return quantiles of the normalized features as they are drawn, shape (k, bins + 1)."""
    weights = draw_weights(data)
    rows = np.random.default_rng(0).choice(len(data), 40_000, p=weights)
    values = normal.apply(data.features[rows])
    return np.asarray(np.quantile(values, np.linspace(0.005, 0.995, bins + 1), axis=0).T, np.float32)


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
