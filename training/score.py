"""Scores while choosing: one number a model is kept or refused by, and the figures a card shows.

`training.evaluate` scores what is released; both count by `training.ec57`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.inference.beat_model import TINY
from training import ec57
from training.ec57 import CLASSES, Table

F_OVER_N, Q_OFFSET = 0.6, -9.0
"""Offset of the log probability of F over that of N, with which F beats are mostly confused and of which there are too
few patients to choose it by; and that of Q, which is never learnt: a beat is called Q for the quality of its signal."""

SHARES = {"N": 0.896, "S": 0.019, "V": 0.077, "F": 0.008}
"""Of the beats of DS1."""
_SCALE = 10_000_000
_N_GRID, _S_GRID = np.arange(-0.9, 1.21, 0.15), np.arange(-1.8, 0.91, 0.15)
_AROUND = 5
"""Steps of the grid over which is averaged."""


def decide(probabilities: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.int8]:
    """Choose classes as the device does.

    Parameters
    ----------
    probabilities : float32 array, shape (n, len(CLASSES))
        What a model says.
    offsets : float32 array, shape (len(CLASSES),)
        See `edge.inference.card.ModelCard`.

    Returns
    -------
    int8 array, shape (n,)
        Numbers of `CLASSES`.
    """
    return np.asarray(weigh(probabilities, offsets).argmax(axis=1), np.int8)


def weigh(probabilities: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log probabilities with the offsets added, as the device does."""
    return np.asarray(np.log(probabilities + np.float32(TINY)) + offsets, np.float32)


def choose_offsets(
    labels: NDArray[np.int8], probabilities: NDArray[np.float32], records: NDArray[np.str_]
) -> NDArray[np.float32]:
    """Choose what to add to the log probabilities of each class.

    Drawing by patient and kind makes rare classes look less rare than they are, which this takes back. Of all offsets
    of N and S on a grid those are taken around which the mean F1 of S and V, over the databases, is best on the
    average: a lucky peak would not last.

    Parameters
    ----------
    labels : int8 array, shape (n,)
        Of patients the model has not seen.
    probabilities : float32 array, shape (n, len(CLASSES))
        What a model says of them.
    records : str array, shape (n,)
        ``database/record`` of each beat.
    """
    log = weigh(probabilities, np.zeros(len(CLASSES), np.float32))
    _, database = np.unique([name.partition("/")[0] for name in records.tolist()], return_inverse=True)
    alike = [database == i for i in range(database.max() + 1)]
    rows = [_offsets(n, s) for n in _N_GRID for s in _S_GRID]
    values = []
    for row in rows:
        said = np.asarray((log + row).argmax(axis=1), np.int8)
        values.append(np.mean([_ectopic_f1(count(labels[own], said[own])) for own in alike]))
    smooth = ndimage.uniform_filter(np.reshape(values, (len(_N_GRID), len(_S_GRID))), _AROUND, mode="nearest")
    return rows[int(smooth.argmax())]


def _offsets(n: float, s: float) -> NDArray[np.float32]:
    return np.array([round(n, 2), round(s, 2), 0, round(n + F_OVER_N, 2), Q_OFFSET], np.float32)


def count(truth: NDArray[np.int8], said: NDArray[np.int8]) -> Table:
    """Count pairs of classes; -1 in either stands for no beat, as the last row or column."""
    n = len(CLASSES) + 1
    rows, columns = np.where(truth < 0, n - 1, truth), np.where(said < 0, n - 1, said)
    return np.bincount(rows * n + columns, minlength=n * n).reshape(n, n).astype(np.int64)


def quality(table: Table) -> float:
    """Return what a model is chosen by: the mean F1 of S and V, 0 to 1, by the conventions of EC57.

    Both classes count alike, however rare S is; N follows from them, since a false S or V is a lost N. The validation
    patients were picked for their ectopic beats, so classes are first brought to the shares they have in all of DS1: a
    model that was chosen where every tenth beat is S would call too many S anywhere else.
    """
    weights = np.zeros(len(table))
    for label, share in SHARES.items():
        row = CLASSES.index(label)
        weights[row] = share / max(int(table[row].sum()), 1)
    usual = np.round(table * weights[:, None] * _SCALE).astype(np.int64)
    return _ectopic_f1(usual)


def _ectopic_f1(table: Table) -> float:
    f1 = [ec57.beat_class(table, label, "ec57").f1 for label in ("S", "V")]
    defined = [value for value in f1 if not math.isnan(value)]
    return float(np.mean(defined)) if defined else 0.0


def figures(table: Table) -> dict[str, float]:
    """Return sensitivity, +P and F1 of N, S, V and F in percent by EC57's conventions, leaving out undefined ones."""
    out = {}
    for label in ("N", "S", "V", "F"):
        score = ec57.beat_class(table, label, "ec57")
        for name, value in (("se", score.se), ("ppv", score.ppv), ("f1", score.f1)):
            if not math.isnan(value):
                out[f"{label.lower()}_{name}"] = round(100 * value, 2)
    return out
