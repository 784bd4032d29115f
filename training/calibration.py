"""How often a label is right, by how sure the model is of it (Platt 1999, for each class by itself)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from edge.inference.beat_model import MIN_ODDS
from edge.inference.card import Confidence
from training.datasets import CLASSES, Labels
from training.score import SHARES

_FEWEST = 50
"""Labels of a class below which the model is taken at its word."""
_PRIOR = 2.0
"""Weight of the belief that the model is right about itself."""


def calibrate(labels: Labels, weighed: NDArray[np.float32]) -> tuple[Confidence, ...]:
    """Fit, for each class, how often its label is right where classes have the shares they have in DS1.

    Among the judging patients, picked for their ectopic beats, S is right far more often than in anybody else.

    Parameters
    ----------
    labels : int8 array, shape (n,)
        Annotated classes.
    weighed : float32 array, shape (n, len(CLASSES))
        See `training.score.weigh`.

    Returns
    -------
    tuple of Confidence
        One a class.
    """
    said, logit = weighed.argmax(axis=1), logits(weighed)
    shares = np.array([SHARES.get(label, 0.0) for label in CLASSES])
    usual = len(labels) * (shares / np.maximum(np.bincount(labels, minlength=len(CLASSES)), 1))[labels]
    return tuple(
        _fit(logit[said == number], (labels == number)[said == number], usual[said == number])
        for number in range(len(CLASSES))
    )


def logits(weighed: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logit of the largest weighed probability of each row, as `BeatModel.decide` has it."""
    best = weighed.max(axis=1, keepdims=True).astype(np.float64)
    others = np.exp(weighed - best).sum(axis=1) - 1
    return np.asarray(-np.log(np.maximum(others, MIN_ODDS)))


def _fit(logit: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> Confidence:
    if len(logit) < _FEWEST:
        return Confidence(slope=1.0, intercept=0.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        slope, intercept = parameters
        doubt = special.log1p(np.exp(-np.where(right, 1, -1) * (slope * logit + intercept)))
        return float(weights @ doubt + _PRIOR * ((slope - 1) ** 2 + intercept**2))

    slope, intercept = optimize.minimize(loss, [1.0, 0.0], bounds=[(0.05, 5), (-8, 8)]).x
    return Confidence(slope=round(float(slope), 4), intercept=round(float(intercept), 4))
