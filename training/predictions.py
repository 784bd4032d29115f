"""What a network says of beats, as float and as int8, the latter beat by beat as on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from edge.inference.beat_model import BeatModel
from training import cards, datasets, features, score, train
from training.datasets import LabelledBeats
from training.ec57 import Table as Confusion
from training.train import Trained

Weigh = Callable[[features.Table], NDArray[np.float32]]
"""Gives weighed log probabilities of beats, see `training.score.weigh`."""


def as_on_device(trained: Trained, content: bytes) -> BeatModel:
    """Return an int8 network as the device runs it; its card says nothing yet of how good it is."""
    return BeatModel(cards.make_card(trained, content, [], {}), content)


def weigh_float(trained: Trained, data: features.Table) -> NDArray[np.float32]:
    """Return the float network's weighed log probabilities, see `training.score.weigh`."""
    return score.weigh(train.predict(trained.model, trained.levels, data), trained.offsets)


def weigh_int8(model: BeatModel, data: features.Table) -> NDArray[np.float32]:
    """Return those of the int8 model, beat by beat as on the device."""
    rows = [model.predict(window, row) for window, row in zip(data.windows, data.features, strict=True)]
    probabilities = np.array(rows, np.float32).reshape(-1, len(model.classes))
    return score.weigh(probabilities, np.array(model.card.offsets, np.float32))


def labels_of(beats: LabelledBeats, weigh: Weigh) -> datasets.Labels:
    """Return the labels of a record's beats: Q for those that cannot be used, or are noisy and not called N."""
    labels = np.full(len(beats.labels), datasets.CLASSES.index("Q"), np.int8)
    labels[beats.usable] = weigh(features.everything(beats)).argmax(axis=1)
    labels[beats.noisy & (labels != datasets.CLASSES.index("N"))] = datasets.CLASSES.index("Q")
    return labels


def confusion(records: Iterable[LabelledBeats], weigh: Weigh) -> Confusion:
    """Count how every detected beat is labelled, with the missed and the extra ones; see `training.ec57.Comparison`."""
    total = np.zeros((6, 6), np.int64)
    for beats in records:
        total += score.count(beats.labels, labels_of(beats, weigh))
        total[:5, 5] += beats.missed
    return total
