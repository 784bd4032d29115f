"""Scores while choosing: one number a model is kept or refused by, and the figures a card shows.

`training.evaluate` scores what is released; both count by `training.ec57`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training import ec57
from training.ec57 import CLASSES, Table

TINY = 1e-4
"""As `edge.stages.classify` adds before the logarithm."""


def decide(probabilities: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.int8]:
    """Choose classes as the device does.

    Parameters
    ----------
    probabilities : float32 array, shape (n, len(CLASSES))
        What a model says.
    offsets : float32 array, shape (len(CLASSES),)
        See `edge.model_card.ModelCard`.

    Returns
    -------
    int8 array, shape (n,)
        Numbers of `CLASSES`.
    """
    weighed = np.log(probabilities + np.float32(TINY)) + offsets
    return np.asarray(weighed.argmax(axis=1), np.int8)


def count(truth: NDArray[np.int8], said: NDArray[np.int8]) -> Table:
    """Count pairs of classes; -1 in either stands for no beat, as the last row or column."""
    n = len(CLASSES) + 1
    rows, columns = np.where(truth < 0, n - 1, truth), np.where(said < 0, n - 1, said)
    return np.bincount(rows * n + columns, minlength=n * n).reshape(n, n).astype(np.int64)


def quality(table: Table) -> float:
    """Return what a model is chosen by: the mean F1 of S and V, 0 to 1, by the conventions of EC57.

    Both classes count alike, however rare S is; N follows from them, since a false S or V is a lost N.
    """
    f1 = [ec57.beat_class(table, label, "ec57").f1 for label in ("S", "V")]
    defined = [value for value in f1 if not math.isnan(value)]
    return float(np.mean(defined)) if defined else 0.0


def figures(table: Table) -> dict[str, float]:
    """Return sensitivity, +P and F1 of N, S and V in percent by EC57's conventions, leaving out undefined ones."""
    out = {}
    for label in ("N", "S", "V"):
        score = ec57.beat_class(table, label, "ec57")
        for name, value in (("se", score.se), ("ppv", score.ppv), ("f1", score.f1)):
            if not math.isnan(value):
                out[f"{label.lower()}_{name}"] = round(100 * value, 2)
    return out
