"""Calibrates scores: how often a label is right, by how sure the model is of it.

For each class by itself a logistic function of the model's own logit (Platt 1999, "Probabilistic outputs for support
vector machines"), fitted to predictions on patients the model has not learnt from. The model that is released has
learnt from all of them. As Platt proposes for that case, the predictions are cross-fitted: the recipe of the released
model is carried out once for each fold of patients without that fold, and each patient is predicted by the model that
has not seen him. What is fitted thereby belongs to the recipe with four patients in five; that the released model is
more or less sure of itself than these cannot be excluded, and is measured on the patients nobody has learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from edge.inference.beat_model import MIN_ODDS, BeatModel
from edge.inference.card import Confidence
from training import features, predictions, quantize, splits, train
from training.datasets import CLASSES, LabelledBeats, Labels
from training.networks import Kind
from training.score import SHARES
from training.sets import Progress, Sets
from training.teacher import Teacher
from training.train import Recipe, Trained

FOLDS = 5
"""Parts the patients are dealt into."""
_FEWEST = 50
"""Labels of a class below which the model is taken at its word."""
_PRIOR = 2.0
"""Weight of the belief that the model is right about itself."""

Weighed = NDArray[np.float32]
"""Weighed log probabilities, shape (n, len(CLASSES)); see `training.score.weigh`."""


@dataclass(frozen=True)
class Design:
    """What a family's cross-fitted models have in common with the one that is released.

    Attributes
    ----------
    kind : {"cnn", "lstm"}
        Its family.
    offsets : float32 array, shape (len(CLASSES),)
        See `training.score.choose_offsets`.
    seed : int
        Of the training.
    recipe : Recipe
        How long and how fast it was trained.
    """

    kind: Kind
    offsets: NDArray[np.float32]
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class CrossFitted:
    """Predictions on patients by int8 models that have not learnt from them.

    Attributes
    ----------
    labels : int8 array, shape (n,)
        Annotated classes of all beats that are given a score; -1 where there is no annotated beat.
    weighed : float32 array, shape (n, len(CLASSES))
        What the models say of them.
    unseen : float32 array, shape (m, len(CLASSES))
        What each of the models says of patients that are never learnt from, all models' stacked.
    """

    labels: Labels
    weighed: Weighed
    unseen: Weighed


def cross_fit(designs: Sequence[Design], sets: Sets, progress: Progress = print) -> Mapping[Kind, CrossFitted]:
    """Predict every patient by models that were made as the released ones are, but without him.

    Parameters
    ----------
    designs : sequence of Design
        One per family; they share the trees of each fold.
    sets : Sets
        From `training.sets.gather`.
    progress : callable
        Called with a line for each fold.
    """
    everybody = sets.everybody
    never = [beats for beats in sets.recorded if beats.record in splits.NEVER_LEARNT]
    found: dict[Kind, list[CrossFitted]] = {design.kind: [] for design in designs}
    dealt = splits.folds(np.unique(everybody.records).tolist(), FOLDS)
    for number, fold in enumerate(dealt, 1):
        progress(f"cross-fitting, fold {number} of {len(dealt)}")
        rest = features.take(everybody, ~np.isin(everybody.records, fold))
        teacher = Teacher(rest)
        own = [beats for beats in sets.recorded if f"{beats.database}/{beats.record}" in fold]
        for design in designs:
            with _without_fold(design, rest, teacher) as model:
                labels, weighed = scored(model, own)
                found[design.kind].append(CrossFitted(labels, weighed, scored(model, never)[1]))
    return {
        kind: CrossFitted(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
        for kind, parts in found.items()
    }


def _without_fold(design: Design, rest: features.Table, teacher: Teacher) -> BeatModel:
    # The epoch, seed and offsets are the released model's; as for it, the last weights are taken.
    chosen = Trained(design.kind, None, features.levels(rest), design.offsets, float("nan"), design.seed)
    trained = train.refit(chosen, rest, teacher, recipe=design.recipe, progress=lambda _: None)
    return predictions.as_on_device(trained, quantize.quantize(trained, rest))


def scored(model: BeatModel, records: Sequence[LabelledBeats]) -> tuple[Labels, Weighed]:
    """Return annotated classes and weighed log probabilities of the beats of records that are given a score.

    Not among them are beats that are called Q for the quality of their signal, as `edge.stages.classify` does.
    """
    labels: list[Labels] = [np.zeros(0, np.int8)]
    weighed: list[Weighed] = [np.zeros((0, len(CLASSES)), np.float32)]
    for beats in records:
        rows = predictions.weigh_int8(model, features.everything(beats))
        kept = ~(beats.noisy[beats.usable] & (rows.argmax(axis=1) != CLASSES.index("N")))
        labels.append(beats.labels[beats.usable][kept])
        weighed.append(rows[kept])
    return np.concatenate(labels), np.concatenate(weighed)


def calibrate(labels: Labels, weighed: Weighed) -> tuple[Confidence, ...]:
    """Fit, for each class, how often its label is right where classes have the shares they have in DS1.

    In svdb, whose patients were picked for their ectopic beats, S is right far more often than in anybody else.

    Parameters
    ----------
    labels : int8 array, shape (n,)
        Annotated classes; -1 where there is no annotated beat, and every label is wrong.
    weighed : float32 array, shape (n, len(CLASSES))
        What a model that has not learnt from these beats says of them.

    Returns
    -------
    tuple of Confidence
        One per class.
    """
    best, logit, usual = weighed.argmax(axis=1), logits(weighed), _weights(labels)
    return tuple(
        _fit(logit[best == number], (labels == number)[best == number], usual[best == number])
        for number in range(len(CLASSES))
    )


def of_two(odds: NDArray[np.float64], yes: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit how likely S is among beats that are S or N by the log odds of trees: slope and intercept.

    Classes count with the shares they have in DS1, as in `calibrate`.
    """
    fitted = _fit(odds, yes, _weights(np.where(yes, CLASSES.index("S"), CLASSES.index("N")).astype(np.int8)))
    return fitted.slope, fitted.intercept


def logits(weighed: Weighed) -> NDArray[np.float64]:
    """Return the logit of the largest weighed probability of each row, as `BeatModel.decide` has it."""
    best = weighed.max(axis=1, keepdims=True).astype(np.float64)
    others = np.exp(weighed - best).sum(axis=1) - 1
    return np.asarray(-np.log(np.maximum(others, MIN_ODDS)))


def _weights(labels: Labels) -> NDArray[np.float64]:
    """Return weights that bring classes to their shares in DS1; beats of no class there count once."""
    weights = np.ones(len(labels))
    known = int(np.isin(labels, [CLASSES.index(label) for label in SHARES]).sum())
    for label, share in SHARES.items():
        own = labels == CLASSES.index(label)
        weights[own] = known * share / max(int(own.sum()), 1)
    return weights


def _fit(logit: NDArray[np.float64], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> Confidence:
    if len(logit) < _FEWEST:
        return Confidence(slope=1.0, intercept=0.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        slope, intercept = parameters
        doubt = special.log1p(np.exp(-np.where(right, 1, -1) * (slope * logit + intercept)))
        return float(weights @ doubt + _PRIOR * ((slope - 1) ** 2 + intercept**2))

    slope, intercept = optimize.minimize(loss, [1.0, 0.0], bounds=[(0.05, 5), (-8, 8)]).x
    return Confidence(slope=round(float(slope), 4), intercept=round(float(intercept), 4))
