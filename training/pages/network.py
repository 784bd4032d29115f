"""The network of whole pages: a few small ones that vote. tensorflow is imported only when one is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.features.page import LEADS, WINDOW
from training import networks, quantize
from training.pages.examples import CLASSES, Examples

BEATS, CONTEXT = "beats", "context"
"""Names of the inputs."""

_MEMBERS = 1
_BATCH = 32
_STEP = 2e-3
_SMOOTH = 0.1
"""Share of a label that is spread over all classes: labels of a ward are not all right."""
_FILTERS = ((24, 5), (32, 3))
_UNITS = 32
_DECAY = 1e-4


@dataclass(frozen=True)
class Fitted:
    """A network that has learnt.

    Attributes
    ----------
    model : tf_keras.Model
        From ``[beats, context]`` to probabilities.
    knots : float32 array, shape (k, 2)
        Between which each number goes from 0 to 1.
    """

    model: Any
    knots: NDArray[np.float32]

    def predict(self, pages: Examples) -> NDArray[np.float32]:
        """Return probabilities, shape (n, classes)."""
        said = self.model([pages.beats, levels(pages.numbers, self.knots)], training=False)
        return np.asarray(said, np.float32)


def knots_of(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the range of each number, without what is beyond in one of a hundred pages on either side."""
    low, high = np.quantile(numbers, [0.01, 0.99], axis=0)
    return np.asarray(np.stack([low, np.maximum(high, low + 1e-3)], axis=1).round(5), np.float32)


def levels(numbers: NDArray[np.float32], knots: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return numbers as the network sees them, 0 to 1."""
    return np.asarray(np.clip((numbers - knots[:, 0]) / (knots[:, 1] - knots[:, 0]), 0, 1), np.float32)


def fit(pages: Examples, seed: int, epochs: int) -> Fitted:
    """Learn from pages; rare classes are drawn more often than they come.

    Parameters
    ----------
    pages : Examples
        To learn from.
    seed : int
        Decides weights, draws and variations.
    epochs : int
        How often as many pages are drawn as there are.
    """
    k = networks.keras()
    knots = knots_of(pages.numbers)
    inputs = [k.Input((WINDOW, len(LEADS)), name=BEATS), k.Input((len(knots),), name=CONTEXT)]
    said = []
    for member in range(_MEMBERS):
        k.utils.set_random_seed(100 * seed + member)
        logits = k.Model(inputs, _logits(k, *inputs), name=f"member{member}")
        _train(logits, pages, knots, 100 * seed + member, epochs)
        said.append(logits(inputs))
    voted = k.layers.Average()(said) if len(said) > 1 else said[0]
    return Fitted(k.Model(inputs, k.layers.Softmax()(voted), name="page"), knots)


def _logits(k: Any, beats: Any, context: Any) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    rule = k.regularizers.l2(_DECAY)
    h = beats
    for filters, width in _FILTERS:
        h = k.layers.Conv1D(filters, width, strides=2, padding="same", use_bias=False, kernel_regularizer=rule)(h)
        h = k.layers.ReLU()(k.layers.BatchNormalization(momentum=0.9)(h))
    h = k.layers.Dropout(0.4)(k.layers.Flatten()(h))
    h = k.layers.Dense(_UNITS, activation="relu", kernel_regularizer=rule)(h)
    n = k.layers.Dense(_UNITS, activation="relu", kernel_regularizer=rule)(k.layers.Dropout(0.2)(context))
    both = k.layers.Dropout(0.4)(k.layers.Concatenate()([h, n]))
    both = k.layers.Dense(24, activation="relu", kernel_regularizer=rule)(both)
    # Between 0 and 6, which is as much as an int8 softmax can tell.
    return k.layers.Dense(len(CLASSES), activation=tf.nn.relu6, bias_initializer=k.initializers.Constant(3.0))(both)


def _train(logits: Any, pages: Examples, knots: NDArray[np.float32], seed: int, epochs: int) -> None:
    k = networks.keras()
    rng = np.random.default_rng(seed)
    context = levels(pages.numbers, knots)
    n = _BATCH * max(1, len(pages) // _BATCH)
    labels = np.eye(len(CLASSES), dtype=np.float32)[pages.labels] * (1 - _SMOOTH) + _SMOOTH / len(CLASSES)
    weights = draw_weights(pages.labels)
    rows = np.concatenate([rng.choice(len(pages), n, p=weights) for _ in range(epochs)])
    noise = rng.normal(0, 0.03, (len(rows), context.shape[1])).astype(np.float32)
    step = k.optimizers.schedules.CosineDecay(_STEP, len(rows) // _BATCH)
    loss = k.losses.CategoricalCrossentropy(from_logits=True)
    logits.compile(k.optimizers.Adam(step), loss)
    logits.fit(
        [vary(pages.beats[rows], rng), context[rows] + noise],
        labels[rows],
        batch_size=_BATCH,
        shuffle=False,
        verbose=0,
    )


def draw_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how likely each page is drawn: between as often as it comes and all classes alike."""
    weights = 1 / np.sqrt(np.bincount(labels, minlength=len(CLASSES))[labels])
    return np.asarray(weights / weights.sum())


def vary(beats: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return median beats as they might have been read: larger, shifted, noisier, of other offset, a lead lost."""
    n = len(beats)
    out = beats * rng.uniform(0.85, 1.15, (n, 1, 1)) * rng.uniform(0.93, 1.07, (n, 1, len(LEADS)))
    shifted = [np.roll(page, shift, axis=0) for page, shift in zip(out, rng.integers(-1, 2, n), strict=True)]
    out = np.stack(shifted) + rng.normal(0, 0.015, beats.shape) + rng.normal(0, 0.02, (n, 1, len(LEADS)))
    return np.asarray(out * (rng.random((n, 1, len(LEADS))) > 0.03), np.float32)


def quantized(fitted: Fitted, pages: Examples) -> bytes:
    """Return the network as a `.tflite` file in integers alone, its ranges taken from pages."""
    context = levels(pages.numbers, fitted.knots)

    def samples() -> Iterator[dict[str, NDArray[np.float32]]]:
        for i in range(len(pages)):
            yield {BEATS: pages.beats[i : i + 1], CONTEXT: context[i : i + 1]}

    return quantize.to_int8(fitted.model, (BEATS, CONTEXT), samples, "page")
